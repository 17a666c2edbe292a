import { createSnapshotWriter } from '../../src/runtime/node-snapshot/write.ts';
import type { SnapshotPart } from '../../src/snapshot-part.ts';

/** Writes one snapshot after the other as fast as it can, until it is killed: `node snapshot-writer.ts FOLDER FIRST`. */

export const written = {
  deployment: 'written',
  schema: 1,
  key: { id: 'writing0', secret: new Uint8Array(32).fill(5) },
};
const segments = 5;
const recordBytes = 40_000;
const recordsPerSegment = 6;

/** What a segment holds at a count: the first changes each time, the others more and more seldom. */
const valueAt = (segment: number, count: number): number => Math.floor(count / (segment + 1));

const recordOf = (segment: number, value: number): Uint8Array =>
  Buffer.alloc(recordBytes, `segment ${segment}: ${value}.`);

export interface Read {
  /** Undefined: nothing was restored. */
  count: number | undefined;
}

/** `count` is what is written; what is read is checked to be of one count, or `take` and `finish` throw. */
export function countedPart(count: () => number, read: Read = { count: undefined }): SnapshotPart {
  return {
    name: 'counted',
    version: 1,
    segments: () =>
      Array.from({ length: segments }, (_, segment) => ({
        name: String(segment),
        stamp: String(valueAt(segment, count())),
        records: () =>
          Array.from({ length: recordsPerSegment }, () => recordOf(segment, valueAt(segment, count()))),
      })),
    restore: () => {
      const taken: Uint8Array[] = [];
      return {
        take: (record) => void taken.push(Buffer.from(record)),
        finish: () => {
          const [first = new Uint8Array()] = taken;
          const found = Number(/^segment 0: (\d+)\./.exec(Buffer.from(first).toString('latin1', 0, 40))?.[1]);
          const expected = Array.from({ length: segments * recordsPerSegment }, (_, index) => {
            const segment = Math.floor(index / recordsPerSegment);
            return recordOf(segment, valueAt(segment, found));
          });
          if (
            taken.length !== expected.length ||
            taken.some((one, index) => !expected[index]?.every((byte, at) => byte === one[at]))
          )
            throw new Error(`what was restored is not all of count ${found}`);
          read.count = found;
        },
      };
    },
  };
}

if (import.meta.main) {
  const [, , folder = '', first = '0'] = process.argv;
  let count = Number(first);
  const writer = createSnapshotWriter({ ...written, folder });
  const part = countedPart(() => count);
  for (;;) {
    await writer.write([part], count, new AbortController().signal);
    process.stdout.write(`${count}\n`);
    count += 1;
  }
}
