import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { boundedChunks } from './body.ts';

beforeEach(() => vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] }));
afterEach(() => vi.useRealTimers());

const chunk = new Uint8Array(10);

it('what is done with the chunks of a body is not the time of whoever sends it', async () => {
  let read = 0;
  for await (const one of boundedChunks(
    (async function* () {
      for (let nth = 0; nth < 5; nth += 1) yield chunk;
    })(),
    1_000,
    1_000,
  )) {
    read += one.byteLength;
    await vi.advanceTimersByTimeAsync(900);
  }
  expect(read).toBe(50);
});

it('a body that takes longer to come than it may is refused', async () => {
  const reading = (async () => {
    for await (const _ of boundedChunks(
      (async function* () {
        for (;;) {
          await new Promise((resolve) => setTimeout(resolve, 300));
          yield chunk;
        }
      })(),
      1_000,
      1_000,
    ));
  })();
  const refused = expect(reading).rejects.toMatchObject({ problem: { slug: 'invalid-request' } });
  await vi.advanceTimersByTimeAsync(1_100);
  await refused;
});
