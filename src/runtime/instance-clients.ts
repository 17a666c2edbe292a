import { LRUCache } from 'lru-cache';
import { monotonicMs } from '../clock.ts';
import type { InstanceAuthorization } from '../forwarding/forward.ts';
import { createJamfClient, type JamfClient } from '../jamf/client.ts';
import type { Send } from '../outbound/port.ts';
import type { Sealer } from '../secrets/seal.ts';
import type { Instance } from '../store/instances/instance.ts';
import { secretAssociation } from '../store/instances/secret.ts';
import { type Turns, turnsApart } from '../untrusted/turns.ts';

/** One Jamf client per instance and configuration: its token and its bound on requests are shared by all who ask. */
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
}

export function createInstanceClients(options: InstanceClientsOptions): InstanceClients {
  const { concurrency, readReference, sealer, send, timeoutMs, turns = turnsApart } = options;
  const clients = new LRUCache<string, JamfClient>({ max: 30_000 });

  const secretOf = async (instance: Instance): Promise<string> => {
    const { apiSecretRef, apiSecretSealed } = instance;
    if (apiSecretRef !== null) return readReference(apiSecretRef);
    return apiSecretSealed === null ? '' : sealer.open(apiSecretSealed, secretAssociation(instance));
  };

  /** Clients are kept by the row as it was read: to put the key together costs more than to look a call's token up. */
  const ofRow = new WeakMap<Instance, JamfClient>();
  const clientOf = (instance: Instance): JamfClient => {
    let client = ofRow.get(instance);
    if (!client) {
      client = clientOfConfiguration(instance);
      ofRow.set(instance, client);
    }
    return client;
  };
  const clientOfConfiguration = (instance: Instance): JamfClient => {
    // The key names what the client is made of: a rotated secret or another URL makes another client, a pause does not.
    const { apiClientId, apiSecretRef, apiSecretSealed, caCertificate, instanceId, tenantId, url } = instance;
    const key = JSON.stringify([
      tenantId,
      instanceId,
      url,
      apiClientId,
      apiSecretSealed,
      apiSecretRef,
      caCertificate,
    ]);
    let client = clients.get(key);
    if (!client) {
      client = createJamfClient({
        send,
        baseUrl: url,
        clientId: apiClientId,
        clientSecret: () => secretOf(instance),
        ...(caCertificate === null ? {} : { caCertificate }),
        concurrency,
        now: monotonicMs,
        timeoutMs,
        work: turns.work(instanceId),
      });
      clients.set(key, client);
    }
    return client;
  };

  const authorizations = new WeakMap<JamfClient, InstanceAuthorization>();
  return {
    clientOf,
    authorizationOf: (instance) => {
      const client = clientOf(instance);
      const known = authorizations.get(client);
      if (known) return known;
      const authorization: InstanceAuthorization = {
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
      authorizations.set(client, authorization);
      return authorization;
    },
  };
}
