/**
 * The entities of an upload, from our words to Intune's (domain/microsoft.md 4.4 and 6). Pure.
 */

const inventoryEntityType = 1;
const complianceEntityType = 4;

/** What Intune shall hold of a device. */
export interface DeviceReport {
  readonly tenantId: string;
  /** Entra device id, not the object id. */
  readonly deviceId: string;
  /** Object id of the Entra user. */
  readonly userId: string;
  /** Intune orders messages by it: strictly increasing per device, never the check-in time. */
  readonly lastUpdateTime: Date | string;
  readonly deviceName?: string;
  readonly os?: string;
  readonly osVersion?: string;
  /** Last contact between device and Jamf Pro. */
  readonly lastCheckInTime?: Date | string;
  /** `notManaged` makes Entra show the device as not compliant whatever the verdict. */
  readonly managementState: 'managed' | 'notManaged';
  /** 0 activated, 1 deactivated, 2 unresponsive. */
  readonly inventoryState: 0 | 1 | 2;
  /** Jamf's verdict; undefined sends none, as in mode `conditional-access`. */
  readonly compliant: boolean | undefined;
  /** Inventory attributes by their wire names (domain/microsoft.md 6); members above win. */
  readonly attributes?: Readonly<Record<string, unknown>>;
}

export interface UploadBody {
  readonly TenantId: string;
  readonly UploadTime: string;
  /** An array in api-version 1.1, the same array as a JSON string from 1.2 on. */
  readonly Content: string | readonly UploadEntity[];
}

export type UploadEntity = Readonly<Record<string, unknown>>;

/**
 * ISO 8601 in UTC, without a fraction unless the time has one (domain/microsoft.md 6: Jamf's pattern has none).
 * Throws RangeError for what is no time: a fault of the caller.
 */
export const wireTime = (time: Date | string): string => new Date(time).toISOString().replace('.000Z', 'Z');

const withoutUndefined = (entity: UploadEntity): UploadEntity =>
  Object.fromEntries(Object.entries(entity).filter(([, value]) => value !== undefined));

function inventoryEntity(report: DeviceReport): UploadEntity {
  return {
    ...report.attributes,
    ...withoutUndefined({
      EntityType: inventoryEntityType,
      TenantId: report.tenantId,
      DeviceId: report.deviceId,
      UserId: report.userId,
      LastUpdateTime: wireTime(report.lastUpdateTime),
      DeviceManagementState: report.managementState,
      DeviceName: report.deviceName,
      Os: report.os,
      OsVersion: report.osVersion,
      LastCheckInTime: report.lastCheckInTime === undefined ? undefined : wireTime(report.lastCheckInTime),
      // Required, may be empty.
      EasIds: [],
      State: report.inventoryState,
    }),
  };
}

/** `complianceStatus` is a string: other names and a boolean were accepted and changed nothing (4.4). */
const complianceEntity = (report: DeviceReport, compliant: boolean): UploadEntity => ({
  EntityType: complianceEntityType,
  TenantId: report.tenantId,
  DeviceId: report.deviceId,
  UserId: report.userId,
  LastUpdateTime: wireTime(report.lastUpdateTime),
  complianceStatus: compliant ? 'compliant' : 'notCompliant',
});

/** EntityType 1, and 4 when there is a verdict. */
export function deviceEntities(report: DeviceReport): readonly UploadEntity[] {
  const inventory = inventoryEntity(report);
  return report.compliant === undefined
    ? [inventory]
    : [inventory, complianceEntity(report, report.compliant)];
}

/** Whether `Content` is a JSON string: from 1.2 on (domain/microsoft.md 4.4). */
function contentIsString(apiVersion: string): boolean {
  const [major = 0, minor = 0] = apiVersion.split('.').map(Number);
  return major > 1 || (major === 1 && minor >= 2);
}

/** The body of one message with the reports of one tenant. `uploadTime` is now. */
export function uploadBody(input: {
  readonly tenantId: string;
  readonly uploadTime: Date | string;
  readonly apiVersion: string;
  readonly reports: readonly DeviceReport[];
}): UploadBody {
  const entities = input.reports.flatMap(deviceEntities);
  return {
    TenantId: input.tenantId,
    UploadTime: wireTime(input.uploadTime),
    Content: contentIsString(input.apiVersion) ? JSON.stringify(entities) : entities,
  };
}
