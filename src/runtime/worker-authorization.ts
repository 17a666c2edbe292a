import { LRUCache } from 'lru-cache';
import { monotonicMs } from '../clock.ts';
import type { InstanceAuthorization } from '../forwarding/forward.ts';
import { inventoryVersionFreshMs, type JamfAuthorization } from '../jamf/client.ts';
import type { Instance } from '../store/instances/instance.ts';
import { createInstanceClients, type InstanceClientsOptions } from './instance-clients.ts';

/**
 * Instance tokens on Workers. A Jamf client lets callers wait for each other's request, which Workers forbid
 * between requests; so a client lives in one request, and only what it was granted is kept by the isolate.
 */

/** Instances per isolate; a token is about 1 KB. */
const keptInstances = 5_000;

interface Kept {
  readonly token?: string;
  readonly renewAtMs: number;
  readonly inventoryVersion?: number;
  readonly versionAtMs: number;
}

const nothing: Kept = { renewAtMs: 0, versionAtMs: 0 };

/** A rotated secret or another URL is another key; a pause is not. */
const keyOf = ({ apiClientId, apiSecretRef, apiSecretSealed, instanceId, tenantId, url }: Instance): string =>
  JSON.stringify([tenantId, instanceId, url, apiClientId, apiSecretSealed, apiSecretRef]);

export function createWorkerAuthorization(
  options: InstanceClientsOptions,
  now: () => number = monotonicMs,
): (instance: Instance) => InstanceAuthorization {
  const kept = new LRUCache<string, Kept>({ max: keptInstances });
  return (instance) => {
    const key = keyOf(instance);
    const note = (news: Partial<Kept>): void => {
      kept.set(key, { ...nothing, ...kept.get(key), ...news });
    };
    let opened: ReturnType<typeof openClient> | undefined;
    const openClient = () => createInstanceClients(options).clientOf(instance);
    const client = () => {
      opened ??= openClient();
      return opened;
    };
    let granted: JamfAuthorization | undefined;
    const peek = (): string | undefined => {
      const { token, renewAtMs } = kept.get(key) ?? nothing;
      return token !== undefined && now() < renewAtMs ? token : undefined;
    };
    const peekInventoryVersion = (): number | undefined => {
      const { inventoryVersion, versionAtMs } = kept.get(key) ?? nothing;
      return now() - versionAtMs < inventoryVersionFreshMs ? inventoryVersion : undefined;
    };
    return {
      peek,
      peekInventoryVersion,
      token: async (fresh) => {
        const token = peek();
        if (!fresh && token !== undefined) return { ok: true, token };
        if (fresh) granted?.invalidate();
        const askedAtMs = now();
        const answer = await client().authorization();
        if (!answer.ok) return answer;
        granted = answer.authorization;
        const { expiresAtMs } = granted;
        // Two thirds of its life: Jamf's console makes tokens of 60 s by default (domain/jamf.md 1.2).
        note({ token: granted.token, renewAtMs: askedAtMs + ((expiresAtMs - askedAtMs) * 2) / 3 });
        return { ok: true, token: granted.token };
      },
      inventoryVersion: async () => {
        const inventoryVersion = peekInventoryVersion();
        if (inventoryVersion !== undefined) return { ok: true, inventoryVersion };
        const answer = await client().inventoryVersion();
        if (answer.ok) note({ inventoryVersion: answer.inventoryVersion, versionAtMs: now() });
        return answer;
      },
    };
  };
}
