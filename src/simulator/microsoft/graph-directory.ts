import type { SimulatedDevice } from '../directory.ts';
import {
  equalityFilter,
  type GraphAnswer,
  type GraphRequest,
  notFound,
  unsupportedQuery,
} from './graph-answer.ts';

/** domain/microsoft.md 5.3, read rule: without this role compliance reads null. */
const complianceReaderRole = 'DeviceManagementManagedDevices.Read.All';

/** `users('{upn}')`, by user principal name or object id. */
export function readUser(request: GraphRequest, key: string): GraphAnswer {
  const wanted = key.toLowerCase();
  const user = [...request.token.tenant.users.values()].find(
    (candidate) =>
      candidate.userId.toLowerCase() === wanted || candidate.userPrincipalName.toLowerCase() === wanted,
  );
  if (!user) return notFound(key);
  return {
    kind: 'entity',
    set: 'users',
    entity: { id: user.userId, displayName: user.displayName, userPrincipalName: user.userPrincipalName },
  };
}

function describe(request: GraphRequest, device: SimulatedDevice): Record<string, unknown> {
  const visible = request.token.roles.includes(complianceReaderRole);
  return {
    id: device.objectId,
    deviceId: device.deviceId,
    displayName: device.displayName,
    accountEnabled: true,
    isCompliant: visible ? device.isCompliant : null,
    isManaged: visible ? device.isManaged : null,
    mdmAppId: null,
    managementType: null,
    complianceExpirationDateTime: null,
    operatingSystem: device.operatingSystem,
    operatingSystemVersion: device.operatingSystemVersion,
    trustType: 'Workplace',
    profileType: 'RegisteredDevice',
    registrationDateTime: device.registeredAt,
    approximateLastSignInDateTime: device.registeredAt,
  };
}

/** `devices(deviceId='…')` or `devices/{object id}`. */
export function readDevice(
  request: GraphRequest,
  key: { deviceId: string | undefined; objectId: string | undefined },
): GraphAnswer {
  const { devices } = request.token.tenant;
  const device =
    key.deviceId === undefined
      ? [...devices.values()].find((candidate) => candidate.objectId === key.objectId)
      : devices.get(key.deviceId.toLowerCase());
  if (!device) return notFound(key.deviceId ?? key.objectId ?? '');
  return { kind: 'entity', set: 'devices', entity: describe(request, device) };
}

/** `devices?$filter=deviceId eq '…'` */
export function listDevices(request: GraphRequest): GraphAnswer {
  const deviceId = equalityFilter(request.query, 'deviceId');
  if (deviceId === undefined) return unsupportedQuery;
  const device = request.token.tenant.devices.get(deviceId.toLowerCase());
  return {
    kind: 'collection',
    set: 'devices',
    items: device ? [describe(request, device)] : [],
    pageSize: null,
  };
}

/** `groups?$filter=displayName eq '…'`; several groups may bear one name. */
export function listGroups(request: GraphRequest): GraphAnswer {
  const displayName = equalityFilter(request.query, 'displayName');
  if (displayName === undefined && request.query.has('$filter')) return unsupportedQuery;
  return {
    kind: 'collection',
    set: 'groups',
    items: [...request.token.tenant.groups.values()]
      .filter((group) => displayName === undefined || group.displayName === displayName)
      .map((group) => ({ id: group.groupId, displayName: group.displayName })),
    pageSize: null,
  };
}
