import { expect, it } from 'vitest';
import { recordBytesTogether, recordLimits } from '../limits.ts';
import { ProblemError, problem } from '../problems.ts';
import { createTurns } from '../untrusted/turns.ts';
import { recordReaderOf, takeRecords } from './pushes.ts';

const lines = 'application/x-ndjson';

async function* chunksOf(text: string): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode(text);
}

/** Takes them and tells what was held, and what was stored. */
async function take(records: Iterable<string>, mostBytes = Number.POSITIVE_INFINITY) {
  let held = 0;
  let stored = 0;
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (const record of records) yield new TextEncoder().encode(`${record}\n`);
  }
  const hold = (bytes: number): void => {
    held = Math.max(held, bytes);
    if (bytes > mostBytes)
      throw new ProblemError(problem('rate-limited', 'No room.', { retryAfterSeconds: 2 }));
  };
  const taken = await takeRecords(
    { chunks: chunks(), contentType: lines, hold },
    recordReaderOf(lines),
    createTurns().work('berlin'),
    async ({ length }) => {
      stored += length;
    },
  ).catch((error: ProblemError) => error);
  return { taken, held, stored };
}
const recordOf = (id: number, bytes: number): string =>
  `{"id":${id},"general":{"name":"${'x'.repeat(bytes)}"}}`;

it('a push tells what it holds: no more than its bound, however much there is of it', async () => {
  const ordinary = Array.from({ length: 5_000 }, (_, at) => recordOf(at + 1, 4_000));
  const many = await take(ordinary);
  expect([many.taken, many.stored]).toEqual([{ accepted: 5_000, rejected: [] }, 5_000]);
  expect(many.held).toBeGreaterThan(recordBytesTogether - 8_192);
  expect(many.held).toBeLessThan(recordBytesTogether + 32_768);
  const large = await take(
    Array.from({ length: 12 }, (_, at) => recordOf(at + 1, recordLimits.keptBytes - 100)),
  );
  expect(large.stored).toBe(12);
  expect(large.held).toBeGreaterThan(2 * recordLimits.keptBytes - 200);
  expect(large.held).toBeLessThan(2 * recordLimits.keptBytes + recordBytesTogether);
});

it('a push that may hold no more keeps what was taken, and says how much that is', async () => {
  const small = Array.from({ length: 200 }, (_, at) => recordOf(at + 1, 10));
  const cut = await take([...small, recordOf(201, 500_000), recordOf(202, 10)], 200_000);
  expect(cut.stored).toBe(200);
  expect(cut.taken).toMatchObject({
    problem: {
      slug: 'rate-limited',
      detail: 'No room. The 200 records before were accepted.',
      retryAfterSeconds: 2,
    },
  });
  const first = await take([recordOf(1, 500_000)], 200_000);
  expect([first.stored, first.taken]).toMatchObject([0, { problem: { detail: 'No room.' } }]);
});

it('what a push has used of its turn is counted before it waits for a commit', async () => {
  const work = createTurns().work('berlin');
  const told: string[] = [];
  const text = Array.from({ length: 300 }, (_, at) => JSON.stringify({ id: at + 1 })).join('\n');
  const taken = await takeRecords(
    { chunks: chunksOf(text), contentType: lines },
    recordReaderOf(lines),
    {
      turn: async () => {
        await work.turn();
        told.push('passes');
      },
      end: () => undefined,
      isOver: () => {
        told.push('is counted');
        return work.isOver();
      },
    },
    async () => void told.push('commits'),
  );
  expect(taken).toEqual({ accepted: 300, rejected: [] });
  const commits = [...told.keys()].filter((at) => told[at] === 'commits');
  expect(commits.map((at) => told[at - 1])).toEqual(['is counted', 'is counted', 'is counted']);
  // Nothing is read behind a commit without a turn; the last one is the end.
  expect(commits.map((at) => told[at + 1])).toEqual(['passes', 'passes', undefined]);
});
