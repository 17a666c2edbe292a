import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { type DemoChild, type DemoChildOptions, startDemoChild } from './demo-children.ts';
import { DemoFailure } from './demo-failure.ts';
import { createDemoHttp, createJsonApi } from './demo-http.ts';
import { type DemoPorts, findDemoPorts, portsFrom } from './demo-ports.ts';
import type { DemoOutput } from './demo-status.ts';
import type { DemoPlaces } from './demo-text.ts';
import type { DemoContext, DemoWorld } from './demo-world.ts';

/** A run of the demo from its start to its end. */
export interface DemoRun {
  readonly once: boolean;
  readonly seed: number | undefined;
  /** A program in place of `serve`. */
  readonly gateway: string | undefined;
  /** Address of the gateway's listeners. */
  readonly listen: string;
  /** First of the gateway's three ports; undefined: free ones. */
  readonly portBase: number | undefined;
  /** The data directory, absolute. */
  readonly dir: string;
  readonly output: DemoOutput;
  /** Start by `monotonicMs`. */
  readonly startedAtMs: number;
  /** Rejects when the user stops the demo. */
  readonly stopped: Promise<never>;
  /** The last started is cleaned up first. */
  readonly cleanUps: (() => Promise<void>)[];
}

export interface DemoStart {
  readonly context: DemoContext;
  readonly places: DemoPlaces;
  readonly gateway: DemoChild;
  /** Rejects with `DemoFailure` when a child ends by itself. */
  readonly died: Promise<never>;
}

function startChild(
  run: DemoRun,
  what: Pick<DemoChildOptions, 'args' | 'entry' | 'environment' | 'name' | 'program'>,
): DemoChild {
  const { dir } = run;
  const child = startDemoChild({ ...what, cwd: dir, logFile: join(dir, `${what.name}.log`) });
  run.cleanUps.push(child.stop);
  return child;
}

function startSimulator(run: DemoRun, simulatorDir: string, publicUrl: string, adminUrl: string): DemoChild {
  const seed = run.seed === undefined ? [] : ['--seed', String(run.seed)];
  const where = ['--data-dir', simulatorDir, '--public-url', publicUrl, '--admin-url', adminUrl];
  const args = ['simulate', '--json', '--quiet-fleet', ...where, ...seed];
  return startChild(run, { name: 'simulator', args, environment: {} });
}

/** The real gateway, configured by nothing but its environment. For people it also takes the link that signs them in. */
async function startGateway(
  run: DemoRun,
  dirs: { readonly simulatorDir: string; readonly gatewayDir: string },
  ports: DemoPorts,
): Promise<DemoChild> {
  const environment = await readFile(join(dirs.simulatorDir, 'gateway.env'), 'utf8');
  const settings = {
    ...(parseEnv(environment) as Record<string, string>),
    ESPALIER_DATA_DIR: dirs.gatewayDir,
    ESPALIER_DATA_LISTEN: `${run.listen}:${ports.data}`,
    ESPALIER_ADMIN_LISTEN: `${run.listen}:${ports.admin}`,
    ESPALIER_OPS_LISTEN: `${run.listen}:${ports.ops}`,
    ESPALIER_DRAIN_DELAY_SECONDS: '0',
    // The link that signs a person in is known to one process.
    ESPALIER_PROCESSES: '1',
    ESPALIER_LOG_FORMAT: 'json',
    // Every upload is looked up in Entra, as soon as the simulated Intune has had a moment.
    ESPALIER_VERIFY_SAMPLE: '1',
    ESPALIER_UPLOAD_STATUS_SECONDS: '0.5',
  };
  return run.once
    ? startChild(run, { name: 'gateway', program: run.gateway, args: ['serve'], environment: settings })
    : startChild(run, { name: 'gateway', entry: 'demo-gateway', args: [], environment: settings });
}

async function createContext(run: DemoRun, places: DemoPlaces, caFile: string): Promise<DemoContext> {
  const gatewayCertificatePem = await readFile(join(places.gatewayDir, 'tls.crt'), 'utf8');
  const http = createDemoHttp([await readFile(caFile, 'utf8'), gatewayCertificatePem]);
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
  const { dir, output, startedAtMs } = run;
  const gatewayUrl = places.data;
  return {
    dir,
    http,
    control,
    admin,
    gatewayUrl,
    gatewayCertificatePem,
    world,
    startedAtMs,
    say: output.say,
  };
}

/** Starts both children and waits until they are ready. */
export async function startDemo(run: DemoRun): Promise<DemoStart> {
  const ports = run.portBase === undefined ? await findDemoPorts(!run.once) : portsFrom(run.portBase);
  const dirs = { simulatorDir: join(run.dir, 'simulator'), gatewayDir: join(run.dir, 'gateway') };
  const publicUrl = `https://localhost:${ports.data}`;
  const adminUrl = `https://localhost:${ports.admin}`;
  const simulator = startSimulator(run, dirs.simulatorDir, publicUrl, adminUrl);
  const world = await Promise.race([simulator.ready, run.stopped]);
  const gateway = await startGateway(run, dirs, ports);
  const died = Promise.race([simulator.died, gateway.died]);
  // It is awaited in races that may be over by then.
  died.catch(() => undefined);
  const urls = await Promise.race([gateway.ready, died, run.stopped]);
  const places: DemoPlaces = {
    ...dirs,
    data: publicUrl,
    admin: String(urls.admin),
    ops: String(urls.ops),
    control: String(world.control),
  };
  const context = await createContext(run, places, String(world.ca));
  return { context, places, gateway, died };
}
