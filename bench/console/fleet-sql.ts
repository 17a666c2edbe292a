import type postgres from 'postgres';

/**
 * The fleet of a service provider, made by SQL beside the tenants that really are connected: 1,000 tenants of which some
 * need a person, and one with very many devices. Nothing of it is due, so that the gateway leaves it alone.
 */

export const seededTenants = 1_000;

/** Number 0 is the large one. */
const tenantId = (sql: postgres.Sql, n: postgres.PendingQuery<postgres.Row[]>) =>
  sql`md5('console tenant' || ${n})::uuid`;

export interface SeededFleet {
  /** The tenant with very many devices, and one of its devices. */
  readonly tenantId: string;
  readonly instanceId: string;
  readonly deviceId: string;
  readonly serialNumber: string;
  readonly computerName: string;
}

async function seedTenants(sql: postgres.Sql): Promise<void> {
  const id = tenantId(sql, sql`n`);
  await sql`
    insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing, connection_state, hold, paused,
      connected_at, last_heartbeat_at, next_heartbeat_at, partner_state, partner_state_at, permissions,
      permissions_checked_at)
    select ${id}, 'public', case n when 0 then 'Large customer' else 'Customer ' || lpad(n::text, 4, '0') end,
      'device-compliance', 'cloud-connector', '{"choice":"default"}',
      case when n % 50 = 7 then 'consenting' when n % 200 = 11 then 'terminated' else 'connected' end,
      case when n % 25 = 3 then jsonb_build_object('cause', 'consent-missing', 'owner', 'microsoft', 'since', now(),
        'detail', 'Entra gives no token for this tenant: AADSTS65001, the consent is missing or was withdrawn.',
        'remedy', 'Have an administrator of the tenant consent again.') end,
      n % 100 = 5, now() - interval '90 days', now() - random() * interval '1 hour', now() + interval '1 day',
      jsonb_build_object('state', 'active', 'source', 'graph', 'at', now()), now() + interval '1 day',
      jsonb_build_object('ok', n % 40 <> 9, 'checkedAt', now(), 'extra', '[]'::jsonb, 'missing',
        case when n % 40 = 9 then '["DeviceManagementManagedDevices.Read.All"]'::jsonb else '[]'::jsonb end),
      now() + interval '1 day'
    from generate_series(0, ${seededTenants - 1}::int) n`;
  await sql`
    insert into instances (tenant_id, instance_id, name, url, api_client_id, compliance, jamf_version, last_seen_at,
      last_error, last_error_at)
    select ${id}, md5('console instance' || n || '/' || i)::uuid, case i when 0 then 'Main' else 'Site ' || i end,
      'https://jamf-' || n || '-' || i || '.example', 'client', '{"source":"jamf"}', '11.20.1', now(),
      case when (n + i) % 60 = 13 then 'The server did not answer within 10 s.' end,
      case when (n + i) % 60 = 13 then now() end
    from generate_series(0, ${seededTenants - 1}::int) n, generate_series(0, 2) i where i = 0 or n % 4 = 0`;
  await sql`
    insert into instance_keys (tenant_id, instance_id, key_id, name, key_hash, prefix, expires_at)
    select ${id}, md5('console instance' || n || '/0')::uuid, gen_random_uuid(), 'webhooks', md5('key' || n), 'esp_abcd',
      case when n % 100 = 17 then now() + interval '10 days' end
    from generate_series(0, ${seededTenants - 1}::int) n`;
  await sql`
    insert into approvals (tenant_id, approval_id, action, summary, devices, method, target, requested_kind, requested_by,
      requested_role, expires_at)
    select ${id}, gen_random_uuid(), 'connection.disconnect', 'Disconnect the tenant', 120, 'POST', '/', 'user', 'ada',
      'admin', now() + interval '1 day'
    from generate_series(0, ${seededTenants - 1}::int) n where n % 200 = 19`;
}

/** Device `d` of tenant `n`; a share of its reports failed, is held or waits. */
async function seedDevices(sql: postgres.Sql, from: number, to: number, devices: number): Promise<void> {
  const rows = sql`generate_series(${from}::int, ${to}::int) n, generate_series(0, ${devices - 1}::int) d`;
  const id = tenantId(sql, sql`n`);
  const device = sql`md5('console device' || n || '/' || d)::uuid`;
  const user = sql`md5('console user' || n || '/' || d)::uuid`;
  const instance = sql`md5('console instance' || n || '/' || case when n % 4 = 0 then d % 3 else 0 end)::uuid`;
  const serial = sql`'C' || upper(substr(md5('serial' || n || '/' || d), 1, 9))`;
  const udid = sql`upper(md5('console udid' || n || '/' || d)::uuid::text)`;
  await sql`
    insert into computers (tenant_id, instance_id, jamf_computer_id, wanted_revision, done_revision, next_try_at, udid,
      serial_number, report_at)
    select ${id}, ${instance}, d + 1, 1, case when d % 200 = 1 then 0 else 1 end,
      case when d % 200 = 1 then now() + interval '1 day' end, ${udid}, ${serial}, now() from ${rows}`;
  await sql`
    insert into routes (tenant_id, device_id, instance_id, jamf_computer_id, serial_number, udid, rule, version)
    select ${id}, ${device}, ${instance}, d + 1, ${serial}, ${udid}, 'only-claim', 1 from ${rows}`;
  await sql`
    insert into claims (tenant_id, device_id, instance_id, jamf_computer_id, user_id, serial_number, udid,
      last_enrolled_at, last_check_in_at, report_at, verdict)
    select ${id}, ${device}, ${instance}, d + 1, ${user}, ${serial}, ${udid}, now() - interval '90 days', now(), now(),
      'compliant' from ${rows}`;
  await sql`
    insert into reports (tenant_id, device_id, content, content_hash, instance_id, revision, confirmed_revision, state,
      reason, detail, due_since, failed_at, sent_at, accepted_at, completed_at, verified_at, verification, next_try_at,
      updated_at)
    select ${id}, ${device}, json_build_object('userId', ${user}, 'deviceName', 'mac-' || n || '-' || d, 'osVersion',
        '26.1', 'lastCheckInAt', now(), 'reportedAt', now(), 'managed', true, 'inventoryState', 0, 'verdict',
        case when d % 10 = 0 then 'notCompliant' else 'compliant' end)::text,
      md5('content' || d), ${instance}, 1, case when state in ('due', 'held', 'failed') then 0 else 1 end, state,
      case state when 'failed' then (array['rejected', 'user-not-licensed', 'device-unknown'])[1 + d % 3]
        when 'held' then (array['user-not-synced', 'instance-unreachable'])[1 + d % 2] end,
      case when state in ('failed', 'held') then 'Intune refused this entity for a reason that is some words long.' end,
      case when state in ('due', 'held', 'failed') then now() - random() * interval '2 days' end,
      case when state = 'failed' then now() - random() * interval '2 days' end,
      now(), now(), now(), now(), 'verified',
      case when state in ('due', 'held') then now() + interval '1 day' end, now() - random() * interval '30 days'
    from ${rows}, lateral (select case when d % 100 = 50 and n % 20 = 0 then 'failed' when d % 100 = 51 then 'held'
      when d % 200 = 2 then 'due' when d % 10 = 3 then 'completed' else 'verified' end as state) s`;
}

/** Eight events of each device of the large tenant, three of the others'. */
async function seedTimelines(sql: postgres.Sql, from: number, to: number, devices: number, events: number) {
  await sql`
    insert into timeline (tenant_id, device_id, stage, at, instance_id)
    select ${tenantId(sql, sql`n`)}, md5('console device' || n || '/' || d)::uuid,
      (array['received', 'fetched', 'routed', 'sent', 'accepted', 'completed', 'verified', 'received'])[e],
      now() - (10 - e) * interval '1 hour', md5('console instance' || n || '/0')::uuid
    from generate_series(${from}::int, ${to}::int) n, generate_series(0, ${devices - 1}::int) d,
      generate_series(1, ${events}::int) e`;
}

/** Five weeks of the large tenant, a day of the others'. */
async function seedCounts(sql: postgres.Sql, from: number, to: number, hours: number): Promise<void> {
  await sql`
    insert into delivery_counts (tenant_id, at, received, accepted, completed, failed, delays)
    select ${tenantId(sql, sql`n`)}, at, 40, 38, 38, 2, array[1, 3, 5, 9, 8, 6, 4, 2, 1, 1]
    from generate_series(${from}::int, ${to}::int) n,
      generate_series(date_bin('5 minutes', now() - ${hours}::int * interval '1 hour', timestamptz 'epoch'), now(),
        interval '5 minutes') at on conflict do nothing`;
}

async function seedMove(sql: postgres.Sql, devices: number): Promise<void> {
  const id = tenantId(sql, sql`0`);
  const move = sql`md5('console move')::uuid`;
  await sql`
    insert into moves (tenant_id, move_id, from_instance_id, to_instance_id, step_percent, shadow, state, percent, author,
      reason, compared, differed)
    values (${id}, ${move}, md5('console instance0/1')::uuid, md5('console instance0/2')::uuid, 10, true, 'moving', 30,
      'key bench', 'The site moves', 50000, 120)`;
  await sql`
    insert into move_devices (tenant_id, move_id, device_id, bucket, from_jamf_computer_id, to_jamf_computer_id, state)
    select ${id}, ${move}, md5('console device0/' || d)::uuid, d % 100, d + 1, d + 1,
      case when d % 100 < 30 then 'moved' else 'planned' end
    from generate_series(1, ${devices - 1}::int, 3) d`;
}

async function seedHistory(sql: postgres.Sql, entries: number): Promise<void> {
  await sql`
    insert into history (tenant_id, sequence, recorded_at, author_kind, author_id, author, action, object_kind, object_id,
      object_name, after, reason, request_id, source, previous_hash, hash)
    select md5('console tenant' || e % ${seededTenants}::int)::uuid, 100000 + e, now() - e * interval '1 minute', 'key', 'id',
      'key bench', (array['connection.pause', 'connection.resume', 'device.pin', 'report.replay'])[1 + e % 4], 'connection',
      md5(e::text), 'Customer', '{"paused":true}', 'A reason', md5(e::text), '127.0.0.1', '', md5(e::text)
    from generate_series(1, ${entries}::int) e`;
}

export async function seedFleet(
  sql: postgres.Sql,
  devices: number,
  signal: AbortSignal,
): Promise<SeededFleet> {
  const each = Math.max(2, Math.round(devices / seededTenants));
  const last = seededTenants - 1;
  const steps = [
    () => seedTenants(sql),
    () => seedDevices(sql, 0, 0, devices),
    () => seedDevices(sql, 1, last, each),
    () => seedTimelines(sql, 0, 0, devices, 8),
    () => seedTimelines(sql, 1, last, each, 3),
    () => seedCounts(sql, 0, 0, 35 * 24),
    () => seedCounts(sql, 1, last, 24),
    () => seedMove(sql, devices),
    () => seedHistory(sql, devices / 2),
    () => sql`analyze`,
  ];
  for (const step of steps) {
    signal.throwIfAborted();
    await step();
  }
  const [found] = await sql<SeededFleet[]>`
    select r.tenant_id as "tenantId", r.instance_id as "instanceId", r.device_id as "deviceId",
      r.serial_number as "serialNumber", p.content::json ->> 'deviceName' as "computerName"
    from routes r join reports p on p.tenant_id = r.tenant_id and p.device_id = r.device_id
    where r.tenant_id = md5('console tenant0')::uuid and p.state = 'failed' limit 1`;
  if (!found) throw new Error('the seeded fleet has no failed report');
  return found;
}
