import { createBoundedCache } from '../bounded-cache.ts';
import { monotonicMs } from '../clock.ts';
import { type After, afterInProcess, createJoining, type Sharing } from '../joining.ts';
import type { Log } from '../telemetry/log.ts';
import type { Confirmations } from './confirmations.ts';
import { createGroupCommit } from './group-commit.ts';

/**
 * Look-ups of credentials by their hash. A live one is remembered for a second, or as long as confirmations say, so that a flood of webhooks is no flood of
 * queries, and one in use is asked for again before that is over, so that nobody waits for it.
 *
 * Unknown ones are remembered apart from them, and what is asked at the same time shares one query: strangers who try keys can
 * neither push out what is live nor occupy more than one connection nor stand before a key that is known, and a correct key
 * is never refused for what others send.
 */
export interface CredentialLookup<Found> {
  find(hash: string): Promise<Found | undefined>;
  /** Returns the last result of any age without asking the database; a caller must not grant access by it. */
  remembered(hash: string): Found | undefined;
  /** A credential was made or revoked in this process: the next look asks the database. */
  forgetAll(): void;
}

export interface CredentialLookupOptions<Found> {
  /** The live ones among these hashes. */
  readonly read: (hashes: readonly string[]) => Promise<ReadonlyMap<string, Found>>;
  /** Milliseconds since 1970 at which it ends; undefined: never. */
  readonly endsAtMs?: (found: Found) => number | undefined;
  readonly sharing: Sharing;
  /** Where these say how long a live one of a tenant is remembered; `now` is their clock. */
  readonly confirmed?:
    | { readonly by: Confirmations; readonly tenantOf: (found: Found) => string }
    | undefined;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

/** Interval at which the last use of a credential is recorded. */
const recordUseEveryMs = 60_000;

/** Decides whether a use is recorded: true where that was not done for a minute in this process. */
export function createUseIntervals(): (keyId: string) => boolean {
  const recordedAtMs = createBoundedCache<string, number>(maxLive);
  return (keyId) => {
    const now = performance.now();
    if (now - (recordedAtMs.get(keyId) ?? Number.NEGATIVE_INFINITY) < recordUseEveryMs) return false;
    recordedAtMs.set(keyId, now);
    return true;
  };
}

export interface UseRecording {
  readonly after?: After | undefined;
  readonly log: Pick<Log, 'warn'>;
}

/**
 * Has the use of a credential written once a minute. No answer waits for it: the row may be locked, and what a credential opens
 * does not depend on it. One that cannot be written is left to the next use after that minute.
 */
export function createUseRecorder<Found extends { readonly keyId: string }>(
  write: (found: Found) => PromiseLike<unknown>,
  { after = afterInProcess, log }: UseRecording,
): (found: Found) => void {
  const isDue = createUseIntervals();
  const record = async (found: Found): Promise<void> => {
    try {
      await write(found);
    } catch (error) {
      log.warn('credential.use-not-recorded', { keyId: found.keyId, error });
    }
  };
  return (found) => {
    if (isDue(found.keyId)) after(record(found));
  };
}

/** A credential that another process revoked goes on opening this one for so long at most. */
const credentialFreshMs = 1_000;
/** A look at a live credential that is older than this still finds it at once, and has the database asked behind it. */
const credentialRenewMs = 500;
const maxLive = 50_000;
const maxUnknown = 10_000;
const hashesPerQuery = 64;
/** The queue of all credentials that are not known; no hash is empty. */
const strangers = '';

interface Kept<Found> {
  readonly found: Found;
  readonly atMs: number;
}

export function createCredentialLookup<Found extends object>(
  options: CredentialLookupOptions<Found>,
): CredentialLookup<Found> {
  const { confirmed, endsAtMs = () => undefined, read, sharing } = options;
  const now = options.now ?? confirmed?.by.now ?? monotonicMs;
  const together = sharing === 'process';
  const live = createBoundedCache<string, Kept<Found>>(maxLive);
  const unknown = createBoundedCache<string, number>(maxUnknown);
  const renewals = createJoining<Found | undefined>(sharing);
  /** Rises with every change: an answer that was asked for before the last one is not kept. */
  let generation = 0;

  const shared = createGroupCommit<string, Found | undefined>({
    flush: async (hashes) => {
      const found = await read(hashes);
      return hashes.map((hash) => found.get(hash));
    },
    maxItems: hashesPerQuery,
    flushes: 1,
    queueOf: (hash) => (live.has(hash) ? hash : strangers),
  });
  const ask = async (hash: string): Promise<Found | undefined> =>
    together ? shared(hash) : (await read([hash])).get(hash);
  const isOver = (found: Found): boolean => Date.now() >= (endsAtMs(found) ?? Number.POSITIVE_INFINITY);

  const look = async (hash: string): Promise<Found | undefined> => {
    const asked = generation;
    const atMs = now();
    const found = await ask(hash);
    if (asked !== generation) return found;
    if (found === undefined) {
      live.delete(hash);
      unknown.set(hash, atMs);
    } else live.set(hash, { found, atMs });
    return found;
  };
  const renewBehind = (hash: string): void => {
    // Where it fails, the first look after the second asks again, and whoever looks is told.
    renewals.once(`${generation}/${hash}`, () => look(hash)).catch(() => undefined);
  };

  const holds = ({ atMs, found }: Kept<Found>): boolean =>
    confirmed?.by.holds(confirmed.tenantOf(found), atMs) ?? now() - atMs < credentialFreshMs;
  const heldAnew = async (hash: string, { found }: Kept<Found>): Promise<Kept<Found> | undefined> => {
    if (confirmed === undefined) return undefined;
    await confirmed.by.ask(confirmed.tenantOf(found));
    const kept = live.get(hash);
    return kept && holds(kept) ? kept : undefined;
  };

  return {
    find: async (hash) => {
      let kept = live.get(hash);
      if (kept !== undefined && !holds(kept)) kept = await heldAnew(hash, kept);
      if (kept !== undefined) {
        if (together && now() - kept.atMs >= credentialRenewMs) renewBehind(hash);
        return isOver(kept.found) ? undefined : kept.found;
      }
      if (now() - (unknown.get(hash) ?? Number.NEGATIVE_INFINITY) < credentialFreshMs) return undefined;
      return look(hash);
    },
    remembered: (hash) => {
      const found = live.peek(hash)?.found;
      return found === undefined || isOver(found) ? undefined : found;
    },
    forgetAll: () => {
      generation += 1;
      live.clear();
      unknown.clear();
    },
  };
}
