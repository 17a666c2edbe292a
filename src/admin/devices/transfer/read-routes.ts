import { exportPage } from '../../../limits.ts';
import type { Sql } from '../../../store/database.ts';
import type { Condition } from '../../filter.ts';
import { conditionSql } from '../../filter-sql.ts';
import type { ExportRow } from './export-text.ts';

/**
 * The routes of a tenant in the order of their devices, out of one snapshot: what changes meanwhile does not show.
 * `bulk` must have one connection; its transaction ends with the generator.
 */
export async function* readRoutePages(
  bulk: Sql,
  tenantId: string,
  filter: Condition | undefined,
): AsyncGenerator<readonly ExportRow[]> {
  // Reports are joined only where a filter may name one: that is half of the time.
  const reports =
    filter === undefined
      ? bulk``
      : bulk`left join reports p on p.tenant_id = r.tenant_id and p.device_id = r.device_id`;
  await bulk`begin isolation level repeatable read read only`;
  try {
    let after: string | undefined;
    for (;;) {
      const rows: ExportRow[] = await bulk<ExportRow[]>`
        select r.device_id as "deviceId", r.instance_id as "instanceId", r.jamf_computer_id as "jamfComputerId",
          r.serial_number as "serialNumber", r.udid, r.pinned
        from routes r ${reports}
        where r.tenant_id = ${tenantId} and ${after === undefined ? bulk`true` : bulk`r.device_id > ${after}`}
          and ${conditionSql(bulk, filter)}
        order by r.device_id limit ${exportPage}`;
      if (rows.length > 0) yield rows;
      if (rows.length < exportPage) return;
      after = rows.at(-1)?.deviceId;
    }
  } finally {
    await bulk`commit`;
  }
}
