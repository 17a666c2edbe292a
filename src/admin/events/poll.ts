import type { Sql } from '../../store/database.ts';
import type { Changed } from './hub.ts';

/**
 * Polls what the change feed does not carry and an overview shows: reports that fail, mass changes that are held,
 * approvals that wait, instances that stop answering. One statement a process, however many streams are open: for each tenant a probe into each
 * partial index.
 */

interface Row {
  readonly tenantId: string;
  readonly reports: string | null;
  readonly approvals: string | null;
  readonly instances: string | null;
}

/** Tenants of which nothing is to be said are left out: they are most of a thousand. */
const read = (sql: Sql) => sql<Row[]>`
  select t.tenant_id as "tenantId", nullif(concat_ws(' ', failed.at, held.hold), '') as reports, waiting.approvals, unreachable.instances
  from tenants t
  left join lateral (
    select r.failed_at::text as at from reports r where r.tenant_id = t.tenant_id and r.failed_at is not null
    order by r.failed_at desc limit 1) failed on true
  left join mass_changes m on m.tenant_id = t.tenant_id and m.ended_at is null
  left join lateral (select concat(m.hold_id, m.state) as hold where m.hold_id is not null) held on true
  left join lateral (
    select string_agg(a.approval_id::text, ' ' order by a.approval_id) as approvals from approvals a
    where a.tenant_id = t.tenant_id and a.state = 'waiting') waiting on true
  left join lateral (
    select string_agg(i.instance_id::text, ' ' order by i.instance_id) as instances from instances i
    where i.tenant_id = t.tenant_id and i.last_error is not null) unreachable on true
  where failed.at is not null or m.hold_id is not null or waiting.approvals is not null or unreachable.instances is not null`;

type Seen = ReadonlyMap<string, Row>;

function differences(before: Seen, now: Seen): Changed[] {
  const tenantIds = new Set([...before.keys(), ...now.keys()]);
  return [...tenantIds].flatMap((tenantId): Changed[] => {
    const [old, row] = [before.get(tenantId), now.get(tenantId)];
    const differs = (name: 'reports' | 'approvals' | 'instances'): boolean =>
      (old?.[name] ?? null) !== (row?.[name] ?? null);
    const kinds = (['reports', 'approvals'] as const).filter(differs);
    return [...kinds, ...(differs('instances') ? (['instance'] as const) : [])].map((kind) => ({
      kind,
      tenantId,
    }));
  });
}

/** Says what differs from the last time it was asked; nothing the first time. */
export function createPoll(sql: Sql): () => Promise<Changed[]> {
  let last: Seen | undefined;
  return async () => {
    const rows = await read(sql);
    const before = last;
    last = new Map(rows.map((row) => [row.tenantId, row]));
    return before === undefined ? [] : differences(before, last);
  };
}
