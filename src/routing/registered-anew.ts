import { type ComputerId, sameComputer } from '../store/claims/claim.ts';
import {
  type Claims,
  type ComputerClaims,
  claimKey,
  claimRowsOf,
  computerKey,
  putClaim,
  type StoredClaim,
  writeStale,
} from '../store/claims/claims.ts';
import type { Transaction } from '../store/database.ts';
import {
  type DeviceLink,
  type NewLink,
  recordRetired,
  removeLinks,
  writeLinks,
} from '../store/device-links.ts';
import { findElsewhere } from './device-links.ts';
import { isStale, linkRegistration, type OtherRegistration } from './re-registration.ts';
import type { RouteOutcome } from './resolve.ts';

/** Macs that registered anew, as their computers are taken in: links are made, old registrations retired and revived. */

/** A device that a computer carries, with its links to newer and older registrations of the same Mac. */
export interface CarriedDevice extends ComputerId {
  readonly deviceId: string;
  readonly newer: readonly string[];
  readonly older: readonly string[];
}

export interface Relatives {
  readonly links: readonly DeviceLink[];
  readonly others: readonly OtherRegistration[];
}

/** Devices whose claims and routes may be concerned beside those that the computers name. */
export const relatedDevices = ({ links, others }: Relatives): string[] => [
  ...links.flatMap(({ deviceId, previousDeviceId }) => [deviceId, previousDeviceId]),
  ...others.map(({ deviceId }) => deviceId),
];

type Computer = ComputerId & Pick<OtherRegistration, 'serialNumber' | 'udid'>;

const hardware = ({ serialNumber, udid }: Computer): string[] => [
  ...(udid === null ? [] : [`udid ${udid}`]),
  ...(serialNumber === null ? [] : [`serial ${serialNumber}`]),
];

const keysOf = (computer: Computer): string[] => [computerKey(computer), ...hardware(computer)];

/** Finds other computers of the same batch that carry the same Macs, since nothing of them is in the database yet. */
function withinBatch(computers: readonly ComputerClaims[]): OtherRegistration[] {
  const counts = new Map<string, number>();
  for (const key of computers.flatMap(hardware)) counts.set(key, (counts.get(key) ?? 0) + 1);
  const shared = computers.filter((one) => hardware(one).some((key) => (counts.get(key) ?? 0) > 1));
  return claimRowsOf(shared);
}

/**
 * The other registrations of the Macs concerned. The database is asked for more than the links that are known only
 * where a computer carries a registration that it did not carry before.
 */
export async function findRelatives(
  tx: Transaction,
  tenantId: string,
  computers: readonly ComputerClaims[],
  carried: readonly CarriedDevice[],
): Promise<Relatives> {
  const links = carried.flatMap(({ deviceId, newer, older }) => [
    ...newer.map((one): DeviceLink => ({ deviceId: one, previousDeviceId: deviceId })),
    ...older.map((one): DeviceLink => ({ deviceId, previousDeviceId: one })),
  ]);
  const before = new Set(carried.map(claimKey));
  const added = claimRowsOf(computers).filter((row) => !before.has(claimKey(row)));
  if (added.length === 0) return { links, others: [] };
  const changed = computers.filter((one) => added.some((row) => sameComputer(row, one)));
  const deviceIds = added.map(({ deviceId }) => deviceId);
  const elsewhere = await findElsewhere(tx, tenantId, changed, deviceIds);
  const own = carried.map(({ deviceId, instanceId, jamfComputerId }) => ({
    deviceId,
    instanceId,
    jamfComputerId,
    serialNumber: null,
    udid: null,
    lastEnrolledAt: null,
  }));
  return {
    links: [...links, ...elsewhere.links],
    others: [...elsewhere.others, ...own, ...withinBatch(changed)],
  };
}

const pair = (one: string, other: string): string => `${one}/${other}`;

/** New links, none twice and none against one that is there. */
function newLinks(
  computers: readonly ComputerClaims[],
  { links, others }: Relatives,
  before: Claims,
): NewLink[] {
  const known = new Set(links.map((link) => pair(link.deviceId, link.previousDeviceId)));
  const byKey = new Map<string, OtherRegistration[]>();
  for (const other of others) {
    for (const key of keysOf(other)) {
      const same = byKey.get(key);
      if (same) same.push(other);
      else byKey.set(key, [other]);
    }
  }
  return computers.flatMap((computer) => {
    const current = new Set(computer.registrations.map(({ deviceId }) => deviceId));
    const near = keysOf(computer).flatMap((key) => byKey.get(key) ?? []);
    return [...current].flatMap((deviceId) => {
      if ((before.get(deviceId) ?? []).length > 0) return [];
      return linkRegistration({ deviceId, computer, current }, near).filter((link) => {
        const there = pair(link.deviceId, link.previousDeviceId);
        if (known.has(there) || known.has(pair(link.previousDeviceId, link.deviceId))) return false;
        known.add(there);
        return true;
      });
    });
  });
}

/** True where one computer carries both now: they belong to two of its users. */
const sideBySide =
  (claims: Claims) =>
  ({ deviceId, previousDeviceId }: DeviceLink): boolean =>
    (claims.get(deviceId) ?? []).some((one) =>
      (claims.get(previousDeviceId) ?? []).some((other) => sameComputer(one, other)),
    );

/** Claims on older registrations whose `stale` is no longer right. */
function staleChanges(links: readonly DeviceLink[], claims: Claims, before: Claims): StoredClaim[] {
  const newerOf = Map.groupBy(links, ({ previousDeviceId }) => previousDeviceId);
  return [...newerOf].flatMap(([deviceId, newer]) => {
    const standing = newer.flatMap((link) => claims.get(link.deviceId) ?? []);
    return (claims.get(deviceId) ?? []).flatMap((claim): StoredClaim[] => {
      const was = (before.get(deviceId) ?? []).find((one) => sameComputer(one, claim));
      const stale = isStale(claim, was, standing);
      return stale === claim.stale ? [] : [{ ...claim, stale }];
    });
  });
}

/** Changes of older registrations. */
export interface RegisteredAnew {
  /** Devices with a claim that was retired or revived. */
  readonly turned: readonly string[];
  /** Notes in the links which older registrations have no route any more. */
  settle(outcomes: readonly RouteOutcome[]): Promise<void>;
}

/**
 * Links registrations that nobody claimed before to the other ones of their Macs, and retires or revives the claims
 * on older ones; `claims` becomes what is known afterwards.
 */
export async function followRegistrations(
  tx: Transaction,
  tenantId: string,
  computers: readonly ComputerClaims[],
  relatives: Relatives,
  claims: Map<string, readonly StoredClaim[]>,
  before: Claims,
): Promise<RegisteredAnew> {
  const together = sideBySide(claims);
  const made = newLinks(computers, relatives, before);
  await writeLinks(tx, tenantId, made);
  await removeLinks(tx, tenantId, relatives.links.filter(together));
  const links = [...relatives.links, ...made].filter((link) => !together(link));
  const changed = staleChanges(links, claims, before);
  await writeStale(tx, tenantId, changed);
  for (const claim of changed) putClaim(claims, claim);
  const older = new Set(links.map(({ previousDeviceId }) => previousDeviceId));
  return {
    turned: changed.map(({ deviceId }) => deviceId),
    settle: (outcomes) => {
      const moved = outcomes.filter(({ changed: differs, deviceId }) => differs && older.has(deviceId));
      const noted = [
        ...made.map(({ previousDeviceId }) => previousDeviceId),
        ...moved.map(({ deviceId }) => deviceId),
      ];
      return recordRetired(tx, tenantId, [...new Set(noted)]);
    },
  };
}
