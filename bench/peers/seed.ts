import type postgres from 'postgres';
import { deviceInSql, instanceCount } from './devices.ts';

/** A tenant with its routes, written by SQL: a million of them through the API would take longer than the bench. */

/** Environment variable that holds the secret of the instances' API client. */
export const secretVariable = 'BENCH_INSTANCE_SECRET';

/** One more hexadecimal digit makes it whole. */
const instancePrefix = '00000000-0000-4000-8000-00000000000';

/**
 * `urls` are those of the first instances; there are `instanceCount`. The admin API takes no instance without TLS,
 * rightly; the bench of peers measures without it on both sides.
 */
export async function seedTenant(
  sql: postgres.Sql,
  tenantId: string,
  urls: readonly string[],
  devices: number,
): Promise<void> {
  await sql`
    insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing)
    values (${tenantId}, 'public', 'Bench', 'device-compliance', 'cloud-connector', '{"choice":"default"}')`;
  for (let index = 0; index < instanceCount; index += 1) {
    await sql`
      insert into instances (tenant_id, instance_id, name, url, api_client_id, api_secret_ref, compliance)
      values (${tenantId}, ${instancePrefix + index}, ${`i${index}`}, ${urls[index % urls.length] ?? ''}, 'bench',
              ${`env:${secretVariable}`}, '{"source":"jamf"}')`;
  }
  const { computerId, deviceId, instance } = deviceInSql;
  await sql.unsafe(
    `insert into routes (tenant_id, device_id, instance_id, jamf_computer_id, rule, version)
     select $1::uuid, ${deviceId}, ('${instancePrefix}' || (${instance}))::uuid, ${computerId}, 'only-claim', index + 1
     from generate_series(0, $2::int - 1) as index`,
    [tenantId, devices],
  );
  await sql`
    insert into route_versions (tenant_id, version) values (${tenantId}, ${devices})
    on conflict (tenant_id) do update set version = excluded.version`;
  await sql`analyze routes`;
}
