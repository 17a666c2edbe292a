import type { Bucket } from '../../src/runtime/worker/snapshot/vault.ts';

/** A bucket of R2 in memory, with the writes and deletions that were asked of it. */
export interface MemoryBucket extends Bucket {
  readonly objects: Map<string, Uint8Array>;
  /** Names of what was written since the last look. */
  written(): string[];
  /** The next write after so many others fails, as where the object that writes was ended; undefined: none does. */
  failsAfter: number | undefined;
}

const pageSize = 100;

export function memoryBucket(): MemoryBucket {
  const objects = new Map<string, Uint8Array>();
  const names: string[] = [];
  const bucket: MemoryBucket = {
    objects,
    failsAfter: undefined,
    written: () => names.splice(0),
    get: async (name) => {
      const bytes = objects.get(name);
      return bytes === undefined ? null : { arrayBuffer: async () => Uint8Array.from(bytes).buffer };
    },
    put: async (name, bytes) => {
      if (bucket.failsAfter !== undefined && bucket.failsAfter-- <= 0) throw new Error('ended by a test');
      names.push(name);
      objects.set(name, Uint8Array.from(bytes));
    },
    delete: async (gone) => {
      for (const name of gone) objects.delete(name);
    },
    list: async ({ cursor, prefix }) => {
      const all = [...objects.keys()].filter((name) => name.startsWith(prefix)).sort();
      const page = all.filter((name) => cursor === undefined || name > cursor).slice(0, pageSize);
      const last = page.at(-1);
      const truncated = last !== undefined && last !== all.at(-1);
      return { objects: page.map((key) => ({ key })), truncated, ...(truncated ? { cursor: last } : {}) };
    },
  };
  return bucket;
}
