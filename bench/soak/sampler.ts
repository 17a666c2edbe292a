import { metricOf } from '../../test/harness/processes.ts';
import { processorSeconds } from '../usage.ts';
import { askHolding, processesOf } from './processes.ts';
import type { SoakScene } from './scene.ts';
import { isKept, readTables, type TableRead } from './tables.ts';

/** Looks at everything that must not grow. */
export interface Sampler {
  /** Lines by name; of what cannot be asked just now none. */
  look(): Promise<ReadonlyMap<string, number>>;
  /** Processors that the gateway took since the last time. */
  processors(): number;
}

const mebibyte = 1024 * 1024;
/** Tables below are one line together. */
const ownLineBytes = 512 * 1024;

async function lookAtProcesses(soak: SoakScene): Promise<[string, number][]> {
  const { probes, scene } = soak;
  const [gateway] = scene.gateways;
  const lines: [string, number][] = [];
  for (const { name, pid } of processesOf(gateway!.pid() ?? 0, gateway!.log)) {
    const holding = await askHolding(probes, pid);
    if (!holding) continue;
    const { descriptors, externalBytes, heapBytes, residentBytes, resources } = holding;
    lines.push(
      [`${name}: resident`, residentBytes / mebibyte],
      [`${name}: heap`, heapBytes / mebibyte],
      [`${name}: external`, externalBytes / mebibyte],
      [`${name}: descriptors`, descriptors],
      [`${name}: resources`, resources],
    );
  }
  return lines;
}

async function lookAtMetrics({ scene }: SoakScene): Promise<[string, number][]> {
  // That a scrape failed is counted where scrapes are made.
  const text = await fetch(`${scene.gateways[0]!.ops}/metrics`).then(
    (answer) => answer.text(),
    () => undefined,
  );
  if (text === undefined) return [];
  return [['event loop delay', metricOf(text, 'espalier_event_loop_delay_seconds') * 1_000]];
}

async function lookAtTables({ scene }: SoakScene): Promise<[string, number][]> {
  const read = await readTables(scene.database.url);
  if (!read) return [];
  const { connections, tables } = read;
  const sum = (of: (name: string, table: TableRead) => number): number =>
    [...tables].reduce((all, [name, table]) => all + of(name, table), 0);
  const large = [...tables].filter(([name, { bytes }]) => bytes >= ownLineBytes && !isKept(name));
  return [
    ['database connections', connections],
    ['dead rows overdue', sum((_, { overdue }) => overdue)],
    ...large.map(([name, { bytes }]): [string, number] => [`${name}, size`, bytes / mebibyte]),
    [
      'other tables, size',
      sum((name, { bytes }) => (isKept(name) || bytes >= ownLineBytes ? 0 : bytes)) / mebibyte,
    ],
    ['kept rows, size', sum((name, { bytes }) => (isKept(name) ? bytes : 0)) / mebibyte],
  ];
}

export function createSampler(soak: SoakScene): Sampler {
  const [gateway] = soak.scene.gateways;
  const seconds = (): ReadonlyMap<number, number> =>
    new Map(
      processesOf(gateway!.pid() ?? 0, gateway!.log).map(({ pid }) => [pid, processorSeconds(pid) ?? 0]),
    );
  let last = { at: performance.now(), seconds: seconds() };
  return {
    look: async () =>
      new Map([
        // The delay is that of the load, before a collection is asked for.
        ...(await lookAtMetrics(soak)),
        ...(await lookAtProcesses(soak)),
        ...(await lookAtTables(soak)),
      ]),
    processors: () => {
      const now = { at: performance.now(), seconds: seconds() };
      const used = [...now.seconds].reduce(
        (sum, [pid, value]) => sum + value - (last.seconds.get(pid) ?? 0),
        0,
      );
      const processors = used / ((now.at - last.at) / 1_000);
      last = now;
      return processors;
    },
  };
}
