import type { Sql } from '../store/database.ts';
import { type Claim, chooseClaim, wouldChange } from './rules.ts';

/** The answer of `explain` (contract section 11). */
export interface Explanation {
  readonly instanceId: string | null;
  readonly jamfComputerId: string | null;
  readonly rule: string;
  readonly since: string | null;
  readonly version: number | null;
  readonly claims: readonly {
    readonly instanceId: string;
    readonly jamfComputerId: string;
    readonly lastEnrolledDate: string | null;
    readonly lastCheckIn: string | null;
    readonly pinned: boolean;
  }[];
  readonly wouldChange: readonly string[];
}

/** Which instance a device belongs to, by which rule, who else claims it. Undefined: no such device here. */
export async function explainRoute(
  sql: Sql,
  tenantId: string,
  deviceId: string,
): Promise<Explanation | undefined> {
  const [route] = await sql<
    {
      instanceId: string;
      jamfComputerId: number;
      rule: string;
      since: Date;
      version: number;
      pinned: boolean;
    }[]
  >`select instance_id as "instanceId", jamf_computer_id as "jamfComputerId", rule, since, version, pinned
    from routes where tenant_id = ${tenantId} and device_id = ${deviceId}`;
  const claims = await sql<(Claim & { enabled: boolean })[]>`
    select c.instance_id as "instanceId", c.jamf_computer_id as "jamfComputerId", c.last_enrolled_at as "lastEnrolledAt",
           c.last_check_in_at as "lastCheckInAt", c.serial_number as "serialNumber", c.udid, i.enabled
    from claims c join instances i on i.tenant_id = c.tenant_id and i.instance_id = c.instance_id
    where c.tenant_id = ${tenantId} and c.device_id = ${deviceId}`;
  if (!route && claims.length === 0) return undefined;
  const choice = chooseClaim(claims.filter((claim) => claim.enabled));
  const ordered = choice ? [choice.claim, ...choice.others] : [];
  const rule = route?.pinned ? 'pinned' : (choice?.rule ?? route?.rule ?? 'no-claim');
  return {
    instanceId: route?.instanceId ?? null,
    jamfComputerId: route ? String(route.jamfComputerId) : null,
    rule,
    since: route?.since.toISOString() ?? null,
    version: route?.version ?? null,
    claims: ordered.map((claim) => ({
      instanceId: claim.instanceId,
      jamfComputerId: String(claim.jamfComputerId),
      lastEnrolledDate: claim.lastEnrolledAt?.toISOString() ?? null,
      lastCheckIn: claim.lastCheckInAt?.toISOString() ?? null,
      pinned:
        route?.pinned === true &&
        route.instanceId === claim.instanceId &&
        route.jamfComputerId === claim.jamfComputerId,
    })),
    wouldChange: wouldChange(route?.pinned ?? false, choice),
  };
}
