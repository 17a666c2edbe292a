import type { ComplianceSource, Mode } from '../../store/row-types.ts';
import type { ComplianceAttributes } from './attributes.ts';

/** The newest state of a device that Intune should hold (contract section 1, 'report'). */

/** `by-intune`: in mode `conditional-access` Intune makes the verdict itself, from inventory. */
export type Verdict =
  | 'compliant'
  | 'not-compliant'
  | 'unknown'
  | 'not-applicable'
  | 'no-vendor'
  | 'by-intune';

export interface ReportContent {
  readonly userId: string | null;
  readonly deviceName: string;
  readonly osVersion: string;
  /** ISO 8601, the computer's last contact with Jamf. */
  readonly lastCheckInAt: string | null;
  /** ISO 8601, when the computer last reported its inventory. */
  readonly reportedAt: string | null;
  readonly managed: boolean;
  /** 0 activated, 1 deactivated, 2 unresponsive (domain/microsoft.md 4.4). */
  readonly inventoryState: 0 | 1 | 2;
  readonly verdict: Verdict;
  /** Mode `conditional-access` only: attributes by their wire names (domain/microsoft.md 6.2). */
  readonly inventory?: Readonly<Record<string, string | number>>;
  /** Mode `conditional-access` only, and only when all of them are known (6.1). */
  readonly complianceAttributes?: ComplianceAttributes;
}

/** Decision of the report stage on a state: send it, or hold it and say why. */
export type Tellable =
  /** `compliant` is undefined where the verdict is Intune's. */
  | { readonly tell: true; readonly compliant: boolean | undefined }
  | { readonly tell: false; readonly reason: string; readonly detail: string };

const readInOtherMode: Tellable = {
  tell: false,
  reason: 'mode-changed',
  detail: "the computer was read before the tenant's mode changed, and has to be read again",
};

/** True where this state holds what the mode reports: a state that was read before the mode changed does not. */
export const fitsMode = (content: ReportContent, mode: Mode): boolean =>
  mode === 'conditional-access' ? content.inventory !== undefined : content.verdict !== 'by-intune';

/**
 * A verdict that Jamf has not made must not flip what Entra shows; one that Jamf no longer makes must not leave a
 * stale 'compliant' behind (domain/jamf.md 6.2, pains 17 and 26 of domain/microsoft.md 10).
 */
export function tellable(content: ReportContent, reportedBefore: boolean, mode: Mode): Tellable {
  if (content.userId === null) {
    return {
      tell: false,
      reason: 'user-unknown',
      detail: 'Jamf Pro knows no Entra user of this registration',
    };
  }
  const verdictIsIntunes = mode === 'conditional-access';
  // Retractions keep what was read last, in whatever mode: what ends is the management.
  if (!content.managed) return { tell: true, compliant: verdictIsIntunes ? undefined : false };
  if (!fitsMode(content, mode)) return readInOtherMode;
  if (verdictIsIntunes) return { tell: true, compliant: undefined };
  switch (content.verdict) {
    case 'compliant':
      return { tell: true, compliant: true };
    case 'not-compliant':
      return { tell: true, compliant: false };
    case 'unknown':
      return { tell: false, reason: 'verdict-unknown', detail: 'Jamf Pro is still computing the verdict' };
    case 'not-applicable':
      return reportedBefore
        ? { tell: true, compliant: false }
        : { tell: false, reason: 'not-applicable', detail: 'the computer is not in the applicable group' };
    case 'no-vendor':
      return {
        tell: false,
        reason: 'no-compliance-vendor',
        detail: 'Device Compliance is not set up on the instance',
      };
    case 'by-intune':
      return readInOtherMode;
  }
}

interface GroupMembership {
  readonly groupId: string;
  readonly name: string | undefined;
}

/**
 * The verdict where the instance's source is a smart group rather than Jamf's own computation. In a list that could not
 * be read as a whole only membership says something.
 */
export function verdictFromGroups(
  source: ComplianceSource,
  groups: readonly GroupMembership[] | undefined,
  complete = true,
): Verdict {
  if (groups === undefined) return 'unknown';
  const member = (wanted: string): boolean =>
    groups.some(({ groupId, name }) => groupId === wanted || name === wanted);
  if (source.applicableGroup !== undefined && !member(source.applicableGroup)) {
    return complete ? 'not-applicable' : 'unknown';
  }
  if (source.complianceGroup !== undefined && member(source.complianceGroup)) return 'compliant';
  return complete ? 'not-compliant' : 'unknown';
}
