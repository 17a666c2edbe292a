import type { DeviceReport } from '../../intune/entities.ts';
import type { Mode } from '../../store/row-types.ts';
import type { InventoryVocabulary } from './attributes.ts';
import type { ReportContent } from './report.ts';

/** Maps the state of a device to the content of an upload, by the tenant's mode. Pure. */

export type DeviceIdentity = Pick<DeviceReport, 'tenantId' | 'deviceId' | 'lastUpdateTime'>;

/** Left out where it is not known: Intune takes an empty text for a value. */
const known = <Name extends string>(name: Name, text: string): Partial<Record<Name, string>> =>
  text === '' ? {} : ({ [name]: text } as Record<Name, string>);

/** The minimal entity of a state without attributes: a retraction of what was read in the other mode. */
const withoutAttributes = ({ deviceName, inventoryState, osVersion }: ReportContent) => ({
  ...known('DeviceName', deviceName),
  Os: 'macOS',
  ...known('OsVersion', osVersion),
  // Text beside the other attributes, a number beside a verdict (domain/microsoft.md 4.4, 6.2).
  State: String(inventoryState),
});

/** A Mac that is no longer managed has nothing for Intune to judge: it is not compliant (domain/microsoft.md 4.4). */
function judgedByIntune(content: ReportContent, vocabulary: InventoryVocabulary) {
  const { complianceAttributes, managed } = content;
  const { complianceEntityType: entityType, inventoryEntityType } = vocabulary;
  return {
    compliant: undefined,
    inventoryEntityType,
    attributes: content.inventory ?? withoutAttributes(content),
    ...(managed && complianceAttributes
      ? { complianceInventory: { entityType, attributes: { ...complianceAttributes } } }
      : {}),
  };
}

/** Content that Intune shall hold of the device; `compliant` counts in mode `device-compliance` only. */
export function deviceReport(
  identity: DeviceIdentity,
  content: ReportContent,
  { compliant, mode }: { readonly compliant: boolean | undefined; readonly mode: Mode },
  vocabulary: InventoryVocabulary,
): DeviceReport {
  const common = {
    inventoryEntityType: vocabulary.inventoryEntityType,
    verdictEntityType: vocabulary.verdictEntityType,
    ...identity,
    userId: content.userId ?? '',
    ...(content.lastCheckInAt === null ? {} : { lastCheckInTime: content.lastCheckInAt }),
    managementState: content.managed ? ('managed' as const) : ('notManaged' as const),
  };
  if (mode === 'conditional-access') return { ...common, ...judgedByIntune(content, vocabulary) };
  return {
    ...common,
    ...known('deviceName', content.deviceName),
    os: 'macOS',
    ...known('osVersion', content.osVersion),
    inventoryState: content.inventoryState,
    compliant,
  };
}
