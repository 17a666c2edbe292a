/**
 * Which enabled instances could be reached with the last exchange, for gauges. A fleet has thousands, so their list is kept until
 * one of them is said to have changed, and each look reads only those that are down.
 */

import { columns, pagesOf, pick } from '../columns.ts';
import type { Sql } from '../database.ts';
import { instances } from '../schema.ts';
import { type InstanceRef, instanceKey } from './instance.ts';

export interface InstanceState {
  /** The same object at each look: what is made of it can be kept too. */
  readonly labels: { readonly tenant: string; readonly instance: string };
  readonly up: boolean;
}

export interface InstanceStates {
  read(): Promise<readonly InstanceState[]>;
  /** An instance came, went, or was enabled or disabled. */
  changed(): void;
}

const refColumns = pick(instances, 'tenantId', 'instanceId');

const enabledInstances = (sql: Sql) =>
  pagesOf<InstanceRef>(
    (after, limit) => sql<InstanceRef[]>`
      select ${columns(sql, refColumns)} from instances
      where enabled and ${after === undefined ? sql`true` : sql`(tenant_id, instance_id) > (${after.tenantId}, ${after.instanceId})`}
      order by tenant_id, instance_id limit ${limit}`,
  );

const downInstances = (sql: Sql) => sql<InstanceRef[]>`
  select ${columns(sql, refColumns)} from instances where enabled and last_error is not null`;

/** `keptForMs`: should a change not have been heard of; 0: nobody hears of changes. */
export function createInstanceStates(sql: Sql, now: () => number, keptForMs: number): InstanceStates {
  let known = new Map<string, InstanceState['labels']>();
  let readAtMs = Number.NEGATIVE_INFINITY;
  let changes = 0;
  let changesRead = -1;

  const refresh = async (): Promise<void> => {
    const [atMs, changesBefore] = [now(), changes];
    const found = new Map<string, InstanceState['labels']>();
    for await (const page of enabledInstances(sql))
      for (const ref of page) {
        const key = instanceKey(ref);
        found.set(key, known.get(key) ?? { tenant: ref.tenantId, instance: ref.instanceId });
      }
    known = found;
    readAtMs = atMs;
    changesRead = changesBefore;
  };
  return {
    read: async () => {
      if (changesRead !== changes || now() - readAtMs >= keptForMs) await refresh();
      const down = new Set((await downInstances(sql)).map(instanceKey));
      return [...known].map(([key, labels]) => ({ labels, up: !down.has(key) }));
    },
    changed: () => {
      changes += 1;
    },
  };
}
