import { expect, it } from 'vitest';
import { createPlatformCache } from '../../src/runtime/worker/shared-cache.ts';
import { memorySharedCache } from '../harness/memory-shared-cache.ts';
import { bundleWorker } from './bundles.ts';
import { describeSharedCache } from './shared-cache.conformance.ts';
import { startWorker } from './workerd.ts';

const fails = (error: unknown): void => {
  throw error;
};

describeSharedCache('the shared cache in memory', async () => {
  const entries: ReturnType<typeof memorySharedCache>['entries'] = new Map();
  return {
    cache: (keptSeconds) => memorySharedCache({ entries, keptSeconds }),
    close: async () => undefined,
  };
});

describeSharedCache('the Cache API of workerd', async () => {
  const worker = await startWorker({ bundle: await bundleWorker(), bindings: {}, trust: '' });
  const caches = await worker.caches();
  return {
    cache: (keptSeconds) =>
      createPlatformCache({
        ...{ caches, keptSeconds, onFailure: fails },
        ...{ now: () => performance.now(), answerMs: 20_000 },
      }),
    close: worker.close,
  };
});

it('a Cache API that fails, or does not answer, is one that has nothing, and is left alone for some seconds', async () => {
  for (const [message, open] of [
    ['it is away', () => Promise.reject(new Error('it is away'))],
    ['the Cache API does not answer', () => new Promise<Cache>(() => undefined)],
  ] as const) {
    const failures: unknown[] = [];
    let nowMs = 0;
    let asked = 0;
    const counted = (): Promise<Cache> => {
      asked += 1;
      return open();
    };
    const cache = createPlatformCache({
      ...{ caches: { open: counted }, now: () => nowMs, answerMs: 10 },
      onFailure: (error) => failures.push(error),
    });
    expect(await cache.get('a')).toBeUndefined();
    nowMs += 4_999;
    expect(await cache.get('a')).toBeUndefined();
    await cache.put('a', Uint8Array.of(1));
    expect(asked).toBe(1);
    nowMs += 1;
    await cache.put('a', Uint8Array.of(1));
    expect(asked).toBe(2);
    expect(failures.map((error) => (error as Error).message)).toEqual([message, message]);
  }
});
