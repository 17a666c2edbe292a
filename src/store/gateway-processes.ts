import { version } from '../version.ts';
import { oldestOf, type Snapshot } from './change-feed.ts';
import { columns, pick } from './columns.ts';
import type { Queries, Sql } from './database.ts';
import { gatewayProcesses } from './schema.ts';

/**
 * Records which processes answer device calls, and which version of a tenant's routes each of them certainly serves.
 */

/** A process that was not seen for so long is gone. */
const goneAfterSeconds = 60;

export interface ProcessRecord {
  readonly processId: string;
  /** Host name and process id, and whether it drains. */
  readonly name: string;
  /** Snapshot of the process's last poll of the changes. */
  readonly snapshot: Snapshot;
  readonly cachedRoutes: number;
}

/** Writes this process's line and removes those of processes that are gone. */
export async function recordProcess(sql: Sql, process: ProcessRecord): Promise<void> {
  await sql`
    with gone as (
      delete from gateway_processes where process_id = any(array(
        select process_id from gateway_processes where seen_at < now() - make_interval(secs => ${goneAfterSeconds})
        for update skip locked)))
    insert into gateway_processes (process_id, name, heard_before, cached_routes, version)
    values (${process.processId}, ${process.name}, ${oldestOf(process.snapshot)}::xid8, ${process.cachedRoutes}, ${version})
    on conflict (process_id) do update set
      seen_at = now(), name = excluded.name, heard_before = excluded.heard_before, cached_routes = excluded.cached_routes`;
}

/** Name of a serving process that is too old to know a fence; undefined: there is none. */
export async function findUnfenced(sql: Queries): Promise<string | undefined> {
  const [row] = await sql<{ name: string }[]>`
    select ${columns(sql, pick(gatewayProcesses, 'name'))} from gateway_processes
    where version is null and seen_at >= now() - make_interval(secs => ${goneAfterSeconds}) limit 1`;
  return row?.name;
}

export async function removeProcess(sql: Sql, processId: string): Promise<void> {
  await sql`delete from gateway_processes where process_id = ${processId}`;
}

export interface ServingProcess {
  /** Host name and process id, and whether it drains. */
  readonly process: string;
  readonly startedAt: Date;
  readonly seenAt: Date;
  /** Every answer of the process is of this version of the tenant's routes or a later one. */
  readonly version: number;
  readonly current: boolean;
  /** Number of cached routes over all tenants. */
  readonly cachedRoutes: number;
}

export interface Convergence {
  /** The newest version of the tenant's routes; 0: none yet. */
  readonly version: number;
  readonly processes: readonly ServingProcess[];
}

/**
 * A process serves the newest version unless versions were written by transactions that it has not certainly heard of;
 * then the one before the oldest of those.
 */
export async function readConvergence(sql: Sql, tenantId: string): Promise<Convergence> {
  const rows = await sql<
    (Omit<ServingProcess, 'current' | 'process'> & { process: string | null; newest: number })[]
  >`
    with newest as (
      select coalesce((select version from route_versions where tenant_id = ${tenantId}), 0) as version)
    select newest.version as newest, p.name as process,
      ${columns(sql, pick(gatewayProcesses, 'startedAt', 'seenAt', 'cachedRoutes'), 'p')},
      coalesce((
        select min(f.version) - 1 from change_feed f
        where f.tenant_id = ${tenantId} and f.kind = 'routes' and f.transaction >= p.heard_before), newest.version) as version
    from newest left join gateway_processes p on p.seen_at >= now() - make_interval(secs => ${goneAfterSeconds})
    order by p.started_at, p.process_id`;
  const version = rows[0]?.newest ?? 0;
  return {
    version,
    processes: rows.flatMap(({ newest, process, ...rest }) =>
      process === null ? [] : [{ process, ...rest, current: rest.version === newest }],
    ),
  };
}
