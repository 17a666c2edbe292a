import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { monotonicMs } from '../clock.ts';
import { DirectoryInUse, lockDirectory } from '../runtime/node-directory-lock.ts';
import { callBack, type WrongAnswer } from './demo-callback.ts';
import { confirmTenant, consentToTenant } from './demo-connect.ts';
import { DemoFailure } from './demo-failure.ts';
import { configureWebhooks, type JoinedInstance, joinInstance, trustGateway } from './demo-instances.ts';
import { consoleText } from './demo-link.ts';
import { type DemoProgress, findWrongVerdicts, progressLine, readProgress } from './demo-progress.ts';
import { type DemoRun, startDemo } from './demo-start.ts';
import { createDemoOutput } from './demo-status.ts';
import { type DemoSummary, emptySummary, isComplete, nextSteps, summaryTable } from './demo-text.ts';
import type { DemoContext, DemoTruth } from './demo-world.ts';

/** `espalier demo`: the simulated world, the real gateway, and the proof that every device is served right. */
export interface DemoArguments {
  /** Ends by itself and prints the summary as JSON. */
  readonly once?: boolean | undefined;
  /** Default: `.espalier-demo`. */
  readonly dataDir?: string | undefined;
  readonly seed?: number | undefined;
  /** Address of the gateway's listeners. Default: the loopback interface. */
  readonly listen?: string | undefined;
  /** Port of the data listener; admin and ops follow. Default: those of `serve` where they are free, else free ones. */
  readonly portBase?: number | undefined;
  /** Absolute path of a program that is run in place of `serve`, with `once`: the same gateway on another runtime. */
  readonly gateway?: string | undefined;
}

/** Devices have to be there by then, counted from the start. */
const onceWithinMs = 75_000;
const interactiveWithinMs = 180_000;
const pollIntervalMs = 500;
/** The fleet's inventory is spread a little, as mornings are. */
const announceSpreadMs = 2000;
const namedFailures = 5;

/** Does not hold up the end of the process: the children do that, as long as they live. */
const wait = (ms: number): Promise<void> => setTimeout(ms, undefined, { ref: false });

const secondsSince = (startedAtMs: number): number => Math.round((monotonicMs() - startedAtMs) / 100) / 10;

class DemoStopped extends Error {
  override readonly name = 'DemoStopped';
}

async function connect(context: DemoContext): Promise<JoinedInstance[]> {
  const { say, world } = context;
  const joined: JoinedInstance[] = [];
  // First: as soon as a tenant is connected, Graph looks whether it may send notifications there.
  await trustGateway(context);
  say('Connecting the tenants, as their administrators would:');
  for (const tenant of world.tenants) {
    await consentToTenant(context, tenant);
    for (const instance of tenant.instances) {
      joined.push(await joinInstance(context, tenant, instance));
      say(`  instance ${instance.name} added and tested (Jamf Pro ${instance.version})`);
    }
    await confirmTenant(context, tenant);
  }
  for (const one of joined) await configureWebhooks(context, one);
  say(`  webhooks configured on ${joined.length} instances`);
  return joined;
}

/** Watches until everything is verified or the time is over. */
async function watch(
  run: DemoRun,
  context: DemoContext,
  truth: readonly DemoTruth[],
  joined: readonly JoinedInstance[],
): Promise<DemoProgress> {
  const deadline = run.startedAtMs + (run.once ? onceWithinMs : interactiveWithinMs);
  for (;;) {
    const progress = await readProgress(context, truth, joined);
    const isLast = progress.verified === progress.devices || monotonicMs() > deadline;
    if (isLast) {
      run.output.lastStatus(`  ${progressLine(progress)}`);
      return progress;
    }
    run.output.status(`  ${progressLine(progress)}`);
    await wait(pollIntervalMs);
  }
}

interface Shown {
  readonly summary: DemoSummary;
  readonly truth: readonly DemoTruth[];
  readonly joined: readonly JoinedInstance[];
}

/** Names what is not as it should be, a few of each kind. */
function complain(
  say: (line: string) => void,
  progress: DemoProgress,
  wrongVerdicts: readonly DemoTruth[],
  wrongAnswers: readonly WrongAnswer[],
): void {
  const kinds: [string, string[]][] = [
    [
      'devices are not verified',
      progress.missing.map(({ state, truth }) => `${truth.deviceId} (${truth.instance}): ${state}`),
    ],
    [
      'devices show another verdict in Entra than Jamf Pro has',
      wrongVerdicts.map(({ deviceId, instance }) => `${deviceId} (${instance})`),
    ],
    [
      'devices were not answered by their instance',
      wrongAnswers.map(({ truth, why }) => `${truth.deviceId} (${truth.instance}): ${why}`),
    ],
  ];
  for (const [what, lines] of kinds) {
    if (lines.length === 0) continue;
    say(`${lines.length} ${what}:`);
    for (const line of lines.slice(0, namedFailures)) say(`  ${line}`);
  }
}

async function show(run: DemoRun, context: DemoContext): Promise<Shown> {
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

  complain(say, progress, wrongVerdicts, wrongAnswers);
  const unverified = new Set([...progress.missing.map((entry) => entry.truth), ...wrongVerdicts]);
  const { completed, devices, routed, uploaded } = progress;
  const seconds = secondsSince(run.startedAtMs);
  const verified = devices - unverified.size;
  const summary = { devices, routed, uploaded, completed, verified, misrouted: wrongAnswers.length, seconds };
  return { summary, truth, joined };
}

/** The fleet lives on until the user stops it. Never resolves. */
async function keepAlive(run: DemoRun, context: DemoContext, { joined }: Shown): Promise<never> {
  await context.control.call('POST', '/fleet/start', { body: {} });
  run.output.say('\nThe fleet lives on: check-ins, inventories, changes of compliance. Ctrl-C ends it.');
  for (;;) {
    const { body: truth } = await context.control.call<DemoTruth[]>('GET', '/fleet/truth');
    run.output.status(`  ${progressLine(await readProgress(context, truth, joined))}`);
    await wait(process.stdout.isTTY ? 1000 : 60_000);
  }
}

/** A second demo on the same directory would write over what the first one runs on. */
function lockForRun({ cleanUps, dir }: DemoRun): void {
  try {
    const unlock = lockDirectory(dir);
    cleanUps.push(async () => unlock());
  } catch (error) {
    throw error instanceof DirectoryInUse ? new DemoFailure(error.message) : error;
  }
}

async function runSteps(run: DemoRun, onSummary: (summary: DemoSummary) => void): Promise<void> {
  const { output } = run;
  await mkdir(run.dir, { recursive: true });
  lockForRun(run);
  output.say('Starting a simulated Microsoft cloud and Jamf fleet, and the gateway between them:');
  const { context, died, gateway, places } = await startDemo(run);
  output.say(`  gateway: data ${places.data}, admin ${places.admin}, ops ${places.ops}`);
  const { world } = context;
  const instances = world.tenants.flatMap((tenant) => tenant.instances).length;
  output.say(
    `  ${world.tenants.length} tenants in ${Object.keys(world.clouds).length} clouds, ${instances} instances, ${world.macs} Macs, seed ${world.seed}`,
  );
  const shown = await Promise.race([show(run, context), died, run.stopped]);
  onSummary(shown.summary);
  output.say(`\n${summaryTable(shown.summary)}\n`);
  if (run.once) return;
  const [device] = shown.truth;
  const joined = shown.joined.find(({ instance }) => instance.name === device?.instance);
  output.say(nextSteps(context, places, device, joined));
  output.say(`\n${await Promise.race([consoleText(gateway, places), died, run.stopped])}`);
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
  const startedAtMs = monotonicMs();
  const stopped = stopSignal();
  // It is awaited in races only.
  stopped.catch(() => undefined);
  // Standard output is for the summary with --once.
  const output = createDemoOutput(args.once ? process.stderr : process.stdout);
  const dir = resolve(args.dataDir ?? '.espalier-demo');
  const once = args.once === true;
  const { gateway, listen = '127.0.0.1', portBase, seed } = args;
  const run: DemoRun = {
    ...{ once, seed, gateway, listen, portBase, dir },
    ...{ output, startedAtMs, stopped, cleanUps: [] },
  };
  let summary: DemoSummary | undefined;
  let isBroken = false;
  try {
    await runSteps(run, (found) => {
      summary = found;
    });
  } catch (error) {
    output.settle();
    if (!(error instanceof DemoFailure || error instanceof DemoStopped)) throw error;
    isBroken = error instanceof DemoFailure;
    if (isBroken) process.stderr.write(`espalier demo: ${error.message}\n`);
  } finally {
    output.settle();
    for (const cleanUp of run.cleanUps.splice(0).reverse()) await cleanUp();
  }
  summary ??= emptySummary(secondsSince(startedAtMs));
  if (once) process.stdout.write(`${JSON.stringify(summary)}\n`);
  return isComplete(summary) && !isBroken ? 0 : 1;
}
