import type { Sql } from '../../src/store/database.ts';

/** Rows of delivery that tests make by SQL, and what must hold of all of them. */

export interface Origin {
  readonly tenantId: string;
  readonly instanceId: string;
}

/** A tenant with one instance. */
export async function addOrigin(sql: Sql, tenantId: string = crypto.randomUUID()): Promise<Origin> {
  const instanceId = crypto.randomUUID();
  await sql`insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing)
    values (${tenantId}, 'public', 'x', 'device-compliance', 'cloud-connector', '{}') on conflict do nothing`;
  await sql`insert into instances (tenant_id, instance_id, name, url, api_client_id, compliance)
    values (${tenantId}, ${instanceId}, ${instanceId}, 'https://jamf.example', 'x', '{}')`;
  return { tenantId, instanceId };
}

/** A mass change of the tenant that nobody has decided; its id. */
export async function addHold(sql: Sql, tenantId: string): Promise<string> {
  const holdId = crypto.randomUUID();
  await sql`insert into mass_changes (tenant_id, hold_id, mode, percent, macs, unmanaged, not_compliant)
    values (${tenantId}, ${holdId}, 'hold-unmanaged', 30, 60, 50, 0)`;
  return holdId;
}

/** Rows that wait without an entry of their schedule that is no later: always 0, whoever writes. */
export async function unscheduled(sql: Sql): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    with waiting as (
      select tenant_id, instance_id, case when needs_instance then 'read' else 'pushed' end as kind, background, next_try_at
      from computers
      union all
      select tenant_id, '00000000-0000-0000-0000-000000000000', 'report', background, next_try_at from reports
    )
    select count(*)::int as count from waiting w where w.next_try_at is not null and not exists (
      select from schedules s where s.tenant_id = w.tenant_id and s.instance_id = w.instance_id and s.kind = w.kind
        and s.background = w.background and s.due_at <= w.next_try_at)`;
  return row?.count ?? Number.NaN;
}
