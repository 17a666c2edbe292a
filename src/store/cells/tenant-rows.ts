/**
 * The rows of a tenant as they are, for its move to another deployment (docs/cells.md). They are read out of one snapshot and
 * written as a restore would: triggers make the schedules, counts and lines of the feed anew, so those are not among them.
 * Leases stay behind, and a number that the database gives out is given out anew, in the same order.
 */

import { getTableColumns, getTableName } from 'drizzle-orm';
import { getTableConfig, type PgTable } from 'drizzle-orm/pg-core';
import type { Fragment, Sql, Transaction } from '../database.ts';
import { history, historyHeads } from '../operator-schema.ts';
import {
  claimHistory,
  claims,
  computers,
  computerTombstones,
  deviceLinks,
  deviceTombstones,
  directoryDevices,
  instanceKeys,
  instanceReading,
  instances,
  massChanges,
  moveDevices,
  moveDifferences,
  moves,
  namedComputers,
  reports,
  routeChanges,
  routeReads,
  routes,
  routeVersions,
  tenants,
  worseCounts,
} from '../schema.ts';

/** In an order in which no row comes before one that it refers to. */
const tables: readonly PgTable[] = [
  tenants,
  history,
  historyHeads,
  instances,
  instanceKeys,
  instanceReading,
  routeVersions,
  routes,
  routeChanges,
  routeReads,
  claims,
  claimHistory,
  computers,
  computerTombstones,
  namedComputers,
  reports,
  deviceTombstones,
  deviceLinks,
  directoryDevices,
  moves,
  moveDevices,
  moveDifferences,
  massChanges,
  worseCounts,
];

/** A lease is of a process that reads this database. */
const leases = new Set(['lease_until', 'lease_owner', 'reader_owner', 'reader_until']);

interface MovedTable {
  readonly name: string;
  readonly columns: readonly string[];
  readonly order: readonly string[];
}

function movedTable(table: PgTable): MovedTable {
  const all = Object.values(getTableColumns(table));
  const { columns, primaryKeys } = getTableConfig(table);
  const [together] = primaryKeys;
  const keys = together?.columns ?? columns.filter(({ primary }) => primary);
  return {
    name: getTableName(table),
    columns: all
      .filter(
        ({ generated, generatedIdentity, name }) =>
          generated === undefined && generatedIdentity === undefined && !leases.has(name),
      )
      .map(({ name }) => name),
    order: keys.map(({ name }) => name),
  };
}

const movedTables = new Map(tables.map((table) => [getTableName(table), movedTable(table)]));

/** Rows of one table, as JSON. */
export interface RowBatch {
  readonly table: string;
  /** A JSON array, which is passed on as it is. */
  readonly rows: string;
  readonly count: number;
}

/**
 * All rows of a tenant, batch by batch, the tables in the order in which they are written. `bulk` has one connection, whose
 * transaction ends with the generator.
 */
export async function* readTenantRows(bulk: Sql, tenantId: string): AsyncGenerator<RowBatch> {
  await bulk`begin isolation level repeatable read read only`;
  try {
    for (const { columns, name, order } of movedTables.values()) {
      await bulk`
        declare moved_rows no scroll cursor for select to_json(moved)::text as row from (
          select ${bulk(columns)} from ${bulk(name)} where tenant_id = ${tenantId} order by ${bulk(order)}) moved`;
      for (;;) {
        const rows = await bulk<{ row: string }[]>`fetch 200 from moved_rows`;
        if (rows.length === 0) break;
        yield { table: name, rows: `[${rows.map(({ row }) => row).join(',')}]`, count: rows.length };
      }
      await bulk`close moved_rows`;
    }
  } finally {
    await bulk`rollback`;
  }
}

/**
 * Entries of a history are never taken away: those that are here already stand in the file too, which brings what was added
 * to the chain elsewhere, and its new end.
 */
const onConflict = (tx: Transaction, table: string): Fragment => {
  if (table === getTableName(history)) return tx`on conflict do nothing`;
  if (table !== getTableName(historyHeads)) return tx``;
  return tx`on conflict (tenant_id) do update set sequence = excluded.sequence, hash = excluded.hash,
    trimmed_sequence = excluded.trimmed_sequence, trimmed_hash = excluded.trimmed_hash`;
};

/**
 * Throws for a table that is none of a tenant's. False: a row is of another tenant, and that row was not written; whoever has
 * the key of a file may have made it.
 */
export async function writeTenantRows(
  tx: Transaction,
  tenantId: string,
  { rows, table }: RowBatch,
): Promise<boolean> {
  const moved = movedTables.get(table);
  if (moved === undefined) throw new Error(`a moved tenant has no table ${table}`);
  const { columns, name } = moved;
  await tx`
    insert into ${tx(name)} (${tx(columns)})
    select ${tx(columns)} from json_populate_recordset(null::${tx(name)}, ${rows}::text::json)
    where tenant_id = ${tenantId}
    ${onConflict(tx, table)}`;
  const [found] = await tx<{ isOwn: boolean }[]>`
    select coalesce(bool_and(given->>'tenant_id' is not distinct from ${tenantId}), true) as "isOwn"
    from json_array_elements(${rows}::text::json) given`;
  return found?.isOwn ?? false;
}
