/**
 * The Macs of a benchmark: ids follow from two numbers, so that the world, the load generators and the proof know
 * them without being told. Records and uploads are made as text, because making them shall cost nearly nothing.
 */

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');

/** Of the tenant with this number; both are GUIDs of version 4 in their shape. */
export const deviceIdOf = (tenant: number, device: number): string =>
  `${hex(tenant + 1, 8)}-0000-4000-8000-${hex(device, 12)}`;
export const userIdOf = (tenant: number, device: number): string =>
  `${hex(tenant + 1, 8)}-0000-4000-9000-${hex(device, 12)}`;

/** Every instance of a benchmark judges by this smart group, so that a pushed record alone makes a report. */
export const complianceGroup = { id: '7', name: 'Compliant Macs' } as const;

/** A new state of a Mac; each differs from the last, in the version that Intune then shows and in the verdict. */
export interface MacState {
  readonly osVersion: string;
  readonly compliant: boolean;
  /** ISO 8601. */
  readonly reportDate: string;
}

/** Size of a record, as that of the intake. */
const recordBytes = 4_096;

/** Applications that fill a record up; no two of them are alike. */
const applications = ((): string => {
  const made: string[] = [];
  while (made.join(',').length < recordBytes - 1_100) {
    const id = crypto.randomUUID();
    made.push(
      `{"name":"${id.slice(0, 8)}.app","path":"/Applications/${id.slice(9, 18)}.app","version":"${made.length}.4.1","bundleId":"com.example.${id}","macAppStore":false,"sizeMegabytes":${made.length}}`,
    );
  }
  return made.join(',');
})();

/** The inventory record that the Mac's instance pushes (domain/jamf.md 2.3); its computer id is `device` + 1. */
export function macRecord(tenant: number, device: number, state: MacState): string {
  const { compliant, osVersion, reportDate } = state;
  const groups = compliant
    ? `{"groupId":"${complianceGroup.id}","groupName":"${complianceGroup.name}","smartGroup":true}`
    : '';
  const record = `{"id":"${device + 1}","udid":"${deviceIdOf(tenant, device).toUpperCase()}","general":{"name":"Mac ${device}","reportDate":"${reportDate}","lastContactTime":"${reportDate}","lastEnrolledDate":"2026-01-02T08:00:00.000Z","remoteManagement":{"managed":true}},"hardware":{"model":"Mac16,1","serialNumber":"C02B${tenant}X${device}"},"operatingSystem":{"name":"macOS","version":"${osVersion}"},"localUserAccounts":[{"username":"someone","computerAzureActiveDirectoryId":"${deviceIdOf(tenant, device)}","userAzureActiveDirectoryId":"${userIdOf(tenant, device)}","azureActiveDirectoryId":"ACTIVATED"}],"groupMemberships":[${groups}],"applications":[${applications}]`;
  return `${record}${' '.repeat(Math.max(0, recordBytes - record.length - 1))}}`;
}

/** The two entities that Intune is told of a Mac (domain/microsoft.md 4.4), as an upload carries them. */
export function macEntities(
  tenant: number,
  tenantId: string,
  device: number,
  state: MacState & { readonly lastUpdateTime: string },
): readonly Readonly<Record<string, unknown>>[] {
  const common = {
    TenantId: tenantId,
    DeviceId: deviceIdOf(tenant, device),
    UserId: userIdOf(tenant, device),
    LastUpdateTime: state.lastUpdateTime,
  };
  const inventory = {
    EntityType: 1,
    ...common,
    DeviceManagementState: 'managed',
    DeviceName: `Mac ${device}`,
    Os: 'macOS',
    OsVersion: state.osVersion,
    LastCheckInTime: state.reportDate,
    EasIds: [],
    State: 0,
  };
  const complianceStatus = state.compliant ? 'compliant' : 'notCompliant';
  return [inventory, { EntityType: 4, ...common, complianceStatus }];
}

/** The number of the device with this id, which `deviceIdOf` made. */
export const deviceOf = (deviceId: string): number => Number.parseInt(deviceId.slice(-12), 16);
