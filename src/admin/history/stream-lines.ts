import { and, type SQL, sql } from 'drizzle-orm';
import { historyPage } from '../../limits.ts';
import type { Sql } from '../../store/database.ts';
import type { HistoryRow } from '../../store/history.ts';
import { history } from '../../store/operator-schema.ts';
import { query } from '../../store/query.ts';
import { changeLines } from './change-lines.ts';

/**
 * The lines of all entries that a condition on `history` holds for, oldest first: page by page and no faster than they are
 * read; nothing in the database is held open meanwhile.
 */
export function streamLines(queries: Sql, where: SQL | undefined): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let last: HistoryRow | undefined;
  return new ReadableStream(
    {
      pull: async (controller) => {
        const { recordedAt, sequence, tenantId } = history;
        const after =
          last &&
          sql`(${recordedAt}, ${tenantId}, ${sequence}) > (${last.recordedAt.toISOString()}::timestamptz, ${last.tenantId}::uuid, ${last.sequence}::int8)`;
        const rows: HistoryRow[] = await query(queries)
          .select()
          .from(history)
          .where(and(where, after))
          .orderBy(recordedAt, tenantId, sequence)
          .limit(historyPage);
        for (const row of rows) controller.enqueue(encoder.encode(`${changeLines(row)}\n`));
        last = rows.at(-1);
        if (rows.length < historyPage) controller.close();
      },
    },
    { highWaterMark: 0 },
  );
}
