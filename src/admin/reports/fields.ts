import type { Fragment, Queries } from '../../store/database.ts';
import type { Operator } from '../context.ts';
import type { FilterFields } from '../filter-fields.ts';

/** What a filter on reports may name, and whose reports an operator sees. */

/** Contract section 7. */
export const reportStates = ['due', 'held', 'sent', 'accepted', 'completed', 'verified', 'failed'] as const;

/** `present`: docs/data.md, reports_due and reports_failed, which hold only rows with such a time. */
export const reportFields: FilterFields = {
  tenantId: { type: 'uuid', column: 'reports.tenant_id' },
  instanceId: { type: 'uuid', column: 'reports.instance_id' },
  deviceId: { type: 'uuid', column: 'reports.device_id' },
  state: {
    type: 'enum',
    column: 'reports.state',
    values: reportStates,
    present: {
      failed: 'reports.failed_at',
      due: 'reports.next_try_at',
      held: 'reports.next_try_at',
      sent: 'reports.next_try_at',
      accepted: 'reports.next_try_at',
    },
  },
  reason: { type: 'text', column: 'reports.reason', wildcards: true },
  updatedAt: { type: 'timestamp', column: 'reports.updated_at' },
  failedAt: { type: 'timestamp', column: 'reports.failed_at' },
};

/** Stands first in every query on reports: another operator's tenants are as if they were not there. */
export const inScope = (sql: Queries, { tenantIds }: Operator): Fragment =>
  tenantIds === undefined ? sql`true` : sql`reports.tenant_id = any(${tenantIds}::uuid[])`;
