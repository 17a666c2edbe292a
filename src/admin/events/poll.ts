import type { Sql } from '../../store/database.ts';
import type { Changed } from './hub.ts';

/**
 * Polls what the change feed does not carry and an overview shows: reports that fail, approvals that wait, instances
 * that stop answering. One statement a process, however many streams are open: for each tenant a probe into each
 * partial index.
 */

interface Row {
  readonly tenantId: string;
  readonly reports: string | null;
  readonly approvals: string | null;
  readonly instances: string | null;
}

const read = (sql: Sql) => sql<Row[]>`
  select t.tenant_id as "tenantId",
    (select r.failed_at::text from reports r where r.tenant_id = t.tenant_id and r.failed_at is not null
     order by r.failed_at desc limit 1) as reports,
    (select string_agg(a.approval_id::text, ' ' order by a.approval_id) from approvals a
     where a.tenant_id = t.tenant_id and a.state = 'waiting') as approvals,
    (select string_agg(i.instance_id::text, ' ' order by i.instance_id) from instances i
     where i.tenant_id = t.tenant_id and i.last_error is not null) as instances
  from tenants t`;

/** Says what differs from the last time it was asked; nothing the first time. */
export function createPoll(sql: Sql): () => Promise<Changed[]> {
  let last: ReadonlyMap<string, Row> | undefined;
  return async () => {
    const rows = await read(sql);
    const before = last;
    last = new Map(rows.map((row) => [row.tenantId, row]));
    if (before === undefined) return [];
    return rows.flatMap((row): Changed[] => {
      const { tenantId } = row;
      const old = before.get(tenantId);
      const kinds = (['reports', 'approvals'] as const).filter((kind) => (old?.[kind] ?? null) !== row[kind]);
      const failing = (old?.instances ?? null) === row.instances ? [] : (['instance'] as const);
      return [...kinds, ...failing].map((kind) => ({ kind, tenantId }));
    });
  };
}
