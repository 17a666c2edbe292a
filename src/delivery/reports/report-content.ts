import { verdictFor } from '../../jamf/compliance.ts';
import type { ComplianceSource } from '../../store/row-types.ts';
import type { Fetched } from '../computers/fetch-computer.ts';
import {
  accountOf,
  complianceAttributes,
  type InventoryVocabulary,
  inventoryAttributes,
} from './attributes.ts';
import { type ReportContent, type Verdict, verdictFromGroups } from './report.ts';

/** Maps the record of a computer to the state of one of its devices. Pure. */

type Found = Extract<Fetched, { ok: true }>;

const inventoryStates = { ACTIVATED: 0, DEACTIVATED: 1, UNRESPONSIVE: 2, UNKNOWN: 0 } as const;

/** The verdict of the instance, or of its groups, on a device; in the other mode the verdict is Intune's. */
export function verdictOf(
  { compliance, computer, mode }: Found,
  source: ComplianceSource,
  deviceId: string,
): Verdict {
  if (mode === 'conditional-access') return 'by-intune';
  return compliance === undefined
    ? verdictFromGroups(source, computer.groups, computer.groupsComplete)
    : verdictFor(compliance, deviceId).verdict;
}

/** The attributes by which Intune makes its own verdict; none where the verdict is Jamf's. */
function judgedByIntune(
  { mode, record }: Found,
  registration: Found['computer']['registrations'][number],
  vocabulary: InventoryVocabulary,
): Pick<ReportContent, 'inventory' | 'complianceAttributes'> {
  if (mode !== 'conditional-access') return {};
  const compliance = complianceAttributes(record, accountOf(record, registration.deviceId), vocabulary);
  return {
    inventory: inventoryAttributes(record, registration, vocabulary),
    ...(compliance === undefined ? {} : { complianceAttributes: compliance }),
  };
}

/** The state of a device, undefined when the computer no longer has its registration. */
export function contentFor(
  deviceId: string,
  found: Found,
  source: ComplianceSource,
  vocabulary: InventoryVocabulary,
): ReportContent | undefined {
  const { computer } = found;
  const registration = computer.registrations.find((entry) => entry.deviceId === deviceId);
  if (!registration) return undefined;
  return {
    userId: registration.userId ?? null,
    deviceName: computer.name ?? '',
    osVersion: computer.osVersion ?? '',
    lastCheckInAt: (computer.lastCheckInAt ?? computer.reportedAt)?.toISOString() ?? null,
    reportedAt: computer.reportedAt?.toISOString() ?? null,
    managed: computer.managed ?? true,
    inventoryState: inventoryStates[registration.state ?? 'ACTIVATED'],
    verdict: verdictOf(found, source, deviceId),
    ...judgedByIntune(found, registration, vocabulary),
  };
}
