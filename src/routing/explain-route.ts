import { type KnownClaim, sameComputer } from '../store/claims/claim.ts';
import { claimsBefore } from '../store/claims/claim-history.ts';
import { storedClaims } from '../store/claims/claims.ts';
import { columns, pick, type Row } from '../store/columns.ts';
import type { Queries, Sql } from '../store/database.ts';
import { deviceLinks, routeChanges, routes } from '../store/schema.ts';
import { explainDecision, type LastChange, type RouteFacts } from './explain.ts';
import type { Standing } from './rules.ts';

/** The answer of `explain` (contract section 11), from the tables as they are or from the history. */

export interface Explanation {
  /** The time that the answer is about; null: now. */
  readonly at: string | null;
  readonly instanceId: string | null;
  readonly jamfComputerId: string | null;
  readonly rule: string;
  /** Time at which the route began, or ended. */
  readonly since: string | null;
  readonly version: number | null;
  readonly claims: readonly {
    readonly instanceId: string;
    readonly jamfComputerId: string;
    readonly lastEnrolledDate: string | null;
    readonly lastCheckIn: string | null;
    readonly pinned: boolean;
    readonly state: 'active' | 'resting' | 'stale';
  }[];
  readonly conflict: boolean;
  readonly wouldChange: readonly string[];
  /** Earlier registrations of the Mac, newest first, and the one that came after this one. */
  readonly previousDeviceIds: readonly string[];
  readonly nextDeviceId: string | null;
}

const changeShape = {
  ...pick(routeChanges, 'pinned', 'placedAt', 'rule', 'version'),
  instanceId: routeChanges.toInstanceId,
  jamfComputerId: routeChanges.toJamfComputerId,
  since: routeChanges.changedAt,
};
type ChangeRow = Row<typeof changeShape>;
const standing = pick(
  routes,
  'instanceId',
  'jamfComputerId',
  'pinned',
  'placedAt',
  'rule',
  'since',
  'version',
);

/** The newest line in the history of a device's route, before a time if given. */
async function lastChange(
  sql: Queries,
  tenantId: string,
  deviceId: string,
  before?: Date,
): Promise<ChangeRow | undefined> {
  const [row] = await sql<ChangeRow[]>`
    select ${columns(sql, changeShape)} from route_changes where tenant_id = ${tenantId} and device_id = ${deviceId}
      and ${before === undefined ? sql`true` : sql`changed_at < ${before}`}
    order by version desc limit 1`;
  return row;
}

const standingOf = (row: ChangeRow | undefined): Standing | undefined =>
  row && row.instanceId !== null && row.jamfComputerId !== null
    ? { ...row, instanceId: row.instanceId, jamfComputerId: row.jamfComputerId }
    : undefined;

async function factsNow(sql: Queries, tenantId: string, deviceId: string): Promise<RouteFacts> {
  const [route] = await sql<(Standing & LastChange)[]>`
    select ${columns(sql, standing)} from routes where tenant_id = ${tenantId} and device_id = ${deviceId}`;
  const claims = (await storedClaims(sql, tenantId, [deviceId])).get(deviceId) ?? [];
  return { standing: route, last: route ?? (await lastChange(sql, tenantId, deviceId)), claims };
}

async function factsBefore(
  sql: Queries,
  tenantId: string,
  deviceId: string,
  before: Date,
): Promise<RouteFacts> {
  const last = await lastChange(sql, tenantId, deviceId, before);
  const history = await claimsBefore(sql, tenantId, deviceId, before);
  const claims = history.flatMap(({ state, ...claim }): KnownClaim[] =>
    state === 'withdrawn'
      ? []
      : [
          {
            ...claim,
            serialNumber: null,
            udid: null,
            enabled: state !== 'resting',
            stale: state === 'stale',
          },
        ],
  );
  return { standing: standingOf(last), last, claims };
}

async function relatives(
  sql: Queries,
  tenantId: string,
  deviceId: string,
  before: Date | undefined,
): Promise<Pick<Explanation, 'previousDeviceIds' | 'nextDeviceId'>> {
  const rows = await sql<{ deviceId: string; previousDeviceId: string }[]>`
    select ${columns(sql, pick(deviceLinks, 'deviceId', 'previousDeviceId'))} from device_links
    where tenant_id = ${tenantId} and (device_id = ${deviceId} or previous_device_id = ${deviceId})
      and ${before === undefined ? sql`true` : sql`linked_at < ${before}`}
    order by linked_at desc, device_id, previous_device_id`;
  return {
    previousDeviceIds: rows.flatMap((row) => (row.deviceId === deviceId ? [row.previousDeviceId] : [])),
    nextDeviceId: rows.find((row) => row.previousDeviceId === deviceId)?.deviceId ?? null,
  };
}

const stateOf = ({ enabled, stale }: KnownClaim): 'active' | 'resting' | 'stale' =>
  stale ? 'stale' : enabled ? 'active' : 'resting';

/**
 * Explains which instance a device belongs to, by which rule, and who else claims it. A time names a whole millisecond:
 * the answer is that of its end, so that `since` of an answer names the time from which on it is given. Undefined:
 * nothing was known of the device.
 */
export async function explainRoute(
  sql: Sql,
  tenantId: string,
  deviceId: string,
  at?: Date,
): Promise<Explanation | undefined> {
  const before = at && new Date(at.getTime() + 1);
  // One snapshot: a route that moves meanwhile must not be explained by the claims before or after it.
  return sql.begin('isolation level repeatable read read only', async (tx) => {
    const facts = before
      ? await factsBefore(tx, tenantId, deviceId, before)
      : await factsNow(tx, tenantId, deviceId);
    const { last, standing } = facts;
    if (last === undefined && facts.claims.length === 0) return undefined;
    const { claims, conflict, rule, wouldChange } = explainDecision(facts);
    return {
      at: at?.toISOString() ?? null,
      instanceId: standing?.instanceId ?? null,
      jamfComputerId: standing ? String(standing.jamfComputerId) : null,
      rule,
      since: last?.since.toISOString() ?? null,
      version: last?.version ?? null,
      claims: claims.map((claim) => ({
        instanceId: claim.instanceId,
        jamfComputerId: String(claim.jamfComputerId),
        lastEnrolledDate: claim.lastEnrolledAt?.toISOString() ?? null,
        lastCheckIn: claim.lastCheckInAt?.toISOString() ?? null,
        pinned: standing?.pinned === true && sameComputer(standing, claim),
        state: stateOf(claim),
      })),
      conflict,
      wouldChange,
      ...(await relatives(tx, tenantId, deviceId, before)),
    };
  });
}
