import { createBoundedCache } from '../../bounded-cache.ts';
import { createJoining, type Sharing } from '../../joining.ts';
import { overviewFreshMs, overviewScopes } from '../../limits.ts';

/** Gives what was read for the same key a moment ago, also while it is being read. What failed is read again. */
export type Keep<Value> = (key: string, read: () => Promise<Value>) => Promise<Value>;

export function createKept<Value extends object>(sharing: Sharing): Keep<Value> {
  const known = createBoundedCache<string, Value>(overviewScopes, overviewFreshMs);
  const reading = createJoining<Value>(sharing);
  return async (key, read) =>
    known.get(key) ??
    reading.once(key, async () => {
      // It is as old as its question, not as its answer.
      const start = performance.now();
      const value = await read();
      known.set(key, value, { start });
      return value;
    });
}
