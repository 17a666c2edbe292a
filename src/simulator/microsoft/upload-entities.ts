import type { SimulatedTenant } from '../directory.ts';
import { isGuid } from './context.ts';
import { defaultEntityTypes, type EntityTypes } from './entity-types.ts';
import { isUtcTimestamp } from './utc-timestamp.ts';
import { isCompleteCompliance, readAttributes } from './wire-attributes.ts';

/** domain/microsoft.md 4.4, unless the tenant's settings give others. */
export const inventoryEntity = defaultEntityTypes.inventory;
export const complianceEntity = defaultEntityTypes.compliance;

export interface EntityFault {
  readonly code: string;
  readonly message: string;
  readonly deviceId: string | undefined;
}

/** The part of an entity that counts: exact names with exact values; all else is accepted without effect. */
export interface EntityEffect {
  readonly complianceStatus: 'compliant' | 'notCompliant' | null;
  readonly deviceManagementState: 'managed' | 'notManaged' | null;
  readonly deviceName: string | null;
  readonly osVersion: string | null;
  readonly lastCheckInTime: string | null;
  readonly encrypted: boolean | null;
  /** Attributes by the names of domain/microsoft.md 6. */
  readonly attributes: Readonly<Record<string, unknown>>;
}

const text = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);

const oneOf = <T extends string>(value: unknown, allowed: readonly T[]): T | null =>
  allowed.find((candidate) => candidate === value) ?? null;

/** Compliance inventory that lacks an attribute: it counts for nothing (domain/microsoft.md 6.1). */
export const isIncompleteCompliance = (
  entity: Record<string, unknown>,
  types: EntityTypes = defaultEntityTypes,
): boolean =>
  entity.EntityType === types.complianceInventory && !isCompleteCompliance(readAttributes(entity));

/** Reads an entity; undefined when nothing in it counts. */
export function readEffect(
  entity: Record<string, unknown>,
  types: EntityTypes = defaultEntityTypes,
): EntityEffect | undefined {
  const inventory = entity.EntityType === types.inventory;
  const compliance = entity.EntityType === types.compliance;
  const legacy = entity.EntityType === types.complianceInventory && !isIncompleteCompliance(entity, types);
  const attributes = inventory || legacy ? readAttributes(entity) : {};
  const effect = {
    complianceStatus: compliance ? oneOf(entity.complianceStatus, ['compliant', 'notCompliant']) : null,
    deviceManagementState: inventory ? oneOf(entity.DeviceManagementState, ['managed', 'notManaged']) : null,
    deviceName: inventory ? text(entity.DeviceName) : null,
    osVersion: inventory ? text(entity.OsVersion) : null,
    lastCheckInTime: inventory && isUtcTimestamp(entity.LastCheckInTime) ? entity.LastCheckInTime : null,
    encrypted: typeof attributes.Encrypted === 'boolean' ? attributes.Encrypted : null,
  };
  const counts = Object.values(effect).some((value) => value !== null) || Object.keys(attributes).length > 0;
  return counts ? { ...effect, attributes } : undefined;
}

/** Faults that make the whole message fail: domain/microsoft.md 4.4 and 11.14. */
export function findFault(
  entity: Record<string, unknown>,
  tenant: SimulatedTenant,
  assignedGroupIds: readonly string[],
  types: EntityTypes = defaultEntityTypes,
): EntityFault | undefined {
  const { EntityType: type, TenantId: tenantId, DeviceId: deviceId, UserId: userId } = entity;
  const fault = (code: string, message: string): EntityFault => ({
    code,
    message,
    deviceId: typeof deviceId === 'string' ? deviceId : undefined,
  });
  if (!Number.isInteger(type)) return fault('InvalidEntity', 'EntityType is missing or not an integer.');
  if (typeof tenantId !== 'string' || tenantId.toLowerCase() !== tenant.tenantId.toLowerCase()) {
    return fault('InvalidEntity', 'TenantId of the entity is missing or of another tenant.');
  }
  if (!isGuid(deviceId) || !tenant.devices.has(deviceId.toLowerCase())) {
    return fault('DeviceNotFound', `Device ${String(deviceId)} was not found in the tenant.`);
  }
  if (!isGuid(userId) || !(tenant.users.has(userId) || tenant.users.has(userId.toLowerCase()))) {
    return fault('UserNotFound', `User ${String(userId)} was not found in the tenant.`);
  }
  if (!isUtcTimestamp(entity.LastUpdateTime)) {
    return fault('InvalidEntity', 'LastUpdateTime is missing or not an ISO 8601 UTC time.');
  }
  if (type === types.inventory && !Array.isArray(entity.EasIds)) {
    return fault('InvalidEntity', 'EasIds is required.');
  }
  const assigned =
    assignedGroupIds.length === 0 ||
    assignedGroupIds.some((groupId) => tenant.groups.get(groupId)?.members.has(userId));
  if (!assigned) return fault('UserNotAssigned', `User ${userId} is not assigned to this partner.`);
  return undefined;
}

/**
 * Orders timestamps of any fraction length: .NET writes seven digits, and cutting them to milliseconds would
 * make two different times equal.
 */
export function isLater(left: string, right: string): boolean {
  const normal = (value: string): string => {
    const [seconds = '', fraction = ''] = value.replace('Z', '').split('.');
    return `${seconds}.${fraction.padEnd(12, '0')}`;
  };
  return normal(left) > normal(right);
}
