import { importSortMemory } from '../../limits.ts';
import type { Queries, Sql } from '../../store/database.ts';
import type { ImportRow } from './import-row.ts';

/**
 * The rows of a file in a temporary table: as many as there are weigh nothing in this process, and nobody waits while
 * they come. The connection must be the only one of its client; its end takes the table along.
 */

export async function createStage(sql: Sql): Promise<void> {
  await sql`
    create temporary table import_rows (line int not null, device_id uuid not null, instance_id uuid not null,
      jamf_computer_id int not null, serial_number text, udid text, pinned boolean not null)`;
}

/** Drops what an import made, before a transaction's end that would leave it to the connection's next user. */
export async function dropStage(sql: Sql): Promise<void> {
  await sql`drop table if exists import_rows, import_sorted, import_plan`;
}

/** An array as PostgreSQL writes it, of values that need no escapes. The client's own arrays take three times as long. */
const plainArray = (values: readonly (string | number | boolean)[]): string =>
  values.length === 0 ? '{}' : `{"${values.join('","')}"}`;

const escaped = (value: string): string =>
  /["\\]/.test(value) ? `"${value.replace(/["\\]/g, '\\$&')}"` : `"${value}"`;
const textArray = (values: readonly (string | null)[]): string =>
  `{${values.map((value) => (value === null ? 'NULL' : escaped(value))).join(',')}}`;

export async function stageRows(sql: Sql, rows: readonly ImportRow[]): Promise<void> {
  await sql`
    insert into import_rows select * from unnest(
      ${plainArray(rows.map(({ line }) => line))}::int[], ${plainArray(rows.map(({ deviceId }) => deviceId))}::uuid[],
      ${plainArray(rows.map(({ instanceId }) => instanceId))}::uuid[],
      ${plainArray(rows.map(({ jamfComputerId }) => jamfComputerId))}::int[],
      ${textArray(rows.map(({ serialNumber }) => serialNumber))}::text[], ${textArray(rows.map(({ udid }) => udid))}::text[],
      ${plainArray(rows.map(({ pinned }) => pinned))}::boolean[])`;
}

export interface Duplicates {
  readonly count: number;
  /** The first ones: their lines, and where each device came before. */
  readonly first: readonly { readonly line: number; readonly firstLine: number }[];
}

/**
 * Puts the rows into the order of their devices and takes every second row of a device out. Call it once, when all rows are
 * there. The order is that of the table itself, not only of an index: then a page is read and written one row after the
 * other, in this table, in the routes and in their indexes.
 */
export async function sortRows(sql: Sql, listed: number): Promise<Duplicates> {
  await sql`select set_config('work_mem', ${importSortMemory}, false)`;
  await sql`
    create temporary table import_sorted as
    select (row_number() over by_device)::int as place, lag(device_id) over by_device is not distinct from device_id as again, import_rows.*
    from import_rows window by_device as (order by device_id, line)`;
  await sql`reset work_mem`;
  await sql`drop table import_rows`;
  const rows = await sql<{ line: number; firstLine: number; count: number }[]>`
    with gone as (
      delete from import_sorted where again returning device_id, line
    )
    select gone.line, once.line as "firstLine", (count(*) over ())::int as count
    from gone join import_sorted once on once.device_id = gone.device_id and not once.again
    order by gone.line limit ${listed}`;
  await sql`create unique index import_sorted_place on import_sorted (place)`;
  return {
    count: rows[0]?.count ?? 0,
    first: rows.map(({ firstLine, line }) => ({ line, firstLine })),
  };
}

/** Places from `after` on, which is excluded. */
export interface StagedPage {
  readonly after: number;
  readonly upTo: number;
}

/** The last place. */
export async function lastPlace(sql: Queries): Promise<number> {
  const [last] = await sql<{ place: number }[]>`
    select coalesce(max(place), 0)::int as place from import_sorted`;
  return last?.place ?? 0;
}
