import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedEntryBytes } from '../../src/limits.ts';
import type { SharedCache } from '../../src/runtime/worker/shared-cache.ts';
import { eventually } from '../harness/eventually.ts';

/** What is expected of a cache that isolates share, whoever keeps it. */

export interface SharedCacheSubject {
  /** The same entries each time; those that are put by this one are kept for so long. */
  readonly cache: (keptSeconds?: number) => SharedCache;
  readonly close: () => Promise<void>;
}

export function describeSharedCache(name: string, open: () => Promise<SharedCacheSubject>): void {
  describe(name, () => {
    let subject: SharedCacheSubject;
    let cache: SharedCache;
    beforeAll(async () => {
      subject = await open();
      cache = subject.cache();
    });
    afterAll(() => subject?.close());

    it('gives the bytes that were put last under the name, and nothing else', async () => {
      const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
      expect(await cache.get('a')).toBeUndefined();
      await cache.put('a', bytes);
      await cache.put('../a?b#c/ü', Uint8Array.of(2));
      expect(await cache.get('a')).toEqual(bytes);
      expect(await cache.get('../a?b#c/ü')).toEqual(Uint8Array.of(2));
      expect(await cache.get('A')).toBeUndefined();
      await cache.put('a', Uint8Array.of(1));
      expect(await cache.get('a')).toEqual(Uint8Array.of(1));
    });

    it('leaves out what is too large', async () => {
      await cache.put('large', new Uint8Array(sharedEntryBytes));
      expect((await cache.get('large'))?.byteLength).toBe(sharedEntryBytes);
      await cache.put('larger', new Uint8Array(sharedEntryBytes + 1));
      expect(await cache.get('larger')).toBeUndefined();
    });

    it('keeps nothing for longer than it is told', async () => {
      await subject.cache(1).put('short', Uint8Array.of(1));
      await cache.put('long', Uint8Array.of(2));
      await eventually(async () => expect(await cache.get('short')).toBeUndefined());
      expect(await cache.get('long')).toEqual(Uint8Array.of(2));
    });
  });
}
