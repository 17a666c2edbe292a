import { and, eq, gt, type SQL } from 'drizzle-orm';
import { exportPage } from '../../../limits.ts';
import type { Sql } from '../../../store/database.ts';
import { query } from '../../../store/query.ts';
import { p, r, reportOfRoute } from '../device.ts';
import type { ExportRow } from './export-text.ts';

/**
 * The routes of a tenant in the order of their devices, out of one snapshot: what changes meanwhile does not show.
 * `bulk` must have one connection; its transaction ends with the generator.
 */
export async function* readRoutePages(
  bulk: Sql,
  tenantId: string,
  filter: SQL | undefined,
): AsyncGenerator<readonly ExportRow[]> {
  await bulk`begin isolation level repeatable read read only`;
  try {
    let after: string | undefined;
    for (;;) {
      const all = query(bulk)
        .select({
          deviceId: r.deviceId,
          instanceId: r.instanceId,
          jamfComputerId: r.jamfComputerId,
          serialNumber: r.serialNumber,
          udid: r.udid,
          pinned: r.pinned,
        })
        .from(r)
        .where(and(eq(r.tenantId, tenantId), after === undefined ? undefined : gt(r.deviceId, after), filter))
        .orderBy(r.deviceId)
        .limit(exportPage)
        .$dynamic();
      // Reports are joined only where a filter may name one: that is half of the time.
      const rows: ExportRow[] = await (filter === undefined ? all : all.leftJoin(p, reportOfRoute));
      if (rows.length > 0) yield rows;
      if (rows.length < exportPage) return;
      after = rows.at(-1)?.deviceId;
    }
  } finally {
    await bulk`commit`;
  }
}
