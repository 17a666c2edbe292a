import { createRoutesPart } from '../src/routing/route-snapshot.ts';
import { RouteTable, routeKey } from '../src/routing/route-table.ts';
import { loadSnapshot } from '../src/runtime/node-snapshot/load.ts';
import { createSnapshotWriter } from '../src/runtime/node-snapshot/write.ts';
import { type LoopSeen, watchLoop } from './loop-slices.ts';
import { fillKey, fillTable, instanceWords } from './route-fill.ts';
import { residentMegabytes } from './usage.ts';
import { answerQuestions } from './worker.ts';

/** Writes the snapshot of a full route table, and loads it, each in a process of its own. */

export interface SnapshotQuestion {
  readonly kind: 'write' | 'load';
  readonly folder: string;
  readonly routes: number;
}

/** One write, or the load. */
export interface SnapshotStep extends LoopSeen {
  readonly what: string;
  readonly seconds: number;
  /** Processor time of the process: what neighbours on the machine do not count in. */
  readonly processorSeconds: number;
  /** Bytes that were written or read. */
  readonly bytes: number;
  readonly megabytes: number;
}

const own = {
  key: { id: 'measured', secret: new Uint8Array(32).fill(7) },
  deployment: 'measured',
  schema: 1,
};
const ages = { maxAgeMs: 3_600_000, maxAheadMs: 60_000 };
const never = new AbortController().signal;
const changedRoutes = 20;
const seen = watchLoop();

async function measure(what: string, work: () => Promise<number>): Promise<SnapshotStep> {
  await seen();
  const beganMs = performance.now();
  const before = process.cpuUsage();
  const bytes = await work();
  const seconds = (performance.now() - beganMs) / 1_000;
  const { system, user } = process.cpuUsage(before);
  const processorSeconds = (system + user) / 1_000_000;
  const megabytes = residentMegabytes(process.pid) ?? Number.NaN;
  return { what, seconds, processorSeconds, bytes, megabytes, ...(await seen()) };
}

async function write(folder: string, routes: number): Promise<SnapshotStep[]> {
  const table = fillTable(routes);
  const part = createRoutesPart({
    current: () => ({ table, births: new Map() }),
    emptyTable: () => table,
    restore: () => undefined,
  });
  const writer = createSnapshotWriter({ ...own, folder });
  const writeOnce = (what: string) =>
    measure(what, async () => (await writer.write([part], Date.now(), never)).newBytes);
  const first = await writeOnce('write all');
  const [key, instance] = [routeKey(), new Int32Array(4)];
  for (let index = 0; index < changedRoutes; index += 1) {
    fillKey(key, 0, index);
    instanceWords(index + 1, instance);
    table.put(key, instance, index + 1, routes + index);
  }
  return [first, await writeOnce(`${changedRoutes} routes changed`), await writeOnce('nothing changed')];
}

async function load(folder: string, routes: number): Promise<SnapshotStep[]> {
  let found = 0;
  const part = createRoutesPart({
    current: () => {
      throw new Error('nothing is written here');
    },
    emptyTable: () => new RouteTable({ entries: routes }),
    restore: (table) => {
      found = table.size;
    },
  });
  const options = { folder, keys: [own.key], deployment: own.deployment, schema: own.schema, ...ages };
  const step = await measure('load', async () => {
    const loaded = await loadSnapshot({ ...options, now: Date.now }, [part]);
    if (!loaded.loaded) throw new Error(`the snapshot was refused: ${loaded.cause}`);
    return loaded.bytes;
  });
  if (found !== routes) throw new Error(`${found} of ${routes} routes came back`);
  return [step];
}

answerQuestions(
  async ({ folder, kind, routes }: SnapshotQuestion): Promise<SnapshotStep[]> =>
    kind === 'write' ? write(folder, routes) : load(folder, routes),
);
