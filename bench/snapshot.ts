import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Finding, Run } from './run.ts';
import type { SnapshotQuestion, SnapshotStep } from './snapshot-worker.ts';
import { columns, whole } from './table.ts';
import { startWorker, type Worker } from './worker.ts';

/** The sealed snapshot of the routes in memory: how long it is written and loaded, and how long the event loop is held. */

const defaultDevices = 1_000_000;
const defaultRounds = 3;
const patienceMs = 600_000;
/** Of the load at a million routes, and of every synchronous slice of a write at any number. */
const bounds = { loadSeconds: 3, sliceMs: 50 } as const;

async function ask({ signal }: Run, question: SnapshotQuestion): Promise<SnapshotStep[]> {
  signal.throwIfAborted();
  const worker: Worker<SnapshotQuestion, SnapshotStep[]> = startWorker('./snapshot-worker.ts');
  try {
    return await worker.ask(question, patienceMs);
  } finally {
    await worker.stop();
  }
}

/** The slowest of the rounds for each step. */
function worstOf(rounds: readonly (readonly SnapshotStep[])[]): SnapshotStep[] {
  const [first = []] = rounds;
  return first.map((step, index) => {
    const all = rounds.flatMap((round) => round[index] ?? []);
    const most = (of: (one: SnapshotStep) => number): number => Math.max(...all.map(of));
    return {
      what: step.what,
      bytes: step.bytes,
      seconds: most((one) => one.seconds),
      processorSeconds: most((one) => one.processorSeconds),
      megabytes: most((one) => one.megabytes),
      longestSliceMs: most((one) => one.longestSliceMs),
      longestCollectionMs: most((one) => one.longestCollectionMs),
      collectionsMs: most((one) => one.collectionsMs),
    };
  });
}

const mark = (holds: boolean): string => (holds ? 'holds ' : 'missed');

export async function snapshot(run: Run): Promise<Finding[]> {
  const { options, stack } = run;
  const routes = options.devices ?? defaultDevices;
  const rounds: SnapshotStep[][] = [];
  for (let round = 0; round < (options.rounds ?? defaultRounds); round += 1) {
    const dir = mkdtempSync(join(tmpdir(), 'espalier-bench-'));
    stack.defer(() => rmSync(dir, { recursive: true, force: true }));
    const folder = join(dir, 'snapshot');
    const written = await ask(run, { kind: 'write', folder, routes });
    rounds.push([...written, ...(await ask(run, { kind: 'load', folder, routes }))]);
    rmSync(dir, { recursive: true, force: true });
  }
  const steps = worstOf(rounds);
  const rows = steps.map((step) => [
    step.what,
    step.seconds.toFixed(2),
    step.processorSeconds.toFixed(2),
    (step.bytes / 1_000_000).toFixed(1),
    step.longestSliceMs.toFixed(1),
    step.longestCollectionMs.toFixed(1),
    whole(step.megabytes),
  ]);
  const slice = Math.max(...steps.filter(({ what }) => what !== 'load').map((step) => step.longestSliceMs));
  const load = steps.find(({ what }) => what === 'load')?.seconds ?? Number.NaN;
  const head = ['', 'seconds', 'processor s', 'MB', 'longest slice ms', 'collection ms', 'MB resident'];
  return [
    {
      title: `the snapshot of ${whole(routes)} routes, the worst of ${rounds.length} rounds`,
      lines: [
        ...columns([head, ...rows]),
        `${mark(slice < bounds.sliceMs)}  no slice of a write above ${bounds.sliceMs} ms: ${slice.toFixed(1)} ms`,
        ...(routes === defaultDevices
          ? [`${mark(load < bounds.loadSeconds)}  loaded below ${bounds.loadSeconds} s: ${load.toFixed(2)} s`]
          : []),
      ],
      data: { rounds },
    },
  ];
}
