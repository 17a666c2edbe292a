import { LRUCache } from 'lru-cache';
import {
  coldRetryMs,
  createKeySource,
  defaultIssuers,
  type KeyLookup,
  type KeyQuery,
  type KeySetSnapshot,
  type KeySource,
  type KeySourceOptions,
  lastKnownGoodMs,
  refreshEveryMs,
  warmRetryMs,
} from '../entra/keys.ts';
import type { VerificationKey } from '../entra/rsa-key.ts';

/**
 * The keys of Entra's issuers on Workers, by the rules of domain/microsoft.md 1.4. A `createKeySource` lets
 * callers share a fetch and refreshes behind their backs; between requests of a Worker neither is possible. So
 * every fetch has a source of its own, the caller waits for it, and the isolate keeps the sets as plain data.
 */

const defaultCooldownSeconds = 300;

interface Issuer {
  set: KeySetSnapshot | undefined;
  failedAtMs: number;
  unknownKidAtMs: number;
}

const never = Number.NEGATIVE_INFINITY;
const unknown: KeyLookup = { ok: false, failure: 'unknown' };
const unavailable: KeyLookup = { ok: false, failure: 'unavailable' };
const nameOf = (cloud: string, tenantId: string): string => `${cloud} ${tenantId}`;

/** One per isolate. The keys it gives are the same objects until their set is fetched anew. */
export function createWorkerKeySource(options: KeySourceOptions): KeySource {
  const { now } = options;
  const cooldownMs = (options.cooldownSeconds ?? defaultCooldownSeconds) * 1_000;
  const issuers = new LRUCache<string, Issuer>({ max: options.issuers ?? defaultIssuers });
  const ageMs = (issuer: Issuer): number => now() - (issuer.set?.fetchedAtMs ?? never);
  const isUsable = (issuer: Issuer): boolean => ageMs(issuer) < lastKnownGoodMs;

  /** The answer when this look-up must not or need not fetch; undefined when it may. */
  const withoutFetching = (issuer: Issuer, kept: readonly VerificationKey[]): KeyLookup | undefined => {
    const isKept = kept.length > 0;
    const usable = isUsable(issuer);
    const found: KeyLookup = isKept ? { ok: true, keys: kept } : usable ? unknown : unavailable;
    if (isKept && ageMs(issuer) < refreshEveryMs) return found;
    if (now() - issuer.failedAtMs < (usable ? warmRetryMs : coldRetryMs)) return found;
    return !isKept && usable && now() - issuer.unknownKidAtMs < cooldownMs ? unknown : undefined;
  };

  const find = async (query: KeyQuery): Promise<KeyLookup> => {
    const { cloud, kid, tenantId } = query;
    const name = nameOf(cloud.name, tenantId);
    const issuer = issuers.get(name) ?? { set: undefined, failedAtMs: never, unknownKidAtMs: never };
    const usable = isUsable(issuer);
    const kept = usable ? (issuer.set?.keys.filter((key) => key.kid === kid) ?? []) : [];
    const answer = withoutFetching(issuer, kept);
    if (answer !== undefined) return answer;
    if (usable && kept.length === 0) issuer.unknownKidAtMs = now();
    issuers.set(name, issuer);
    const source = createKeySource({ ...options, issuers: 1 });
    const fetched = await source.find(query);
    const [set] = source.snapshot();
    if (set === undefined) {
      issuer.failedAtMs = now();
      return kept.length > 0 ? { ok: true, keys: kept } : unavailable;
    }
    issuer.set = set;
    issuer.failedAtMs = never;
    return fetched;
  };

  return {
    find,
    // A caller that needs a refresh waits for it here; a look-up that waits for nothing could not begin one.
    peek: () => undefined,
    snapshot: () => [...issuers.values()].flatMap(({ set }) => (set === undefined ? [] : [set])),
    restore: (sets) => {
      for (const set of sets) {
        const name = nameOf(set.cloud, set.tenantId);
        if ((issuers.peek(name)?.set?.fetchedAtMs ?? never) >= set.fetchedAtMs) continue;
        issuers.set(name, { set, failedAtMs: never, unknownKidAtMs: never });
      }
    },
  };
}
