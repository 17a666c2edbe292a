import { booleans, type Queries, type Sql } from '../../store/database.ts';
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

export async function stageRows(sql: Sql, rows: readonly ImportRow[]): Promise<void> {
  await sql`
    insert into import_rows select * from unnest(
      ${rows.map(({ line }) => line)}::int[], ${rows.map(({ deviceId }) => deviceId)}::uuid[],
      ${rows.map(({ instanceId }) => instanceId)}::uuid[], ${rows.map(({ jamfComputerId }) => jamfComputerId)}::int[],
      ${rows.map(({ serialNumber }) => serialNumber)}::text[], ${rows.map(({ udid }) => udid)}::text[],
      ${booleans(rows.map(({ pinned }) => pinned))}::text[]::boolean[])`;
}

export interface Duplicates {
  readonly count: number;
  /** The first ones: their lines, and where each device came before. */
  readonly first: readonly { readonly line: number; readonly firstLine: number }[];
}

/** Takes every second row of a device out again. Call it once, when all rows are there. */
export async function removeDuplicates(sql: Sql, listed: number): Promise<Duplicates> {
  await sql`create index import_rows_device on import_rows (device_id, line)`;
  await sql`analyze import_rows`;
  const rows = await sql<{ line: number; firstLine: number; count: number }[]>`
    with once as materialized (
      select device_id, min(line) as line from import_rows group by device_id having count(*) > 1
    ), gone as (
      delete from import_rows later using once
      where later.device_id = once.device_id and later.line > once.line
      returning later.line, once.line as first_line
    )
    select line, first_line as "firstLine", (count(*) over ())::int as count from gone order by line limit ${listed}`;
  return {
    count: rows[0]?.count ?? 0,
    first: rows.map(({ firstLine, line }) => ({ line, firstLine })),
  };
}

/** Rows of consecutive devices, `after` excluded. */
export interface StagedPage {
  readonly after: string | undefined;
  /** The last device of the page; undefined: it goes to the end. */
  readonly upTo: string | undefined;
}

/** The page that begins after a device. */
export async function nextPage(sql: Queries, after: string | undefined, rows: number): Promise<StagedPage> {
  const [last] = await sql<{ deviceId: string }[]>`
    select device_id as "deviceId" from import_rows
    where ${after === undefined ? sql`true` : sql`device_id > ${after}`} order by device_id offset ${rows - 1} limit 1`;
  return { after, upTo: last?.deviceId };
}
