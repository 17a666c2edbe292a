/** A claim is the statement of an instance that one of its computers carries a device. */

export interface ComputerId {
  readonly instanceId: string;
  readonly jamfComputerId: number;
}

export const sameComputer = (one: ComputerId, other: ComputerId): boolean =>
  one.instanceId === other.instanceId && one.jamfComputerId === other.jamfComputerId;

export interface Claim extends ComputerId {
  readonly lastEnrolledAt: Date | null;
  readonly lastCheckInAt: Date | null;
  readonly serialNumber: string | null;
  readonly udid: string | null;
}

/** A claim with what decides whether it counts now. */
export interface KnownClaim extends Claim {
  /** A disabled instance's claims rest. */
  readonly enabled: boolean;
  /** True for a registration that the Mac does not use any more. */
  readonly stale: boolean;
}
