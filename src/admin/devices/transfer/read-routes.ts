import { and, eq, gt, type SQL } from 'drizzle-orm';
import { exportLot, exportPage } from '../../../limits.ts';
import type { Sql } from '../../../store/database.ts';
import { readInLots } from '../../../store/query.ts';
import type { Work } from '../../../untrusted/turns.ts';
import { p, r, reportOfRoute } from '../device.ts';
import { exportLine } from './export-text.ts';
import type { Format } from './read-rows.ts';

interface Wanted {
  readonly tenantId: string;
  readonly filter: SQL | undefined;
  readonly format: Format;
}

/**
 * The routes of a tenant as lines in the order of their devices, page by page out of one snapshot: what changes meanwhile
 * does not show. `bulk` must have one connection; its transaction ends with the generator.
 */
export async function* readRoutePages(
  bulk: Sql,
  { filter, format, tenantId }: Wanted,
  work: Work,
): AsyncGenerator<string> {
  await bulk`begin isolation level repeatable read read only`;
  try {
    let last: string | undefined;
    for (;;) {
      const after = last;
      const lines = await readInLots(
        bulk,
        (db) => {
          const all = db
            .select({
              deviceId: r.deviceId,
              instanceId: r.instanceId,
              jamfComputerId: r.jamfComputerId,
              serialNumber: r.serialNumber,
              udid: r.udid,
              pinned: r.pinned,
            })
            .from(r)
            .where(
              and(eq(r.tenantId, tenantId), after === undefined ? undefined : gt(r.deviceId, after), filter),
            )
            .orderBy(r.deviceId)
            .limit(exportPage)
            .$dynamic();
          // Reports are joined only where a filter may name one: that is half of the time.
          return filter === undefined ? all : all.leftJoin(p, reportOfRoute);
        },
        (row) => {
          last = row.deviceId;
          return exportLine(row, format);
        },
        { work, lotRows: exportLot },
      );
      if (lines.length > 0) yield lines.join('');
      if (lines.length < exportPage) return;
    }
  } finally {
    await bulk`commit`;
  }
}
