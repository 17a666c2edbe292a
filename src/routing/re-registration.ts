import { registrationSilenceMs } from '../limits.ts';
import { type Claim, sameComputer } from '../store/claims/claim.ts';
import type { LinkedBy, NewLink } from '../store/device-links.ts';

/**
 * A Mac that registers with Entra anew gets a new device id (domain/jamf.md 6.3, 6.4): which earlier ids are the same
 * Mac's, and when an old record that still names one of them counts no more. Pure.
 */

/** A registration that was never claimed before. */
export interface FirstClaim {
  readonly deviceId: string;
  readonly computer: Omit<Claim, 'lastCheckInAt'>;
  /** All that its computer carries now: the registrations of several users live side by side. */
  readonly current: ReadonlySet<string>;
}

/** Another registration of the same Mac, present or former. */
export interface OtherRegistration extends Omit<Claim, 'lastCheckInAt'> {
  readonly deviceId: string;
}

type Hardware = Pick<Claim, 'serialNumber' | 'udid'>;

/** A UDID stays when the system is installed anew; the serial number stands in where one of them has no UDID. */
export function sameMac(one: Hardware, other: Hardware): boolean {
  if (one.udid !== null && other.udid !== null) return one.udid === other.udid;
  return one.serialNumber !== null && one.serialNumber === other.serialNumber;
}

function sharedBy({ computer }: FirstClaim, other: OtherRegistration): LinkedBy | undefined {
  if (sameComputer(computer, other)) return 'computer';
  if (computer.udid !== null && computer.udid === other.udid) return 'udid';
  // A new logic board changes the UDID and may keep the serial number.
  const { serialNumber } = computer;
  return serialNumber !== null && serialNumber === other.serialNumber ? 'serial-number' : undefined;
}

const strength: Record<LinkedBy, number> = { computer: 0, udid: 1, 'serial-number': 2 };

/** Records come in any order: of two, the one whose Mac enrolled later has the newer registration. */
const isNewer = (other: OtherRegistration, { computer }: FirstClaim): boolean =>
  other.lastEnrolledAt !== null &&
  computer.lastEnrolledAt !== null &&
  other.lastEnrolledAt > computer.lastEnrolledAt;

/** Links a registration to the others of its Mac, each once, by the strongest thing that they share. */
export function linkRegistration(first: FirstClaim, others: readonly OtherRegistration[]): NewLink[] {
  const found = new Map<string, NewLink>();
  for (const other of others) {
    const linkedBy = first.current.has(other.deviceId) ? undefined : sharedBy(first, other);
    if (linkedBy === undefined) continue;
    const known = found.get(other.deviceId);
    if (known !== undefined && strength[known.linkedBy] <= strength[linkedBy]) continue;
    const [deviceId, previousDeviceId] =
      linkedBy !== 'computer' && isNewer(other, first)
        ? [other.deviceId, first.deviceId]
        : [first.deviceId, other.deviceId];
    found.set(other.deviceId, { deviceId, previousDeviceId, linkedBy });
  }
  return [...found.values()];
}

/** A claim on a registration, with whether it rests because the Mac registered anew. */
export interface StandingClaim extends Claim {
  readonly stale: boolean;
}

/** The Mac enrolled under the newer registration and has not spoken to the older record since. */
const leftBehind = (old: Claim, newer: StandingClaim): boolean =>
  !newer.stale &&
  !sameComputer(old, newer) &&
  sameMac(old, newer) &&
  old.lastCheckInAt !== null &&
  newer.lastEnrolledAt !== null &&
  old.lastCheckInAt < newer.lastEnrolledAt;

/** Virtual machines may share a UDID: one that still checks in is not the other's past. */
const silent = (old: Claim, newer: Claim): boolean =>
  old.lastCheckInAt !== null &&
  newer.lastCheckInAt !== null &&
  newer.lastCheckInAt.getTime() - old.lastCheckInAt.getTime() >= registrationSilenceMs;

/**
 * True where a claim on an older registration is stale, given the claims on the newer ones. Once stale it stays so
 * until its record checks in again, after the newer enrolment: that a newer registration goes does not bring the old
 * one back.
 */
export function isStale(
  old: StandingClaim,
  /** The claim as it was before the present read; undefined: it was not there. */
  before: StandingClaim | undefined,
  newer: readonly StandingClaim[],
): boolean {
  if (!old.stale) return newer.some((one) => leftBehind(old, one) && silent(old, one));
  const spoke =
    old.lastCheckInAt !== null &&
    (before === undefined || before.lastCheckInAt === null || old.lastCheckInAt > before.lastCheckInAt);
  return !spoke || newer.some((one) => leftBehind(old, one));
}
