import { createBoundedCache } from '../bounded-cache.ts';
import { type After, afterInProcess, createJoining, type Sharing } from '../joining.ts';
import { mebibyte } from '../limits.ts';
import type { OutboundRequest, Send } from '../outbound/port.ts';
import { sendInSpan } from '../telemetry/http-spans.ts';
import { parseBoundedJson } from '../untrusted/bounded-json.ts';
import { type Cloud, jwksUrlFor } from './clouds.ts';
import { parseVerificationKey, type VerificationKey } from './rsa-key.ts';

/** domain/microsoft.md 1.4: refresh hourly. */
export const refreshEveryMs = 3_600_000;
/** domain/microsoft.md 1.4: what was last good serves this long while refreshing fails. */
export const lastKnownGoodMs = 24 * 3_600_000;
/** Between two failing attempts while nothing usable is held: callers wait for this one. */
export const coldRetryMs = 2_000;
/** Between two failing attempts while the last good set still serves. */
export const warmRetryMs = 60_000;
/** domain/microsoft.md 1.4: size for 10 to 1000 keys. */
const keysPerSet = 1000;
const keySetBytes = 4 * mebibyte;
export const defaultIssuers = 10_000;
const defaultTimeoutMs = 10_000;

export interface KeyQuery {
  readonly cloud: Cloud;
  /** A tenant that is stored, or whose users are operators: never one that only a token names. */
  readonly tenantId: string;
  readonly kid: string;
}

export type KeyLookup =
  | { readonly ok: true; readonly keys: readonly VerificationKey[] }
  | { readonly ok: false; readonly failure: 'unknown' | 'unavailable' };

/** An issuer's keys as they can be put into a snapshot and back. */
export interface KeySetSnapshot {
  readonly cloud: string;
  readonly tenantId: string;
  readonly fetchedAtMs: number;
  readonly keys: readonly VerificationKey[];
}

export interface KeySource {
  /** The keys with this id (one, or one per issuer); fetches when it must. Never throws. */
  find(query: KeyQuery): Promise<KeyLookup>;
  /**
   * The answer of `find` without waiting, by the same rules, the refresh behind the callers' backs included;
   * undefined when it would have to wait or would refuse. The same array until the issuer's keys are fetched anew.
   */
  peek(query: KeyQuery): readonly VerificationKey[] | undefined;
  snapshot(): readonly KeySetSnapshot[];
  restore(sets: readonly KeySetSnapshot[]): void;
}

export interface KeySourceOptions {
  readonly send: Send;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  /** ESPALIER_JWKS_COOLDOWN_SECONDS: between refreshes for an unknown key id, per issuer. */
  readonly cooldownSeconds?: number;
  readonly timeoutMs?: number;
  readonly issuers?: number;
  readonly sharing: Sharing;
  /** Takes refreshes that nobody waits for. */
  readonly after?: After;
  /** What was good elsewhere: it serves, as long as it would here, where nothing is held and nothing can be fetched. */
  readonly lastKnown?: LastKnownKeys | undefined;
}

export type LastKnownKeys = (
  cloud: string,
  tenantId: string,
) => Promise<{ readonly keys: readonly VerificationKey[]; readonly ageMs: number } | undefined>;

interface KeySet {
  readonly cloud: string;
  readonly tenantId: string;
  keys: ReadonlyMap<string, readonly VerificationKey[]>;
  fetchedAtMs: number;
  failedAtMs: number;
  /** Begin of the last refresh that nobody waited for; its end may never be told. */
  behindAtMs: number;
  unknownKidAtMs: number;
}

const never = Number.NEGATIVE_INFINITY;

/** Key ids that two different keys of one issuer share are ambiguous and dropped, the rest of the set stays. */
function index(parsed: readonly VerificationKey[]): ReadonlyMap<string, readonly VerificationKey[]> {
  const byKid = Map.groupBy(parsed, (key) => key.kid);
  for (const [kid, keys] of byKid) {
    const distinct = [
      ...new Map(keys.map((key) => [`${key.n} ${key.e} ${key.issuer} ${key.alg}`, key])).values(),
    ];
    if (new Set(distinct.map((key) => key.issuer)).size < distinct.length) byKid.delete(kid);
    else byKid.set(kid, distinct);
  }
  return byKid;
}

/** The usable keys of a key set document; undefined when it is no key set at all. */
export function parseKeySet(text: string): ReadonlyMap<string, readonly VerificationKey[]> | undefined {
  try {
    const document: unknown = parseBoundedJson(text);
    if (typeof document !== 'object' || document === null || !('keys' in document)) return undefined;
    if (!Array.isArray(document.keys)) return undefined;
    const parsed = document.keys
      .slice(0, keysPerSet)
      .map(parseVerificationKey)
      .filter((key) => key !== undefined);
    return index(parsed);
  } catch {
    // The body is not JSON: an error page with status 200 does exist.
    return undefined;
  }
}

async function fetchKeys(
  send: Send,
  url: string,
  timeoutMs: number,
): Promise<ReadonlyMap<string, readonly VerificationKey[]> | undefined> {
  const request: OutboundRequest = {
    method: 'GET',
    url,
    headers: { accept: 'application/json' },
    timeoutMs,
    addresses: 'configured',
  };
  const response = await sendInSpan(send, 'entra', request);
  if (!response.ok) return undefined;
  if (response.status !== 200) {
    await response.discard();
    return undefined;
  }
  const keys = parseKeySet(await response.text(keySetBytes));
  // A set without one usable key would lock every caller out: what was known before is better.
  return keys === undefined || keys.size === 0 ? undefined : keys;
}

/** Fetches the keys of a tenant's issuer; undefined: there is none that can be used. Never throws. */
export async function fetchKeySet(
  send: Send,
  cloud: Cloud,
  tenantId: string,
): Promise<readonly VerificationKey[] | undefined> {
  const keys = await fetchKeys(send, jwksUrlFor(cloud, tenantId), defaultTimeoutMs).catch(() => undefined);
  return keys && [...keys.values()].flat();
}

const emptySet = (cloud: string, tenantId: string): KeySet => ({
  cloud,
  tenantId,
  keys: new Map(),
  fetchedAtMs: never,
  failedAtMs: never,
  behindAtMs: never,
  unknownKidAtMs: never,
});

function lookUp(set: KeySet, kid: string): KeyLookup {
  const keys = set.keys.get(kid);
  return keys === undefined ? { ok: false, failure: 'unknown' } : { ok: true, keys };
}

/** Remembers the names of sets: putting a name together and hashing it for each call costs more than looking it up. */
function createSetNames(maxNames: number): (cloud: Cloud, tenantId: string) => string {
  const names = new WeakMap<Cloud, Map<string, string>>();
  return (cloud, tenantId) => {
    let ofCloud = names.get(cloud);
    if (ofCloud === undefined || ofCloud.size > maxNames) {
      ofCloud = new Map();
      names.set(cloud, ofCloud);
    }
    let name = ofCloud.get(tenantId);
    if (name === undefined) {
      name = `${cloud.name} ${tenantId}`;
      ofCloud.set(tenantId, name);
    }
    return name;
  };
}

const snapshotOf = (sets: Iterable<KeySet>): readonly KeySetSnapshot[] =>
  [...sets]
    .filter((set) => set.keys.size > 0)
    .map(({ cloud, tenantId, fetchedAtMs, keys }) => ({
      cloud,
      tenantId,
      fetchedAtMs,
      keys: [...keys.values()].flat(),
    }));

/**
 * The signing keys of every issuer, by the rules of domain/microsoft.md 1.4: one fetch at a time per issuer,
 * refreshed hourly behind the callers' backs, once for an unknown key id but at most every cooldown, the last
 * good set kept 24 h when refreshing fails, least used issuers forgotten.
 */
export function createKeySource(options: KeySourceOptions): KeySource {
  const { after = afterInProcess, now, send } = options;
  const cooldownMs = (options.cooldownSeconds ?? 300) * 1000;
  const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
  const sets = createBoundedCache<string, KeySet>(options.issuers ?? defaultIssuers);
  const fetches = createJoining<KeySet['keys'] | undefined>(options.sharing);
  const nameOf = createSetNames(options.issuers ?? defaultIssuers);

  /** False: the last good keys stay. */
  const refresh = async (set: KeySet, cloud: Cloud): Promise<boolean> => {
    const keys = await fetches.once(`${cloud.name} ${set.tenantId}`, () =>
      // Where the body broke or was too large there is as good as no answer.
      fetchKeys(send, jwksUrlFor(cloud, set.tenantId), timeoutMs).catch(() => undefined),
    );
    if (keys === undefined) {
      set.failedAtMs = now();
      return false;
    }
    set.keys = keys;
    set.fetchedAtMs = now();
    set.failedAtMs = never;
    return true;
  };

  const mayTry = (set: KeySet, retryMs: number): boolean => now() - set.failedAtMs >= retryMs;

  const refreshBehind = (set: KeySet, cloud: Cloud): void => {
    if (now() - set.fetchedAtMs < refreshEveryMs || !mayTry(set, warmRetryMs)) return;
    if (now() - set.behindAtMs < warmRetryMs) return;
    set.behindAtMs = now();
    after(refresh(set, cloud));
  };

  /** False: nothing is known elsewhere that may serve. */
  const recall = async (set: KeySet): Promise<boolean> => {
    const found = await options.lastKnown?.(set.cloud, set.tenantId);
    if (found === undefined || found.ageMs >= lastKnownGoodMs) return false;
    set.keys = index(found.keys);
    set.fetchedAtMs = now() - found.ageMs;
    return true;
  };

  const find = async ({ cloud, tenantId, kid }: KeyQuery): Promise<KeyLookup> => {
    const name = `${cloud.name} ${tenantId}`;
    const known = sets.get(name);
    const set = known ?? emptySet(cloud.name, tenantId);
    if (known === undefined) sets.set(name, set);

    if (now() - set.fetchedAtMs >= lastKnownGoodMs) {
      const fetched = mayTry(set, coldRetryMs) && (await refresh(set, cloud));
      if (fetched) return lookUp(set, kid);
      // A key that those which were kept do not have may have been published since.
      const recalled = (await recall(set)) ? lookUp(set, kid) : undefined;
      return recalled?.ok ? recalled : { ok: false, failure: 'unavailable' };
    }
    const found = lookUp(set, kid);
    if (found.ok) {
      refreshBehind(set, cloud);
      return found;
    }
    if (now() - set.unknownKidAtMs < cooldownMs) return found;
    set.unknownKidAtMs = now();
    return (await refresh(set, cloud)) ? lookUp(set, kid) : { ok: false, failure: 'unavailable' };
  };

  const peek: KeySource['peek'] = ({ cloud, tenantId, kid }) => {
    // A peek is not counted as use, which costs more than the look-up: a new token, once an hour at least, is.
    const set = sets.peek(nameOf(cloud, tenantId));
    if (set === undefined || now() - set.fetchedAtMs >= lastKnownGoodMs) return undefined;
    const keys = set.keys.get(kid);
    if (keys !== undefined) refreshBehind(set, cloud);
    return keys;
  };

  const restore = (snapshots: readonly KeySetSnapshot[]): void => {
    for (const { cloud, tenantId, fetchedAtMs, keys } of snapshots) {
      const name = `${cloud} ${tenantId}`;
      if ((sets.peek(name)?.fetchedAtMs ?? never) >= fetchedAtMs) continue;
      sets.set(name, { ...emptySet(cloud, tenantId), fetchedAtMs, keys: index(keys) });
    }
  };

  return { find, peek, snapshot: () => snapshotOf(sets.values()), restore };
}
