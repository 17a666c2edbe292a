import type { Sql } from '../store/database.ts';
import { copiedColumns, readCopiedRoutes, type TakeRoute } from './copied-routes.ts';

/**
 * Reads all routes in one pass, as binary COPY: rows by queries or a cursor cost an object each and half of the speed
 * (docs/architecture.md). Resolves to how many there were.
 *
 * `sql` is a client of one connection that is used for nothing else: after a COPY that was left early the connection
 * is of no use, and after a second one the next query hangs.
 */
export async function preloadRoutes(
  sql: Sql,
  take: TakeRoute,
  options: {
    readonly tenantId?: string;
    /** True ends the reading early. */
    readonly stopped?: () => boolean;
  } = {},
): Promise<number> {
  const { stopped = () => false, tenantId } = options;
  const columns = sql.unsafe(copiedColumns);
  // COPY takes no parameters; the condition holds nothing but a GUID's characters.
  const where =
    tenantId === undefined ? '' : `where tenant_id = '${tenantId.replaceAll(/[^0-9a-f-]/gi, '')}'`;
  const stream = await sql`
    copy (select ${columns} from routes ${sql.unsafe(where)}) to stdout (format binary)`.readable();
  const routes = readCopiedRoutes(take);
  return new Promise((resolve, reject) => {
    stream.on('data', (chunk: Uint8Array) => {
      try {
        if (stopped()) stream.destroy(new Error('the preload was stopped'));
        else routes.push(chunk);
      } catch (error) {
        stream.destroy(error as Error);
      }
    });
    stream.on('error', reject);
    stream.on('close', () => reject(new Error('the connection closed while routes were read')));
    stream.on('end', () => {
      try {
        resolve(routes.finish());
      } catch (error) {
        reject(error);
      }
    });
  });
}

/** Counts the routes up to `max`; beyond that the result is `max`. */
export async function countRoutes(sql: Sql, max: number): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*) as count from (select from routes limit ${max}) as counted`;
  return row?.count ?? 0;
}
