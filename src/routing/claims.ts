import type { ComputerId } from '../store/claims/claim.ts';
import { appendClaimHistory, claimChanges, recordInstanceState } from '../store/claims/claim-history.ts';
import {
  type Claims,
  type ComputerClaims,
  claimKey,
  claimRowsOf,
  computerKey,
  putClaim,
  type StoredClaim,
  storedClaims,
  withdrawClaims,
  writeClaims,
} from '../store/claims/claims.ts';
import { columns, pick } from '../store/columns.ts';
import { readWinners } from '../store/computers/due.ts';
import type { Sql, Transaction } from '../store/database.ts';
import { inTransaction } from '../store/retry.ts';
import type { Authorship } from '../store/routes/routes.ts';
import { claims } from '../store/schema.ts';
import { trustedDate } from '../store/trusted-dates.ts';
import { type CarriedDevice, findRelatives, followRegistrations, relatedDevices } from './registered-anew.ts';
import { lockDevices, type RouteOutcome, resolveKnown, resolveRoutes } from './resolve.ts';

/** Takes in the claims of instances: claims, links between registrations, and the routes that follow from them. */

interface KnownDevice extends CarriedDevice {
  readonly reportAt: Date | null;
}

const linkIds = (ids: string | null): string[] => (ids === null ? [] : ids.split(','));

/**
 * Reads the present claims of these computers one by one in their index: for a join the planner, which cannot know how
 * few claims a computer has, would read the whole table.
 */
async function knownDevices(
  tx: Transaction,
  tenantId: string,
  computers: readonly ComputerId[],
): Promise<KnownDevice[]> {
  const rows = await tx<
    (Omit<KnownDevice, 'newer' | 'older'> & { newer: string | null; older: string | null })[]
  >`
    select ${columns(tx, pick(claims, 'deviceId', 'reportAt'), 'known')},
      ${columns(tx, pick(claims, 'instanceId', 'jamfComputerId'), 'computer')},
      (select string_agg(l.device_id::text, ',') from device_links l
       where l.tenant_id = ${tenantId} and l.previous_device_id = known.device_id) as newer,
      (select string_agg(l.previous_device_id::text, ',') from device_links l
       where l.tenant_id = ${tenantId} and l.device_id = known.device_id) as older
    from unnest(${computers.map((one) => one.instanceId)}::uuid[], ${computers.map((one) => one.jamfComputerId)}::int[])
      as computer(instance_id, jamf_computer_id)
    cross join lateral (
      select c.device_id, c.report_at from claims c where c.tenant_id = ${tenantId} and c.instance_id = computer.instance_id
        and c.jamf_computer_id = computer.jamf_computer_id offset 0) known`;
  return rows.map((row) => ({ ...row, newer: linkIds(row.newer), older: linkIds(row.older) }));
}

/** A record that came late or is replayed: something newer is known of the computer already. */
function withoutLate(
  computers: readonly ComputerClaims[],
  known: readonly Pick<KnownDevice, 'instanceId' | 'jamfComputerId' | 'reportAt'>[],
): readonly ComputerClaims[] {
  const nowMs = Date.now();
  const newest = new Map<string, Date>();
  for (const one of known) {
    const at = trustedDate(one.reportAt, nowMs);
    const before = newest.get(computerKey(one));
    if (at !== null && (before === undefined || at > before)) newest.set(computerKey(one), at);
  }
  return computers.filter((computer) => {
    const at = trustedDate(computer.reportAt, nowMs);
    const before = newest.get(computerKey(computer));
    return at === null || before === undefined || at >= before;
  });
}

/** Writes what these computers claim now; `claims` becomes what is known afterwards. Says which claims went. */
async function replaceClaims(
  tx: Transaction,
  tenantId: string,
  computers: readonly ComputerClaims[],
  claims: Map<string, readonly StoredClaim[]>,
): Promise<StoredClaim[]> {
  const ours = new Set(computers.filter((computer) => !computer.incomplete).map(computerKey));
  const rows = claimRowsOf(computers);
  const kept = new Set(rows.map(claimKey));
  const isGone = (claim: StoredClaim): boolean => ours.has(computerKey(claim)) && !kept.has(claimKey(claim));
  const withdrawn = [...claims.values()].flat().filter(isGone);
  await withdrawClaims(tx, tenantId, withdrawn);
  for (const { deviceId } of withdrawn) {
    claims.set(
      deviceId,
      (claims.get(deviceId) ?? []).filter((claim) => !isGone(claim)),
    );
  }
  for (const claim of await writeClaims(tx, tenantId, rows, claims)) putClaim(claims, claim);
  return withdrawn;
}

/**
 * Replaces what these computers claimed by what they claim now, each at most once, and decides the routes of every
 * device that either list names, and of older registrations of these Macs that this retires or revives. An empty list
 * of registrations withdraws all (the computer is gone or was unregistered). A record older than what is known of its
 * computer is left out as a whole. The caller holds the computers' rows: nobody else takes the same ones in meanwhile.
 */
export async function recordClaims(
  tx: Transaction,
  tenantId: string,
  all: readonly ComputerClaims[],
  by: (computer: ComputerId) => Authorship,
): Promise<RouteOutcome[]> {
  const known = await knownDevices(tx, tenantId, all);
  const computers = withoutLate(all, known);
  if (computers.length === 0) return [];
  const inBatch = new Set(computers.map(computerKey));
  const carried = known.filter((one) => inBatch.has(computerKey(one)));
  const computerOf = new Map([...carried, ...claimRowsOf(computers)].map((one) => [one.deviceId, one]));
  const relatives = await findRelatives(tx, tenantId, computers, carried);
  const concerned = [...new Set([...computerOf.keys(), ...relatedDevices(relatives)])];
  await lockDevices(tx, tenantId, concerned);
  const before: Claims = await storedClaims(tx, tenantId, concerned);
  const claims = new Map(before);
  const withdrawn = await replaceClaims(tx, tenantId, computers, claims);
  const anew = await followRegistrations(tx, tenantId, computers, relatives, claims, before);
  const changes = concerned.flatMap((id) => claimChanges(id, before.get(id) ?? [], claims.get(id) ?? []));
  await appendClaimHistory(tx, tenantId, changes);
  const authorOf = (deviceId: string): Authorship => {
    const computer = computerOf.get(deviceId);
    return computer ? by(computer) : { author: 'espalier', reason: 'the Mac registered anew' };
  };
  const outcomes = await resolveKnown(tx, tenantId, [...new Set([...computerOf.keys(), ...anew.turned])], {
    claims,
    by: authorOf,
    withdrawn: Map.groupBy(withdrawn, ({ deviceId }) => deviceId),
  });
  await anew.settle(outcomes);
  return outcomes;
}

/** Devices decided in one transaction: its locks are held for that long. */
const rerouteBatch = 500;

/**
 * Decides the routes of every device that an instance claims anew, after it was enabled or disabled: a disabled
 * instance's claims rest. Safe to repeat. Computers that win a device are due to be read, for their state is now
 * the device's.
 */
export async function rerouteInstance(
  sql: Sql,
  tenantId: string,
  instanceId: string,
  by: Authorship,
): Promise<void> {
  const claimed = await sql<{ deviceId: string }[]>`
    select distinct ${columns(sql, pick(claims, 'deviceId'))} from claims where tenant_id = ${tenantId} and instance_id = ${instanceId}`;
  for (let from = 0; from < claimed.length; from += rerouteBatch) {
    const deviceIds = claimed.slice(from, from + rerouteBatch).map((row) => row.deviceId);
    await inTransaction(sql, async (tx) => {
      await lockDevices(tx, tenantId, deviceIds);
      await recordInstanceState(tx, tenantId, instanceId, deviceIds);
      const outcomes = await resolveRoutes(tx, tenantId, deviceIds, by);
      await readWinners(
        tx,
        tenantId,
        outcomes.flatMap(({ changed, route }) => (changed && route ? [route] : [])),
      );
    });
  }
}
