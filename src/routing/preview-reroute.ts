import { changeBatch } from '../limits.ts';
import { columns, pick } from '../store/columns.ts';
import type { Sql } from '../store/database.ts';
import type { InstanceRef } from '../store/instances/instance.ts';
import { enableInstance } from '../store/instances/settings.ts';
import { withoutTrace } from '../store/retry.ts';
import { claims } from '../store/schema.ts';
import { lockDevices, resolveRoutes } from './resolve.ts';

export interface RerouteCounts {
  /** Devices that the instance claims. */
  readonly devices: number;
  /** Devices whose route would change, and devices whose route would end. */
  readonly changed: number;
  readonly ended: number;
}

/**
 * Shows the effect of enabling or disabling an instance on the routes of its devices: decided as it would be, and
 * undone.
 */
export async function previewReroute(
  sql: Sql,
  instance: InstanceRef,
  enabled: boolean,
): Promise<RerouteCounts> {
  const { instanceId, tenantId } = instance;
  const claimed = await sql<{ deviceId: string }[]>`
    select distinct ${columns(sql, pick(claims, 'deviceId'))} from claims
    where tenant_id = ${tenantId} and instance_id = ${instanceId} order by 1`;
  let changed = 0;
  let ended = 0;
  for (let from = 0; from < claimed.length; from += changeBatch) {
    const deviceIds = claimed.slice(from, from + changeBatch).map((row) => row.deviceId);
    const outcomes = await withoutTrace(sql, async (tx) => {
      await lockDevices(tx, tenantId, deviceIds);
      await enableInstance(tx, instance, enabled);
      return resolveRoutes(tx, tenantId, deviceIds, { author: 'espalier', reason: 'a dry run' });
    });
    changed += outcomes.filter((outcome) => outcome.changed && outcome.route).length;
    ended += outcomes.filter((outcome) => outcome.changed && !outcome.route).length;
  }
  return { devices: claimed.length, changed, ended };
}
