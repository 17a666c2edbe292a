import { mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { parseEnv } from 'node:util';
import { callBack } from './demo-callback.ts';
import { type DemoChild, startDemoChild } from './demo-children.ts';
import { confirmTenant, consentToTenant } from './demo-connect.ts';
import { DemoFailure } from './demo-failure.ts';
import { createDemoHttp, createJsonApi, type DemoHttp } from './demo-http.ts';
import { configureWebhooks, type JoinedInstance, joinInstance, trustGateway } from './demo-instances.ts';
import { findDemoPorts } from './demo-ports.ts';
import { type DemoProgress, findWrongVerdicts, progressLine, readProgress } from './demo-progress.ts';
import { createDemoOutput, type DemoOutput } from './demo-status.ts';
import {
  type DemoPlaces,
  type DemoSummary,
  emptySummary,
  isComplete,
  nextSteps,
  summaryTable,
} from './demo-text.ts';
import type { DemoContext, DemoTruth, DemoWorld } from './demo-world.ts';

/** `espalier demo`: the simulated world, the real gateway, and the proof that every device is served right. */
export interface DemoArguments {
  /** Ends by itself and prints the summary as JSON. */
  readonly once?: boolean | undefined;
  /** `.espalier-demo` if unsaid. */
  readonly dataDir?: string | undefined;
  readonly seed?: number | undefined;
}

interface Run {
  readonly args: DemoArguments;
  readonly dir: string;
  readonly output: DemoOutput;
  readonly startedAtMs: number;
  /** Rejects when the user stops the demo. */
  readonly stopped: Promise<never>;
  /** The last started first. */
  readonly cleanUps: (() => Promise<void>)[];
}

/** Devices have to be there by then, counted from the start. */
const onceWithinMs = 75_000;
const interactiveWithinMs = 180_000;
const lookEveryMs = 500;
/** The fleet's inventory is spread a little, as mornings are. */
const announceSpreadMs = 2000;
const namedFailures = 5;

/** Does not hold up the end of the process: the children do that, as long as they live. */
const wait = (ms: number): Promise<void> => setTimeout(ms, undefined, { ref: false });

class DemoStopped extends Error {
  override readonly name = 'DemoStopped';
}

/** Both children, the gateway configured by nothing but its environment. */
async function startChildren(
  run: Run,
): Promise<{ context: DemoContext; places: DemoPlaces; died: Promise<never> }> {
  const { args, dir, output } = run;
  const ports = await findDemoPorts(!args.once);
  const simulatorDir = join(dir, 'simulator');
  const gatewayDir = join(dir, 'gateway');
  const publicUrl = `https://localhost:${ports.data}`;
  const start = (
    name: string,
    commandLine: readonly string[],
    environment: Record<string, string>,
  ): DemoChild => {
    const logFile = join(dir, `${name}.log`);
    const child = startDemoChild({ name, args: commandLine, cwd: dir, environment, logFile });
    run.cleanUps.push(child.stop);
    return child;
  };
  const seed = args.seed === undefined ? [] : ['--seed', String(args.seed)];
  const simulatorLine = [
    'simulate',
    '--json',
    '--quiet-fleet',
    '--data-dir',
    simulatorDir,
    '--public-url',
    publicUrl,
  ];
  const simulator = start('simulator', [...simulatorLine, ...seed], {});
  const world = await Promise.race([simulator.ready, run.stopped]);
  const environment = await readFile(join(simulatorDir, 'gateway.env'), 'utf8');
  const gateway = start('gateway', ['serve'], {
    ...(parseEnv(environment) as Record<string, string>),
    ESPALIER_DATA_DIR: gatewayDir,
    ESPALIER_DATA_LISTEN: `127.0.0.1:${ports.data}`,
    ESPALIER_ADMIN_LISTEN: `127.0.0.1:${ports.admin}`,
    ESPALIER_OPS_LISTEN: `127.0.0.1:${ports.ops}`,
    ESPALIER_LOG_FORMAT: 'json',
    // Every upload is looked up in Entra, and as soon as the simulated Intune has had a moment.
    ESPALIER_VERIFY_SAMPLE: '1',
    ESPALIER_UPLOAD_STATUS_SECONDS: '0.5',
  });
  const died = Promise.race([simulator.died, gateway.died]);
  died.catch(() => undefined);
  const urls = await Promise.race([gateway.ready, died, run.stopped]);
  const places: DemoPlaces = {
    gatewayDir,
    simulatorDir,
    data: publicUrl,
    // The listener's certificate is for localhost as well as for the address.
    admin: String(urls.admin),
    ops: String(urls.ops),
    control: String(world.control),
  };
  const context = await createContext(run, places, String(world.ca));
  output.say(`  gateway: data ${places.data}, admin ${places.admin}, ops ${places.ops}`);
  return { context, places, died };
}

async function createContext(run: Run, places: DemoPlaces, caFile: string): Promise<DemoContext> {
  const gatewayCertificatePem = await readFile(join(places.gatewayDir, 'tls.crt'), 'utf8');
  const http: DemoHttp = createDemoHttp([await readFile(caFile, 'utf8'), gatewayCertificatePem]);
  run.cleanUps.push(http.close);
  const key = (await readFile(join(places.simulatorDir, 'bootstrap-key'), 'utf8')).trim();
  const control = createJsonApi(http, places.control);
  const admin = createJsonApi(http, `${places.admin}/api/v1`, { authorization: `Bearer ${key}` });
  const { status } = await admin.call('GET', '/version', { also: [401] });
  if (status === 401) {
    throw new DemoFailure(
      `the gateway refuses the demo's bootstrap key, as it does once an admin key was made: remove ${run.dir} to begin anew`,
    );
  }
  const { body: world } = await control.call<DemoWorld>('GET', '/world');
  const { startedAtMs } = run;
  const gatewayUrl = places.data;
  return { http, control, admin, gatewayUrl, gatewayCertificatePem, world, startedAtMs, say: run.output.say };
}

async function connect(context: DemoContext): Promise<JoinedInstance[]> {
  const { say, world } = context;
  const joined: JoinedInstance[] = [];
  say('Connecting the tenants, as their administrators would:');
  for (const tenant of world.tenants) {
    await consentToTenant(context, tenant);
    for (const instance of tenant.instances) {
      joined.push(await joinInstance(context, tenant, instance));
      say(`  instance ${instance.name} added and tested (Jamf Pro ${instance.version})`);
    }
    await confirmTenant(context, tenant);
  }
  await trustGateway(context);
  for (const one of joined) await configureWebhooks(context, one);
  say(`  webhooks configured on ${joined.length} instances`);
  return joined;
}

/** Until everything is verified or the time is over. */
async function watch(
  run: Run,
  context: DemoContext,
  truth: readonly DemoTruth[],
  joined: readonly JoinedInstance[],
): Promise<DemoProgress> {
  const deadline = run.startedAtMs + (run.args.once ? onceWithinMs : interactiveWithinMs);
  for (;;) {
    const progress = await readProgress(context, truth, joined);
    run.output.status(`  ${progressLine(progress)}`);
    if (progress.verified === progress.devices || Date.now() > deadline) {
      run.output.say(`  ${progressLine(progress)}`);
      return progress;
    }
    await wait(lookEveryMs);
  }
}

interface Shown {
  readonly summary: DemoSummary;
  readonly truth: readonly DemoTruth[];
  readonly joined: readonly JoinedInstance[];
}

async function show(run: Run, context: DemoContext): Promise<Shown> {
  const { say } = run.output;
  const joined = await connect(context);
  say(`${context.world.macs} Macs send their inventory:`);
  await context.control.call('POST', '/fleet/announce', { body: { spreadMs: announceSpreadMs } });
  const { body: truth } = await context.control.call<DemoTruth[]>('GET', '/fleet/truth');
  const progress = await watch(run, context, truth, joined);
  const wrongVerdicts = await findWrongVerdicts(context, truth);
  say('The Microsoft side calls back about every device:');
  const wrongAnswers = await callBack(context, truth);
  say(
    `  ${truth.length - wrongAnswers.length} of ${truth.length} answered by the instance that manages the Mac`,
  );

  const complain = (what: string, lines: readonly string[]): void => {
    if (lines.length === 0) return;
    say(`${lines.length} ${what}:`);
    for (const line of lines.slice(0, namedFailures)) say(`  ${line}`);
  };
  complain(
    'devices are not verified',
    progress.missing.map(({ state, truth: one }) => `${one.deviceId} ${state}`),
  );
  complain(
    'devices show another verdict in Entra than Jamf Pro has',
    wrongVerdicts.map(({ deviceId }) => deviceId),
  );
  complain(
    'devices were not answered by their instance',
    wrongAnswers.map(({ truth: one, why }) => `${one.deviceId} ${why}`),
  );

  const unverified = new Set([...progress.missing.map((entry) => entry.truth), ...wrongVerdicts]);
  const { completed, devices, routed, uploaded } = progress;
  const seconds = Math.round((Date.now() - run.startedAtMs) / 100) / 10;
  const verified = devices - unverified.size;
  const summary = { devices, routed, uploaded, completed, verified, misrouted: wrongAnswers.length, seconds };
  return { summary, truth, joined };
}

/** The fleet lives on until the user stops it. Never resolves. */
async function keepAlive(run: Run, context: DemoContext, { joined }: Shown): Promise<never> {
  await context.control.call('POST', '/fleet/start', { body: {} });
  run.output.say('\nThe fleet lives on: check-ins, inventories, changes of compliance. Ctrl-C ends it.');
  for (;;) {
    const { body: truth } = await context.control.call<DemoTruth[]>('GET', '/fleet/truth');
    run.output.status(`  ${progressLine(await readProgress(context, truth, joined))}`);
    await wait(process.stdout.isTTY ? 1000 : 60_000);
  }
}

async function runSteps(run: Run, onSummary: (summary: DemoSummary) => void): Promise<void> {
  const { output } = run;
  await mkdir(run.dir, { recursive: true });
  output.say('Starting a simulated Microsoft cloud and Jamf fleet, and the gateway between them:');
  const { context, died, places } = await startChildren(run);
  const { world } = context;
  const instances = world.tenants.flatMap((tenant) => tenant.instances).length;
  output.say(
    `  ${world.tenants.length} tenants in ${Object.keys(world.clouds).length} clouds, ${instances} instances, ${world.macs} Macs, seed ${world.seed}`,
  );
  const shown = await Promise.race([show(run, context), died, run.stopped]);
  onSummary(shown.summary);
  output.say(`\n${summaryTable(shown.summary)}\n`);
  if (run.args.once) return;
  const [device] = shown.truth;
  const joined = shown.joined.find(({ instance }) => instance.name === device?.instance);
  output.say(nextSteps(context, places, device, joined));
  await Promise.race([keepAlive(run, context, shown), died, run.stopped]);
}

function stopSignal(): Promise<never> {
  return new Promise((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.once(signal, () => reject(new DemoStopped(signal)));
    }
  });
}

/**
 * Resolves to the exit code: 0 when everything was verified and nothing misrouted (or the user stopped a demo that
 * had shown that), 1 otherwise.
 */
export async function runDemo(args: DemoArguments = {}): Promise<number> {
  const startedAtMs = Date.now();
  const stopped = stopSignal();
  // It is awaited in races only.
  stopped.catch(() => undefined);
  // With --once standard output is for the summary.
  const output = createDemoOutput(args.once ? process.stderr : process.stdout);
  const dir = resolve(args.dataDir ?? '.espalier-demo');
  const run: Run = { args, dir, output, startedAtMs, stopped, cleanUps: [] };
  let summary = emptySummary(0, 0);
  try {
    await runSteps(run, (found) => {
      summary = found;
    });
  } catch (error) {
    output.settle();
    if (error instanceof DemoFailure) process.stderr.write(`espalier demo: ${error.message}\n`);
    else if (!(error instanceof DemoStopped)) throw error;
  } finally {
    output.settle();
    for (const cleanUp of run.cleanUps.splice(0).reverse()) await cleanUp();
  }
  const isDone = isComplete(summary);
  if (args.once) process.stdout.write(`${JSON.stringify(summary)}\n`);
  return isDone ? 0 : 1;
}
