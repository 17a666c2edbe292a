import { availableParallelism, cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { catchUp } from './catch-up.ts';
import { checkIns } from './check-ins.ts';
import { consoleBench } from './console.ts';
import { delivery } from './delivery.ts';
import { forward } from './forward.ts';
import { hostileBodiesBench } from './hostile-bodies.ts';
import { idle } from './idle.ts';
import { importExport } from './import-export.ts';
import { intake } from './intake.ts';
import { leases } from './leases.ts';
import { lockedTenant } from './locked-tenant.ts';
import { model } from './model.ts';
import { neighbour } from './neighbour.ts';
import { noisyNeighbour } from './noisy-neighbour.ts';
import { forwardPeers } from './peers/forward-peers.ts';
import { ToolsMissing } from './peers/tools.ts';
import { routes } from './routes.ts';
import type { Finding, Run, RunOptions } from './run.ts';
import { scale } from './scale.ts';
import { sheddingBench } from './shedding.ts';
import { snapshot } from './snapshot.ts';
import { soakBench } from './soak.ts';
import { steadyBench } from './steady.ts';
import { workersBench } from './workers.ts';

/** `npm run bench [-- name…] [options]`: measures Espalier against a peer in the same run; docs/performance.md. */

interface Benchmark {
  readonly run: (run: Run) => Promise<Finding[]>;
  /** Far above what a run takes; a run that hangs must not hang for ever. */
  readonly limitMinutes: number;
  /** `--minutes` is its length, which its limit comes after. */
  readonly lasts?: true;
}

const benchmarks: Readonly<Record<string, Benchmark>> = {
  intake: { run: intake, limitMinutes: 5 },
  forward: { run: forward, limitMinutes: 5 },
  delivery: { run: delivery, limitMinutes: 30 },
  'catch-up': { run: catchUp, limitMinutes: 90 },
  'check-ins': { run: checkIns, limitMinutes: 10 },
  neighbour: { run: neighbour, limitMinutes: 60 },
  'noisy-neighbour': { run: noisyNeighbour, limitMinutes: 30 },
  shedding: { run: sheddingBench, limitMinutes: 10 },
  'locked-tenant': { run: lockedTenant, limitMinutes: 10 },
  leases: { run: leases, limitMinutes: 30 },
  idle: { run: idle, limitMinutes: 15 },
  steady: { run: steadyBench, limitMinutes: 5 },
  scale: { run: scale, limitMinutes: 120 },
  model: { run: model, limitMinutes: 1 },
  routes: { run: routes, limitMinutes: 20 },
  snapshot: { run: snapshot, limitMinutes: 20 },
  import: { run: importExport, limitMinutes: 20 },
  console: { run: consoleBench, limitMinutes: 40 },
  'hostile-bodies': { run: hostileBodiesBench, limitMinutes: 20 },
  workers: { run: workersBench, limitMinutes: 15 },
  soak: { run: soakBench, limitMinutes: 20, lasts: true },
  'forward-peers': { run: forwardPeers, limitMinutes: 60 },
};
/** Short enough to be run by the way; the others are asked for by name. */
const unlessNamed = ['intake', 'forward'];

const usage = `npm run bench [-- name…] [options]
  names: ${Object.keys(benchmarks).join(', ')}; default: ${unlessNamed.join(' and ')}
  --rounds N        measured rounds
  --devices N       Macs, of all tenants together
  --per-upload N,…  ESPALIER_UPLOAD_MAX_DEVICES, one after the other
  --outage refuses|silent   what Intune does while it is out of order
  --seconds N       length of a round of forward-peers, noisy-neighbour, console and workers, of shedding, and for each of hostile-bodies
  --only PATTERN    noises of noisy-neighbour, requests of workers whose name matches
  --tls, --front, --latency, --internals  what forward-peers looks at instead of both tables: calls with TLS on both sides and
                    new connections; what TLS on the front costs; added latency; Node's internals
  --minutes N       time limit of each benchmark; of soak its length (60)
  --json            every round and the machine, as JSON`;

const machine = {
  processors: availableParallelism(),
  model: cpus()[0]?.model ?? 'unknown',
  node: process.version,
  loadAtStart: loadavg()[0] ?? 0,
};

/** Aborted by the first signal; every wait is bounded, so the end comes soon after. */
function interruption(): AbortController {
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(name, () => stop.abort(new Error(`stopped by ${name}`)));
  }
  // Also an output that nobody reads any more: the databases and processes must not outlive this one.
  process.on('uncaughtException', (error) => stop.abort(error));
  return stop;
}

interface Wanted {
  readonly names: readonly string[];
  readonly json: boolean;
  readonly options: RunOptions;
}

/** Undefined: not understood. */
function readArguments(args: readonly string[]): Wanted | undefined {
  const text = { type: 'string' } as const;
  try {
    const { positionals, values } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        json: { type: 'boolean' },
        latency: { type: 'boolean' },
        tls: { type: 'boolean' },
        front: { type: 'boolean' },
        internals: { type: 'boolean' },
        ...{
          rounds: text,
          devices: text,
          'per-upload': text,
          outage: text,
          minutes: text,
          seconds: text,
          only: text,
        },
      },
    });
    const number = (value: string | undefined): number | undefined => {
      if (value === undefined) return undefined;
      if (!/^[1-9]\d*$/.test(value)) throw new RangeError(`${value} is not a number above 0`);
      return Number(value);
    };
    const { outage } = values;
    const [mode, ...moreModes] = (['latency', 'tls', 'front', 'internals'] as const).filter(
      (name) => values[name],
    );
    if (moreModes.length > 0) return undefined;
    if (outage !== undefined && outage !== 'refuses' && outage !== 'silent') return undefined;
    if (positionals.some((name) => !Object.hasOwn(benchmarks, name))) return undefined;
    return {
      names: positionals.length > 0 ? positionals : unlessNamed,
      json: values.json ?? false,
      options: {
        rounds: number(values.rounds),
        devices: number(values.devices),
        perUpload: values['per-upload']?.split(',').map((value) => number(value) ?? 0),
        outage,
        minutes: number(values.minutes),
        seconds: number(values.seconds),
        only: values.only,
        mode,
      },
    };
  } catch {
    return undefined;
  }
}

async function runOne(name: string, { json, options }: Wanted, stop: AbortController): Promise<Finding[]> {
  const { lasts, limitMinutes, run } = benchmarks[name]!;
  const limit = lasts ? (options.minutes ?? 60) + limitMinutes : (options.minutes ?? limitMinutes);
  const late = setTimeout(() => stop.abort(new Error(`not done within ${limit} minutes`)), limit * 60_000);
  await using stack = new AsyncDisposableStack();
  stack.defer(() => clearTimeout(late));
  const print = (line: string): void => {
    if (!json) console.log(line);
  };
  return await run({ stack, signal: stop.signal, options, print });
}

async function run(wanted: Wanted): Promise<void> {
  const stop = interruption();
  const found: Record<string, readonly object[]> = {};
  if (!wanted.json) {
    console.log(
      `${machine.processors} processors, ${machine.model}; Node.js ${machine.node}; load ${machine.loadAtStart.toFixed(2)}\n`,
    );
  }
  for (const name of wanted.names) {
    const findings = await runOne(name, wanted, stop);
    found[name] = findings.map(({ data }) => data);
    if (findings.some(({ fails }) => fails)) process.exitCode = 1;
    if (wanted.json) continue;
    for (const { lines, title } of findings) {
      console.log([`${name}: ${title}`, ...lines.map((line) => `  ${line}`), ''].join('\n'));
    }
  }
  if (wanted.json) console.log(JSON.stringify({ machine, benchmarks: found }, undefined, 2));
}

const wanted = readArguments(process.argv.slice(2));
if (wanted === undefined) {
  console.error(usage);
  process.exitCode = 2;
} else {
  try {
    await run(wanted);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = error instanceof ToolsMissing ? 2 : 1;
  }
}
