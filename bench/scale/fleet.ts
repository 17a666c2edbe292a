/**
 * A fleet made by SQL with the product's own columns, as large as the benchmark asks for: three instances a tenant, devices spread
 * evenly. Triggers and foreign keys are off while it is filled, so what triggers would have written (schedules, numbers of
 * reports) is made by the product's own survey and by one count.
 */

import type postgres from 'postgres';
import type { Sql } from '../../src/store/database.ts';
import { mendSchedules } from '../../src/store/schedules.ts';

export interface FleetSize {
  readonly tenants: number;
  readonly devices: number;
}

export const instancesOfTenant = 3;
/** One statement takes seconds at most. */
const devicesAtOnce = 50_000;
/** Events of each device in its timeline. */
const events = ['received', 'fetched', 'routed', 'sent', 'accepted', 'completed'] as const;

const content = JSON.stringify({
  userId: '00000000-0000-4000-9000-000000000000',
  deviceName: 'Mac of somebody',
  osVersion: '26.1',
  lastCheckInAt: '2026-11-01T08:00:00.000Z',
  reportedAt: '2026-11-01T08:00:00.000Z',
  managed: true,
  inventoryState: 0,
  verdict: 'compliant',
});

/** Ids follow from numbers: tenant `t`, instance `i` of it, device `n` of all. */
const ids = (sql: postgres.Sql) => ({
  tenant: sql`md5('tenant' || t)::uuid`,
  instance: sql`md5('instance' || t || '/' || i)::uuid`,
  device: sql`md5('device' || n)::uuid`,
});

async function fillTenants(sql: postgres.Sql, { tenants }: FleetSize): Promise<void> {
  const { instance, tenant } = ids(sql);
  const later = sql`now() + interval '1 day' + random() * interval '1 day'`;
  const fleet = sql`generate_series(0, ${tenants - 1}::int) t, generate_series(0, ${instancesOfTenant - 1}::int) i`;
  await sql`
    insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing, connection_state, connected_at, paused,
      last_heartbeat_at, next_heartbeat_at, partner_state_at, permissions_checked_at)
    select ${tenant}, 'public', 'Tenant ' || t, 'device-compliance', 'cloud-connector', '{"choice":"default"}', 'connected',
      now(), t % 10 = 0, now(), ${later}, ${later}, ${later}
    from generate_series(0, ${tenants - 1}::int) t`;
  // What paused ones send is kept, and nobody reads from them.
  await sql`
    insert into instances (tenant_id, instance_id, name, url, api_client_id, api_secret_ref, compliance, paused, last_error, last_seen_at)
    select ${tenant}, ${instance}, 'Instance ' || i, 'https://jamf.example', 'client', 'env:ESPALIER_INSTANCE_BENCH',
      '{"source":"smart-group","complianceGroup":"7"}', i = 0, case when t % 100 = 7 then 'The server did not answer.' end, now()
    from ${fleet}`;
  await sql`
    insert into instance_reading (tenant_id, instance_id, next_poll_at, next_reconcile_at)
    select ${tenant}, ${instance}, ${later}, ${later} from ${fleet}`;
  await sql`insert into route_versions (tenant_id, version) select tenant_id, 1 from tenants`;
}

/** Of a hundred devices one failed, one is held, and one computer waits for later. */
async function fillDevices(sql: postgres.Sql, { devices, tenants }: FleetSize, from: number): Promise<void> {
  const { device, instance, tenant } = ids(sql);
  const perTenant = Math.ceil(devices / tenants);
  const rows = sql`(
    select n, n / ${perTenant}::int as t, n % ${instancesOfTenant}::int as i, 1 + n % ${perTenant}::int as computer,
      'C' || n as serial, upper(md5('udid' || n)::uuid::text) as udid,
      case n % 100 when 1 then 'failed' when 2 then 'held' else 'verified' end as state
    from generate_series(${from}::int, ${Math.min(devices, from + devicesAtOnce) - 1}::int) n) d`;
  await sql`
    insert into computers (tenant_id, instance_id, jamf_computer_id, done_revision, next_try_at, udid, serial_number, report_at,
      last_read_at)
    select ${tenant}, ${instance}, computer, case when n % 100 = 3 then 0 else 1 end,
      case when n % 100 = 3 then now() + interval '1 day' end, udid, serial, now(), now() from ${rows}`;
  await sql`
    insert into claims (tenant_id, device_id, instance_id, jamf_computer_id, user_id, serial_number, udid, last_enrolled_at,
      last_check_in_at, report_at, verdict)
    select ${tenant}, ${device}, ${instance}, computer, md5('user' || n)::uuid, serial, udid, now() - interval '90 days', now(),
      now(), 'compliant' from ${rows}`;
  await sql`
    insert into claim_history (tenant_id, device_id, instance_id, jamf_computer_id, last_enrolled_at, last_check_in_at, state)
    select ${tenant}, ${device}, ${instance}, computer, now() - interval '90 days', now(), 'active' from ${rows}`;
  await sql`
    insert into routes (tenant_id, device_id, instance_id, jamf_computer_id, serial_number, udid, rule, version)
    select ${tenant}, ${device}, ${instance}, computer, serial, udid, 'only-claim', 1 from ${rows}`;
  await sql`
    insert into route_changes (tenant_id, version, device_id, to_instance_id, to_jamf_computer_id, pinned, rule, author, reason)
    select ${tenant}, 1, ${device}, ${instance}, computer, false, 'only-claim', 'espalier', 'first claim' from ${rows}`;
  await sql`
    insert into reports (tenant_id, device_id, content, content_hash, instance_id, confirmed_revision, state, reason, due_since,
      failed_at, message_id, sent_content, last_update_at, sent_at, accepted_at, completed_at, verified_at, verification, next_try_at)
    select ${tenant}, ${device}, ${content}, md5('content' || n), ${instance}, case state when 'verified' then 1 else 0 end, state,
      case state when 'failed' then 'rejected' when 'held' then 'user-not-synced' end,
      case when state <> 'verified' then now() - interval '1 hour' end, case state when 'failed' then now() end,
      md5('message' || n)::uuid, ${content}, now(), now(), now(), now(), now(), 'verified',
      case state when 'held' then now() + interval '1 day' end from ${rows}`;
  await sql`
    insert into timeline (tenant_id, device_id, stage, at, instance_id)
    select ${tenant}, ${device}, stage, now(), ${instance} from ${rows}, unnest(${[...events]}::text[]) stage`;
}

async function countAll(sql: postgres.Sql): Promise<void> {
  await sql`
    insert into report_counts (tenant_id, due, held, sent, accepted, completed, verified, failed)
    select tenant_id, 0, count(*) filter (where state = 'held'), 0, 0, 0, count(*) filter (where state = 'verified'),
      count(*) filter (where state = 'failed')
    from reports group by tenant_id`;
}

/** `product`: a client as the product opens it. */
export async function fillFleet(
  sql: postgres.Sql,
  product: Sql,
  size: FleetSize,
  signal: AbortSignal,
): Promise<void> {
  await sql`set session_replication_role = replica`;
  await sql`set synchronous_commit = off`;
  await fillTenants(sql, size);
  for (let from = 0; from < size.devices; from += devicesAtOnce) {
    signal.throwIfAborted();
    await fillDevices(sql, size, from);
  }
  await countAll(sql);
  await sql`set session_replication_role = origin`;
  for (const stage of ['computers', 'reports'] as const) {
    let last: Awaited<ReturnType<typeof mendSchedules>>['last'];
    do last = (await mendSchedules(product, stage, last)).last;
    while (last !== undefined);
  }
  // Else the gateway would take the fleet for one that nobody has watched, and read all of it anew.
  await sql`
    insert into watch (one, watched_at) values (true, now()) on conflict (one) do update set watched_at = now()`;
  await sql`vacuum analyze`;
}

/** Bytes on disk of each table with its indexes and what is stored beside it, the largest first. */
export const readTableBytes = (sql: postgres.Sql) => sql<{ table: string; bytes: number }[]>`
  select relname as "table", pg_total_relation_size(relid)::float8 as bytes from pg_stat_user_tables
  where pg_total_relation_size(relid) > 1000000 order by 2 desc`;
