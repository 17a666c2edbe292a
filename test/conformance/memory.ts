/**
 * How much memory workerd uses: the heap of each Worker's isolate, by its inspector, and the resident size of the process
 * beside it. An isolate of the platform has 128 MB, for its heap and for what its buffers hold.
 */

import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { workers } from '../../.ci/worker-bundles.ts';
import { mebibyte } from '../../src/limits.ts';

/** The most that was seen, in bytes. */
export interface MemoryPeak {
  /** Used heap with the buffers outside it, by the Worker. */
  readonly heaps: Readonly<Record<keyof typeof workers, number>>;
  /** Of the process with both. */
  readonly resident: number;
}

export const isolateBytes = 128 * mebibyte;

/** Variable of a gateway that is to be measured: what it has seen goes to files of this name, with the process behind it. */
export const measuredVariable = 'TESTED_MEMORY_FILE';

export interface PeakOf extends MemoryPeak {
  /** Name of the file of tests. */
  readonly of: string;
}

const unfinished = '.unfinished';

/** A process that is killed in the middle leaves the file as it was. */
function writeWhole(file: string, text: string): void {
  writeFileSync(`${file}${unfinished}`, text);
  renameSync(`${file}${unfinished}`, file);
}

/** The most of all processes that each file of tests has started. */
export function peaksIn(dir: string): PeakOf[] {
  const names = readdirSync(dir).filter((name) => !name.endsWith(unfinished));
  const all = names.map((name) => ({
    ...(JSON.parse(readFileSync(join(dir, name), 'utf8')) as MemoryPeak),
    of: name.replace(/\.\d+$/, ''),
  }));
  const most = (peaks: readonly PeakOf[], size: (peak: PeakOf) => number): number =>
    Math.max(...peaks.map(size));
  return [...Map.groupBy(all, ({ of }) => of)].map(([of, peaks]) => ({
    of,
    heaps: {
      data: most(peaks, ({ heaps }) => heaps.data),
      admin: most(peaks, ({ heaps }) => heaps.admin),
    },
    resident: most(peaks, ({ resident }) => resident),
  }));
}

const inMebibytes = (bytes: number): string => `${Math.round(bytes / mebibyte)}`.padStart(4);

export const showPeak = ({ heaps, of, resident }: PeakOf): string =>
  `${of.padEnd(20)} data ${inMebibytes(heaps.data)} MiB, admin ${inMebibytes(heaps.admin)} MiB, workerd ${inMebibytes(resident)} MiB resident`;

const sampleEveryMs = 200;
const run = promisify(execFile);

/** An open session with the inspector of one isolate. */
interface Inspected {
  heapBytes(): Promise<number>;
  close(): void;
}

interface HeapUsage {
  readonly usedSize: number;
  readonly embedderHeapUsedSize?: number;
  readonly backingStorageSize?: number;
}

async function inspect(url: URL): Promise<Inspected> {
  const socket = new WebSocket(url);
  const asked = new Map<number, (usage: HeapUsage) => void>();
  let id = 0;
  socket.addEventListener('message', ({ data }) => {
    const answer = JSON.parse(String(data)) as { id?: number; result?: HeapUsage };
    if (answer.id === undefined || answer.result === undefined) return;
    asked.get(answer.id)?.(answer.result);
    asked.delete(answer.id);
  });
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve);
    socket.addEventListener('error', () => reject(new Error(`the inspector at ${url} does not answer`)));
  });
  return {
    heapBytes: async () => {
      id += 1;
      const own = id;
      const answered = new Promise<HeapUsage>((resolve) => asked.set(own, resolve));
      socket.send(JSON.stringify({ id: own, method: 'Runtime.getHeapUsage' }));
      const { backingStorageSize = 0, embedderHeapUsedSize = 0, usedSize } = await answered;
      return usedSize + embedderHeapUsedSize + backingStorageSize;
    },
    close: () => socket.close(),
  };
}

/** The process of workerd that this one has started. */
async function processOfWorkerd(): Promise<number> {
  const { stdout } = await run('ps', ['-o', 'pid=,comm=', '--ppid', String(process.pid)]);
  const found = /^\s*(\d+)\s+workerd$/m.exec(stdout)?.[1];
  if (found === undefined) throw new Error(`this process runs no workerd:\n${stdout}`);
  return Number(found);
}

async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

/** Looks for as long as workerd runs, and keeps the most that it has seen in a file of that name. */
export async function watchMemory(inspector: URL, name: string): Promise<() => void> {
  const file = `${name}.${process.pid}`;
  const pid = await processOfWorkerd();
  const which = Object.keys(workers) as (keyof typeof workers)[];
  const inspected = await Promise.all(
    which.map((one) => inspect(new URL(`/core:user:${workers[one].name}`, inspector))),
  );
  const heaps = { data: 0, admin: 0 };
  let resident = 0;
  let stopped = false;
  const look = async (): Promise<void> => {
    const [now, ...sizes] = await Promise.all([
      residentBytes(pid),
      ...inspected.map((one) => one.heapBytes()),
    ]);
    const before = JSON.stringify([resident, heaps]);
    resident = Math.max(resident, now);
    for (const [index, one] of which.entries()) heaps[one] = Math.max(heaps[one], sizes[index]!);
    if (JSON.stringify([resident, heaps]) !== before)
      writeWhole(file, JSON.stringify({ heaps, resident } satisfies MemoryPeak));
  };
  const goOn = async (): Promise<void> => {
    while (!stopped) {
      await look();
      await new Promise((resolve) => setTimeout(resolve, sampleEveryMs));
    }
  };
  await look();
  // It fails when workerd ends.
  void goOn().catch(() => undefined);
  return () => {
    stopped = true;
    for (const one of inspected) one.close();
  };
}
