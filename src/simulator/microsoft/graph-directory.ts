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
    entity: {
      id: user.userId,
      displayName: user.displayName,
      userPrincipalName: user.userPrincipalName,
      accountEnabled: user.accountEnabled ?? true,
    },
  };
}

function describe(request: GraphRequest, device: SimulatedDevice): Record<string, unknown> {
  const visible = request.token.roles.includes(complianceReaderRole);
  return {
    id: device.objectId,
    deviceId: device.deviceId,
    displayName: device.displayName,
    accountEnabled: device.accountEnabled,
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

/** `directoryObjects/getByIds`: what is gone, or of a type that was not asked for, is left out. */
export function readObjectsByIds(request: GraphRequest): GraphAnswer {
  const { ids, types } = (request.body ?? {}) as { ids?: unknown; types?: unknown };
  if (
    !isTextList(ids) ||
    ids.length === 0 ||
    ids.length > 1_000 ||
    (types !== undefined && !isTextList(types))
  ) {
    return {
      kind: 'failure',
      status: 400,
      code: 'Request_BadRequest',
      message: 'Invalid value specified for property of the request: ids must hold 1 to 1000 ids.',
    };
  }
  const { devices, groups, users } = request.token.tenant;
  const wants = (type: string): boolean => types === undefined || types.includes(type);
  const objects = ids.flatMap((id) => {
    const wanted = id.toLowerCase();
    const group = groups.get(wanted);
    if (group)
      return wants('group') ? [typed('group', { id: group.groupId, displayName: group.displayName })] : [];
    const user = users.get(wanted);
    if (user) return wants('user') ? [typed('user', { id: user.userId, displayName: user.displayName })] : [];
    const device = [...devices.values()].find(({ objectId }) => objectId === wanted);
    return device && wants('device') ? [typed('device', describe(request, device))] : [];
  });
  return { kind: 'collection', set: 'directoryObjects', items: objects, pageSize: null };
}

const isTextList = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((entry) => typeof entry === 'string');

const typed = (type: string, entity: Record<string, unknown>): Record<string, unknown> => ({
  '@odata.type': `#microsoft.graph.${type}`,
  ...entity,
});
