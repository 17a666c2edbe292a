import { pollSoon } from '../../delivery/computers/ask.ts';
import type { Sql } from '../../store/database.ts';
import { dueChannel } from '../../store/notifications.ts';

/** What waited for the instance is due at once, and so is what its webhooks did not tell meanwhile. */
export async function wakeComputers(sql: Sql, tenantId: string, instanceId: string): Promise<void> {
  await pollSoon(sql, { tenantId, instanceId });
  await sql`update computers set next_try_at = now()
    where tenant_id = ${tenantId} and instance_id = ${instanceId} and wanted_revision > done_revision`;
  await sql.notify(dueChannel, 'computers');
}
