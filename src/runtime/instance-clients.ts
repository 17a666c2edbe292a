import { createBoundedCache } from '../bounded-cache.ts';
import { monotonicMs } from '../clock.ts';
import type { InstanceAuthorization } from '../forwarding/forward.ts';
import { createJamfClient, type JamfClient, type LearntOfInstance } from '../jamf/client.ts';
import type { Sharing } from '../joining.ts';
import { type Send, sendFor } from '../outbound/port.ts';
import type { Sealer } from '../secrets/seal.ts';
import type { Instance } from '../store/instances/instance.ts';
import { secretAssociation } from '../store/instances/secret.ts';
import { type Turns, turnsApart } from '../untrusted/turns.ts';

/**
 * One Jamf client per instance and configuration: its token and its bound on requests are shared by all who ask. On
 * Workers, where a client's callers must not wait for each other, each has one of its own, and only what was learnt is
 * shared.
 */
export interface InstanceClients {
  clientOf(instance: Instance): JamfClient;
  authorizationOf(instance: Instance): InstanceAuthorization;
}

export interface InstanceClientsOptions {
  readonly send: Send;
  readonly sealer: Sealer;
  /** Reads `env:NAME` or `file:/path`; throws when there is none. */
  readonly readReference: (reference: string) => Promise<string>;
  readonly concurrency: number;
  readonly timeoutMs: number;
  /** Large answers are read in turns. */
  readonly turns?: Turns;
  readonly sharing: Sharing;
}

/** Instances that are remembered; a token is about 1 KB, and an isolate has 128 MB in all. */
const maxInstances: Readonly<Record<Sharing, number>> = { process: 30_000, request: 5_000 };

/** Names what a client is made of: a rotated secret or another URL makes another client, a pause does not. */
const configurationOf = (instance: Instance): string => {
  const { apiClientId, apiSecretRef, apiSecretSealed, caCertificate, instanceId, tenantId, url } = instance;
  return JSON.stringify([
    tenantId,
    instanceId,
    url,
    apiClientId,
    apiSecretSealed,
    apiSecretRef,
    caCertificate,
  ]);
};

/** Makes a thing once per configuration. It is kept by row too: to put the key together costs more than to look it up. */
function oncePerConfiguration<T extends object>(
  max: number,
  make: (instance: Instance) => T,
): (instance: Instance) => T {
  const byConfiguration = createBoundedCache<string, T>(max);
  const byRow = new WeakMap<Instance, T>();
  return (instance) => {
    const known = byRow.get(instance);
    if (known) return known;
    const key = configurationOf(instance);
    const made = byConfiguration.get(key) ?? make(instance);
    byConfiguration.set(key, made);
    byRow.set(instance, made);
    return made;
  };
}

/** The part of a client that forwarding uses. */
function authorizationBy(client: JamfClient): InstanceAuthorization {
  return {
    token: async (refused) => {
      let granted = await client.authorization();
      if (granted.ok && granted.authorization.token === refused) {
        // The refused token alone is given up: another call may have brought a new one meanwhile.
        granted.authorization.invalidate();
        granted = await client.authorization();
      }
      return granted.ok ? { ok: true, token: granted.authorization.token } : granted;
    },
    inventoryVersion: () => client.inventoryVersion(),
    peek: () => client.cachedToken(),
    peekInventoryVersion: () => client.cachedInventoryVersion(),
  };
}

export function createInstanceClients(options: InstanceClientsOptions): InstanceClients {
  const { concurrency, readReference, sealer, send, timeoutMs, turns = turnsApart } = options;
  const max = maxInstances[options.sharing];

  const secretOf = async (instance: Instance): Promise<string> => {
    const { apiSecretRef, apiSecretSealed } = instance;
    if (apiSecretRef !== null) return readReference(apiSecretRef);
    return apiSecretSealed === null ? '' : sealer.open(apiSecretSealed, secretAssociation(instance));
  };
  const open = (instance: Instance, learnt: LearntOfInstance): JamfClient =>
    createJamfClient({
      send: sendFor(instance.tenantId, send),
      baseUrl: instance.url,
      clientId: instance.apiClientId,
      clientSecret: () => secretOf(instance),
      ...(instance.caCertificate === null ? {} : { caCertificate: instance.caCertificate }),
      concurrency,
      learnt,
      now: monotonicMs,
      timeoutMs,
      work: turns.work(instance.instanceId),
    });

  if (options.sharing === 'request') {
    const learntOf = oncePerConfiguration(max, (): LearntOfInstance => ({}));
    const clientOf = (instance: Instance): JamfClient => open(instance, learntOf(instance));
    return { clientOf, authorizationOf: (instance) => authorizationBy(clientOf(instance)) };
  }
  const clientOf = oncePerConfiguration(max, (instance) => open(instance, {}));
  const authorizations = new WeakMap<JamfClient, InstanceAuthorization>();
  return {
    clientOf,
    authorizationOf: (instance) => {
      const client = clientOf(instance);
      const known = authorizations.get(client);
      if (known) return known;
      const authorization = authorizationBy(client);
      authorizations.set(client, authorization);
      return authorization;
    },
  };
}
