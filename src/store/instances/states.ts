/**
 * Which enabled instances could be reached with the last exchange, for gauges, and what they are called. A fleet has thousands, so their list is kept until
 * one of them is said to have changed, and each look reads only those that are down.
 */

import { columns, pagesOf, pick } from '../columns.ts';
import type { Sql } from '../database.ts';
import { instances } from '../schema.ts';
import { type InstanceRef, instanceKey } from './instance.ts';

/** `instance` is what Prometheus itself calls the process that it scrapes, and would displace a label of that name. */
type IdLabels = { readonly tenant: string; readonly instance_id: string };
type NameLabels = IdLabels & { readonly tenant_name: string; readonly instance_name: string };

interface Listed {
  /** The same object at each look: what is made of it can be kept too. */
  readonly labels: IdLabels;
  /** The names beside the ids, where they are asked for; the same object until one of them is another. */
  readonly names: NameLabels | undefined;
}

export interface InstanceState extends Listed {
  readonly up: boolean;
}

export interface InstanceStatesOptions {
  /** Should a change not have been heard of; 0: nobody hears of changes. */
  readonly keptForMs: number;
  /** Reads the names of tenants and instances, too. */
  readonly named?: boolean;
}

export interface InstanceStates {
  read(): Promise<readonly InstanceState[]>;
  /** An instance came, went, was enabled, disabled or renamed, or its tenant was renamed. */
  changed(): void;
}

const refColumns = pick(instances, 'tenantId', 'instanceId');

interface NamedRef extends InstanceRef {
  readonly name?: string;
  readonly displayName?: string;
}

const namedColumns = pick(instances, 'tenantId', 'instanceId', 'name');

const namedInstances = (sql: Sql) =>
  pagesOf<NamedRef>(
    (after, limit) => sql<NamedRef[]>`
      select ${columns(sql, namedColumns, 'i')}, t.display_name as "displayName"
      from instances i join tenants t on t.tenant_id = i.tenant_id
      where i.enabled and ${after === undefined ? sql`true` : sql`(i.tenant_id, i.instance_id) > (${after.tenantId}, ${after.instanceId})`}
      order by i.tenant_id, i.instance_id limit ${limit}`,
  );

const enabledInstances = (sql: Sql) =>
  pagesOf<NamedRef>(
    (after, limit) => sql<NamedRef[]>`
      select ${columns(sql, refColumns)} from instances
      where enabled and ${after === undefined ? sql`true` : sql`(tenant_id, instance_id) > (${after.tenantId}, ${after.instanceId})`}
      order by tenant_id, instance_id limit ${limit}`,
  );

const downInstances = (sql: Sql) => sql<InstanceRef[]>`
  select ${columns(sql, refColumns)} from instances where enabled and last_error is not null`;

/** The labels of a row, those of before where they are the same. */
function listedOf({ displayName, instanceId, name, tenantId }: NamedRef, before: Listed | undefined): Listed {
  const labels = before?.labels ?? { tenant: tenantId, instance_id: instanceId };
  if (name === undefined || displayName === undefined) return { labels, names: undefined };
  const isSame = before?.names?.instance_name === name && before.names.tenant_name === displayName;
  const names = isSame ? before?.names : { ...labels, tenant_name: displayName, instance_name: name };
  return { labels, names };
}

export function createInstanceStates(
  sql: Sql,
  now: () => number,
  { keptForMs, named = false }: InstanceStatesOptions,
): InstanceStates {
  let known = new Map<string, Listed>();
  let readAtMs = Number.NEGATIVE_INFINITY;
  let changes = 0;
  let changesRead = -1;

  const refresh = async (): Promise<void> => {
    const [atMs, changesBefore] = [now(), changes];
    const found = new Map<string, Listed>();
    for await (const page of named ? namedInstances(sql) : enabledInstances(sql))
      for (const row of page) {
        const key = instanceKey(row);
        found.set(key, listedOf(row, known.get(key)));
      }
    known = found;
    readAtMs = atMs;
    changesRead = changesBefore;
  };
  return {
    read: async () => {
      if (changesRead !== changes || now() - readAtMs >= keptForMs) await refresh();
      const down = new Set((await downInstances(sql)).map(instanceKey));
      return [...known].map(([key, listed]) => ({ ...listed, up: !down.has(key) }));
    },
    changed: () => {
      changes += 1;
    },
  };
}
