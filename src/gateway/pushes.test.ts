import { expect, it } from 'vitest';
import { createTurns } from '../untrusted/turns.ts';
import { recordReaderOf, takeRecords } from './pushes.ts';

const lines = 'application/x-ndjson';

async function* chunksOf(text: string): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode(text);
}

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
