import { sharedEntryBytes, sharedEntrySeconds } from '../../src/limits.ts';
import type { SharedCache } from '../../src/runtime/worker/shared-cache.ts';

interface Entry {
  readonly bytes: Uint8Array;
  readonly endsAtMs: number;
}

/** The platform's shared cache in memory, with its entries by name. */
export function memorySharedCache({
  entries = new Map(),
  keptSeconds = sharedEntrySeconds,
}: {
  readonly entries?: Map<string, Entry>;
  readonly keptSeconds?: number | undefined;
} = {}): SharedCache & { readonly entries: Map<string, Entry> } {
  return {
    entries,
    get: async (name) => {
      const found = entries.get(name);
      return found && performance.now() < found.endsAtMs ? Uint8Array.from(found.bytes) : undefined;
    },
    put: async (name, bytes) => {
      if (bytes.byteLength > sharedEntryBytes) return;
      const endsAtMs = performance.now() + keptSeconds * 1_000;
      entries.set(name, { bytes: Uint8Array.from(bytes), endsAtMs });
    },
  };
}
