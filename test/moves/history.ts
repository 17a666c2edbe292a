import type postgres from 'postgres';
import type { RouteVersion } from './answers.ts';

/** Which instance each version of the routes names, and when it was committed: PostgreSQL itself does not keep that. */

/**
 * Notes the time of each commit that writes routes, as the last thing before it. To be called when nobody writes; the
 * versions before that count from the epoch.
 */
export async function watchCommits(sql: postgres.Sql): Promise<void> {
  await sql.unsafe(`
    create table test_commits (tenant_id uuid, version bigint, at timestamptz not null, primary key (tenant_id, version));
    create function test_note_commit() returns trigger language plpgsql as $$
    begin
      insert into test_commits values (new.tenant_id, new.version, clock_timestamp()) on conflict do nothing;
      return null;
    end $$;
    create constraint trigger test_commits after insert on change_feed deferrable initially deferred
    for each row when (new.kind = 'routes') execute function test_note_commit();`);
}

export async function readVersions(sql: postgres.Sql, tenantId: string): Promise<RouteVersion[]> {
  const rows = await sql<{ deviceId: string; version: string; instanceId: string | null; at: Date | null }[]>`
    select c.device_id as "deviceId", c.version::text, c.to_instance_id as "instanceId", t.at
    from route_changes c left join test_commits t on t.tenant_id = c.tenant_id and t.version = c.version
    where c.tenant_id = ${tenantId}`;
  return rows.map(({ at, version, ...row }) => ({
    ...row,
    version: Number(version),
    committedAt: at?.getTime() ?? 0,
  }));
}
