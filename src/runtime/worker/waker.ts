import { parseGuid } from '../../ids.ts';
import type { After } from '../../joining.ts';
import { shardOf, type TenantScope } from '../../store/tenant-scope.ts';
import type { Log } from '../../telemetry/log.ts';

/** Wakes the Durable Objects that deliver. A lost call costs a minute at most, for a cron trigger wakes all of them. */

/** Part of the binding of a Durable Object's class. */
export interface DelivererNamespace {
  idFromName(name: string): unknown;
  get(id: never): { wake(scope: TenantScope): Promise<void> };
}

export interface Waker {
  /** Something is due for the tenant. */
  wake(tenantId: string): void;
  /** Wakes as many as can be. */
  wakeAll(): Promise<void>;
  /** Something may be due for the tenants that an operator's request concerned. */
  wakeAfter(request: Pick<Request, 'method' | 'url'>, answer: Pick<Response, 'status'>): void;
}

/** Writes of the admin API and the console that name no tenant and may concern any. */
const ofAnyTenant = /^(?:\/api\/v1)?\/(?:approvals|reports)\//;

/** A deliverer that was woken looks by itself for longer than this (`quietMs` of deliverer-slice.ts). */
const wakeEveryMs = 250;

/** Name of the object of a kind that looks after the scope's tenants. */
const objectName = (kind: string, { of, shard }: TenantScope): string => `${kind}/${shard}/${of}`;

export const delivererName = (scope: TenantScope): string => objectName('deliverer', scope);
export const directoryName = (scope: TenantScope): string => objectName('directory', scope);

/** Calls the objects of all shards; one that cannot be reached keeps no other one from being called. */
export async function callEveryShard(
  shards: number,
  call: (scope: TenantScope) => Promise<void>,
  onFailed: (scope: TenantScope, error: unknown) => void,
): Promise<void> {
  const scopes = Array.from({ length: shards }, (_, shard) => ({ shard, of: shards }));
  const calls = await Promise.allSettled(scopes.map(async (scope) => call(scope)));
  for (const [shard, called] of calls.entries())
    if (called.status === 'rejected') onFailed({ shard, of: shards }, called.reason);
}

export function createWaker(options: {
  /** undefined: a Node process delivers. */
  readonly namespace: DelivererNamespace | undefined;
  readonly shards: number;
  readonly after: After;
  readonly now: () => number;
  readonly log: Log;
}): Waker {
  const { after, log, namespace, now, shards } = options;
  if (namespace === undefined)
    return { wake: () => undefined, wakeAll: async () => undefined, wakeAfter: () => undefined };
  const wokenAtMs = new Map<number, number>();
  const call = (scope: TenantScope): Promise<void> =>
    namespace.get(namespace.idFromName(delivererName(scope)) as never).wake(scope);
  const wake = (tenantId: string): void => {
    const shard = shardOf(tenantId, shards);
    if (now() - (wokenAtMs.get(shard) ?? Number.NEGATIVE_INFINITY) < wakeEveryMs) return;
    wokenAtMs.set(shard, now());
    after(call({ shard, of: shards }));
  };
  const wakeAll = (): Promise<void> =>
    callEveryShard(shards, call, (scope, error) => log.warn('deliverer.not-woken', { ...scope, error }));
  return {
    ...{ wake, wakeAll },
    wakeAfter: ({ method, url }, { status }) => {
      if (method === 'GET' || method === 'HEAD' || status >= 400) return;
      const { pathname } = new URL(url);
      const tenantId = parseGuid(/\/tenants\/([^/]+)/.exec(pathname)?.[1]);
      if (tenantId !== undefined) wake(tenantId);
      else if (ofAnyTenant.test(pathname)) after(wakeAll());
    },
  };
}
