import { makeDue } from '../store/computers/due.ts';
import type { Sql, Transaction } from '../store/database.ts';
import { type HistoryOrigin, recorded } from '../store/history.ts';
import { recheckHeld } from '../store/reports/due.ts';
import { recordProvisioned } from '../store/tenants/connection.ts';
import { wishDeprovision } from '../store/tenants/deprovision.ts';
import { clearHold } from '../store/tenants/hold.ts';
import type { Tenant } from '../store/tenants/tenant.ts';
import { moveTenant } from './state.ts';

/** Records the result of a `confirm` or `enable`: the state of the connection, and its entry in the history. */

/** Entry for the history; the steps themselves are in the answer only. */
export interface Tried {
  readonly action: 'connection.confirm' | 'connection.enable';
  /** Names of the steps that failed. */
  readonly failed: readonly string[];
}

const resultOf = ({ failed }: Tried) => ({ ok: failed.length === 0, failed });

/** Intune did not take the tenant: nothing changes but the history. */
export const recordTried = (sql: Sql, tenant: Tenant, by: HistoryOrigin, tried: Tried): Promise<void> =>
  recorded(sql, by, async (_tx, note) => {
    const { displayName, tenantId } = tenant;
    note({
      tenantId,
      action: tried.action,
      object: { kind: 'connection', id: tenantId, name: displayName },
      after: resultOf(tried),
    });
  });

/** Devices that were retracted when the connection ended are read anew, spread over a minute. */
const readRetracted = (tx: Transaction, tenantId: string) =>
  makeDue(
    tx,
    tx`select distinct r.tenant_id, r.instance_id, r.jamf_computer_id
      from routes r join reports p on p.tenant_id = r.tenant_id and p.device_id = r.device_id
      where r.tenant_id = ${tenantId} and p.retracted`,
    { urgency: 'fresh', spread: { withinSeconds: 60 }, backoff: 'reset' },
  );

/**
 * The tenant is connected: whatever waited for that is due at once (contract section 11). Says whether it was not
 * before.
 */
export async function recordConfirmed(
  { heartbeatSeconds, sql }: { readonly heartbeatSeconds: number; readonly sql: Sql },
  tenant: Tenant,
  alive: boolean,
  by: HistoryOrigin,
  tried: Tried,
): Promise<boolean> {
  const { displayName, tenantId } = tenant;
  const { action } = tried;
  return recorded(sql, by, async (tx, note) => {
    const moved = await moveTenant(tx, tenantId, 'provisioned', note, { action, after: resultOf(tried) });
    if (!moved) {
      // It was disabled or disconnected meanwhile: what was just provisioned must not stay so.
      await wishDeprovision(tx, tenantId);
      const after = { ...resultOf(tried), deprovision: 'the connection was ended meanwhile' };
      note({ tenantId, action, object: { kind: 'connection', id: tenantId, name: displayName }, after });
      return false;
    }
    await clearHold(tx, tenantId, note);
    await recordProvisioned(tx, tenantId, alive ? heartbeatSeconds : undefined);
    await recheckHeld(tx, tenantId, { retracted: false });
    if (moved.before !== 'connected') await readRetracted(tx, tenantId);
    return moved.before !== 'connected';
  });
}
