import { historyPage } from '../../limits.ts';
import type { Fragment, Sql } from '../../store/database.ts';
import { type ChainedRow, historyColumns } from '../../store/history.ts';
import { changeLines } from './change-lines.ts';

/**
 * The lines of all entries that a condition on `history` holds for, oldest first: page by page and no faster than they are
 * read; nothing in the database is held open meanwhile.
 */
export function streamLines(sql: Sql, where: Fragment): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let last: ChainedRow | undefined;
  return new ReadableStream(
    {
      pull: async (controller) => {
        const after =
          last === undefined
            ? sql`true`
            : sql`(recorded_at, tenant_id, sequence) > (${last.recordedAt}, ${last.tenantId}::uuid, ${last.sequence}::int8)`;
        const rows = await sql<ChainedRow[]>`
          select ${historyColumns(sql)} from history where ${where} and ${after}
          order by recorded_at, tenant_id, sequence limit ${historyPage}`;
        for (const row of rows) controller.enqueue(encoder.encode(`${changeLines(row)}\n`));
        last = rows.at(-1);
        if (rows.length < historyPage) controller.close();
      },
    },
    { highWaterMark: 0 },
  );
}
