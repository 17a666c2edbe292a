/**
 * Every plan that a gateway's statements have, by PostgreSQL's own auto_explain: what its log says while a work is done names the
 * large tables that were read from one end to the other.
 */

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type postgres from 'postgres';

const large = ['reports', 'computers', 'timeline'] as const;
const sequentialScan = new RegExp(`Seq Scan on (${large.join('|')})\\b`, 'g');

/** Connections that are opened from now on write each plan to the log; those of the gateway are ended, and opened anew. */
export async function logPlans(admin: postgres.Sql, database: string): Promise<void> {
  await admin.unsafe(`alter database ${database} set session_preload_libraries = 'auto_explain'`);
  await admin.unsafe(`alter database ${database} set auto_explain.log_min_duration = 0`);
  await admin`
    select pg_terminate_backend(pid, 2000) from pg_stat_activity
    where datname = ${database} and backend_type = 'client backend' and pid <> pg_backend_pid()`;
}

export interface SeenPlans {
  readonly plans: number;
  /** Scans of a large table, by its name. */
  readonly scans: readonly string[];
}

/** What the log got while `work` was done. */
export async function plansOf(logFile: string, work: () => Promise<unknown>): Promise<SeenPlans> {
  const file = openSync(logFile, 'r');
  try {
    const from = fstatSync(file).size;
    await work();
    const text = Buffer.alloc(fstatSync(file).size - from);
    readSync(file, text, 0, text.length, from);
    const written = text.toString('utf8');
    return {
      plans: written.match(/ plan:\n/g)?.length ?? 0,
      scans: [...written.matchAll(sequentialScan)].map(([, table = '']) => table),
    };
  } finally {
    closeSync(file);
  }
}
