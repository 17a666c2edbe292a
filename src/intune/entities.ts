/**
 * The entities of an upload, from our words to Intune's (domain/microsoft.md 4.4 and 6). Pure.
 */

const inventoryEntityType = 1;
const verdictEntityType = 4;

/** The state of a device as it is reported to Intune. */
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
  /** 0 activated, 1 deactivated, 2 unresponsive; absent where `attributes` say it, as text. */
  readonly inventoryState?: 0 | 1 | 2;
  /** Jamf's verdict; undefined sends none, as in mode `conditional-access`. */
  readonly compliant: boolean | undefined;
  /** Inventory attributes by their wire names (domain/microsoft.md 6); members above win. */
  readonly attributes?: Readonly<Record<string, unknown>>;
  /** Default: 1. The sources are of one mind for mode `device-compliance` only. */
  readonly inventoryEntityType?: number;
  /** EntityType of the verdict; default: 4. */
  readonly verdictEntityType?: number;
  /** The second entity of mode `conditional-access` (4.4, 6.1); absent unless all its attributes are known. */
  readonly complianceInventory?: ComplianceInventory;
}

export interface ComplianceInventory {
  readonly entityType: number;
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** The encoding of `Content`; default: that of the api-version. */
export type ContentForm = 'array' | 'string';

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
      EntityType: report.inventoryEntityType ?? inventoryEntityType,
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
  EntityType: report.verdictEntityType ?? verdictEntityType,
  TenantId: report.tenantId,
  DeviceId: report.deviceId,
  UserId: report.userId,
  LastUpdateTime: wireTime(report.lastUpdateTime),
  complianceStatus: compliant ? 'compliant' : 'notCompliant',
});

/** The attributes that Intune's own policies examine, where it makes the verdict. */
const complianceInventoryEntity = (
  report: DeviceReport,
  { attributes, entityType }: ComplianceInventory,
): UploadEntity => ({
  ...attributes,
  EntityType: entityType,
  TenantId: report.tenantId,
  DeviceId: report.deviceId,
  UserId: report.userId,
  LastUpdateTime: wireTime(report.lastUpdateTime),
});

/** EntityType 1, then 4 when there is a verdict and the compliance inventory when it is known. */
export function deviceEntities(report: DeviceReport): readonly UploadEntity[] {
  const { complianceInventory, compliant } = report;
  return [
    inventoryEntity(report),
    ...(compliant === undefined ? [] : [complianceEntity(report, compliant)]),
    ...(complianceInventory === undefined ? [] : [complianceInventoryEntity(report, complianceInventory)]),
  ];
}

/** A JSON string from 1.2 on (domain/microsoft.md 4.4). */
function contentFormOf(apiVersion: string): ContentForm {
  const [major = 0, minor = 0] = apiVersion.split('.').map(Number);
  return major > 1 || (major === 1 && minor >= 2) ? 'string' : 'array';
}

/** The entities of one device as JSON text, an array: what is stored, and sent again to the letter. */
export const deviceEntitiesText = (report: DeviceReport): string => JSON.stringify(deviceEntities(report));

/**
 * The body of one message with reports of one tenant, from the stored texts of `deviceEntitiesText`: the same texts,
 * time and form make the same body to the letter.
 */
export function uploadBody(input: {
  readonly tenantId: string;
  readonly uploadTime: Date | string;
  readonly apiVersion: string;
  readonly contentForm?: ContentForm;
  readonly entities: readonly string[];
}): UploadBody {
  const content = `[${input.entities.map((text) => text.slice(1, -1)).join(',')}]`;
  const form = input.contentForm ?? contentFormOf(input.apiVersion);
  return {
    TenantId: input.tenantId,
    UploadTime: wireTime(input.uploadTime),
    Content: form === 'string' ? content : (JSON.parse(content) as UploadEntity[]),
  };
}
