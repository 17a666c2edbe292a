import { availableParallelism, cpus, loadavg } from 'node:os';
import { forward } from './forward.ts';
import { intake } from './intake.ts';
import type { Comparison } from './rounds.ts';
import type { Run } from './scene.ts';
import { tableOf } from './table.ts';

/** `npm run bench [-- name…] [--json]`: measures Espalier against a peer in the same run; docs/bench.md. */

const benchmarks: Readonly<Record<string, (run: Run) => Promise<Comparison[]>>> = {
  intake,
  forward,
};
/** Far above what a run takes; a run that hangs must not hang for ever. */
const timeLimitMs = 180_000;

const machine = {
  processors: availableParallelism(),
  model: cpus()[0]?.model ?? 'unknown',
  node: process.version,
  loadAtStart: loadavg()[0] ?? 0,
};

/** Aborted by the first signal or when the time is over; every wait is bounded, so the end comes soon after. */
function interruption(): AbortSignal {
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(name, () => stop.abort(new Error(`stopped by ${name}`)));
  }
  // Also an output that nobody reads any more: the databases and processes must not outlive this one.
  process.on('uncaughtException', (error) => stop.abort(error));
  const late = new Error(`not done within ${timeLimitMs} ms`);
  setTimeout(() => stop.abort(late), timeLimitMs).unref();
  return stop.signal;
}

async function run(names: readonly string[], json: boolean): Promise<void> {
  const signal = interruption();
  const found: Record<string, Comparison[]> = {};
  if (!json) {
    console.log(
      `${machine.processors} processors, ${machine.model}; Node.js ${machine.node}; load ${machine.loadAtStart.toFixed(2)}\n`,
    );
  }
  for (const name of names) {
    const benchmark = benchmarks[name]!;
    await using stack = new AsyncDisposableStack();
    const comparisons = await benchmark({ stack, signal });
    found[name] = comparisons;
    if (!json) for (const comparison of comparisons) console.log(`${name}: ${tableOf(comparison)}`);
  }
  if (json) console.log(JSON.stringify({ machine, benchmarks: found }, undefined, 2));
}

const args = process.argv.slice(2);
const names = args.filter((arg) => arg !== '--json');
const unknown = names.find((name) => !Object.hasOwn(benchmarks, name));
if (unknown !== undefined) {
  console.error(`no benchmark ${unknown}; there are ${Object.keys(benchmarks).join(', ')}; --json for JSON`);
  process.exitCode = 2;
} else {
  try {
    await run(names.length > 0 ? names : Object.keys(benchmarks), args.includes('--json'));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
