import type { Scene } from '../harness/gateway.ts';
import type { Customer } from './seed.ts';

/** Spreads what was made within a minute over the weeks in which it would have happened. */

/** Within the last day, the same for everything of one device. */
const agoOfDevice = `make_interval(secs => 120 + abs(hashtext(device_id::text)) % 70000)`;

/** Before the first connection Macs were already reported; nobody wants to read of that. */
const forgetHolds = ({ database: { sql } }: Scene) => sql`delete from timeline where stage = 'held'`;

const shifted: Readonly<Record<string, readonly string[]>> = {
  timeline: ['at'],
  reports: [
    'created_at',
    'updated_at',
    'last_check_in_at',
    'sent_at',
    'accepted_at',
    'completed_at',
    'verified_at',
    'message_at',
  ],
};

async function shiftDevices({ database: { sql } }: Scene): Promise<void> {
  for (const [table, columns] of Object.entries(shifted))
    await sql.unsafe(
      `update ${table} set ${columns.map((column) => `${column} = ${column} - ${agoOfDevice}`).join(', ')}`,
    );
  // Routes are as old as the Macs.
  await sql.unsafe(
    `update routes set since = since - make_interval(days => 10 + abs(hashtext(device_id::text)) % 300) where placed_at is null`,
  );
  await sql.unsafe(
    `update claims set last_enrolled_at = last_enrolled_at - make_interval(days => 10 + abs(hashtext(device_id::text)) % 300),
      last_check_in_at = last_check_in_at - ${agoOfDevice} / 20`,
  );
}

/** A week of office hours, with a night of few reports and a bad hour three days ago. */
async function countDeliveries(
  { database: { sql } }: Scene,
  tenantId: string,
  perFiveMinutes: number,
): Promise<void> {
  await sql`
    insert into delivery_counts (tenant_id, at, received, accepted, completed, failed, delays)
    select ${tenantId}, at, received, greatest(0, received - failed), greatest(0, received - failed), failed,
      array(select ceil(received * share - 0.2)::int
            from unnest(array[0, 0, 0, 0, 0, 0.05, 0.12, 0.21, 0.24, 0.17, 0.1, 0.05, 0.03, 0.02, 0.01]) as share)
    from (
      select at, received, case when hour_ago between 70 and 72 then received / 3 when hashtext(at::text) % 40 = 0 then 1 else 0 end as failed
      from (
        select at, extract(epoch from now() - at) / 3600 as hour_ago,
          (${perFiveMinutes}::float8 * (0.15 + greatest(0, sin(pi() * (extract(hour from at) - 6) / 13)))
            * (case when extract(isodow from at) > 5 then 0.2 else 1 end)
            * (0.75 + (abs(hashtext(at::text)) % 50) / 100.0))::int as received
        from generate_series(date_bin(interval '5 minutes', now() - interval '8 days', timestamptz 'epoch'),
          date_bin(interval '5 minutes', now() - interval '5 minutes', timestamptz 'epoch'), interval '5 minutes') as at
      ) loaded
    ) counted
    on conflict do nothing`;
}

export async function growOlder(scene: Scene, customers: ReadonlyMap<string, Customer>): Promise<void> {
  const { sql } = scene.database;
  await forgetHolds(scene);
  await shiftDevices(scene);
  await sql`
    update tenants set created_at = created_at - interval '1 day' * (30 + abs(hashtext(display_name)) % 400),
      connected_at = connected_at - interval '1 day' * (29 + abs(hashtext(display_name)) % 400),
      last_confirm_at = last_confirm_at - interval '1 day' * (abs(hashtext(display_name)) % 20),
      last_heartbeat_at = coalesce(last_heartbeat_at, now()) - interval '1 minute' * (1 + abs(hashtext(display_name)) % 50)`;
  await sql`
    update instances set last_seen_at = last_seen_at - interval '1 second' * (10 + abs(hashtext(name)) % 600),
      created_at = created_at - interval '40 days'`;
  await sql`
    update instance_reading r set polled_at = now() - interval '1 second' * (60 + abs(hashtext(name)) % 700),
      reconciled_at = now() - interval '1 second' * (3600 + abs(hashtext(name)) % 60000)
    from instances i where i.tenant_id = r.tenant_id and i.instance_id = r.instance_id`;
  await sql`
    update instance_keys set created_at = created_at - interval '40 days', name = 'Jamf Pro webhooks',
      last_used_at = now() - interval '1 second' * (5 + abs(hashtext(key_id::text)) % 300)`;
  await sql`
    update api_keys set created_at = created_at - interval '1 day' * (3 + abs(hashtext(name)) % 90),
      last_used_at = coalesce(last_used_at, now()) - interval '1 minute' * (abs(hashtext(name)) % 90)`;
  for (const [name, { tenantId }] of customers) await countDeliveries(scene, tenantId, 3 + name.length);
}
