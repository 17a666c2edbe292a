/**
 * The directory of the simulated Entra: tenants, users, groups, device registrations, applications and their
 * grants. The Microsoft doubles read and write it; the fleet registers its Macs in it.
 */

export interface SimulatedUser {
  readonly userId: string;
  userPrincipalName: string;
  displayName: string;
  /** Default: true. */
  accountEnabled?: boolean;
}

/** A group's members may be users, devices and other groups, by object id. */
export interface SimulatedGroup {
  readonly groupId: string;
  displayName: string;
  members: Set<string>;
}

/** Something that Graph may notify of. */
export interface DirectoryEvent {
  readonly tenantId: string;
  readonly set: 'users' | 'groups' | 'devices';
  readonly objectId: string;
  readonly change: 'updated' | 'deleted';
  /** Members of a group. */
  readonly members?: { readonly added: readonly string[]; readonly removed: readonly string[] };
}

export interface SimulatedDevice {
  /** Object id, not the device id. */
  readonly objectId: string;
  readonly deviceId: string;
  displayName: string;
  accountEnabled: boolean;
  readonly registeredUserId: string;
  operatingSystem: string;
  operatingSystemVersion: string;
  /** The verdict for Conditional Access; null until a first one has taken effect. */
  isCompliant: boolean | null;
  isManaged: boolean | null;
  readonly registeredAt: string;
  /** Set when another partner still owns the device: uploads for it stay pending. */
  boundToOtherPartner: boolean;
}

/** An application's presence in one tenant. */
export interface SimulatedServicePrincipal {
  /** Object id; a re-created one has a new id. */
  objectId: string;
  readonly appId: string;
  displayName: string;
  accountEnabled: boolean;
  /** Granted application roles. They count from `effectiveAt` (milliseconds) on: propagation after consent. */
  readonly appRoles: { resourceAppId: string; roleId: string; value: string; effectiveAt: number }[];
  readonly delegatedGrants: {
    resourceAppId: string;
    scope: string;
    consentType: 'AllPrincipals' | 'Principal';
  }[];
}

export interface SimulatedTenant {
  readonly tenantId: string;
  readonly cloud: string;
  displayName: string;
  /** false: the Intune service principal is absent (not licensed). */
  hasIntune: boolean;
  /** The licence that Conditional Access needs: a subscription to Entra ID P1 or P2. */
  entraPremium: 'none' | 'P1' | 'P2';
  readonly servicePrincipals: Map<string, SimulatedServicePrincipal>;
  readonly users: Map<string, SimulatedUser>;
  readonly groups: Map<string, SimulatedGroup>;
  /** Devices by id, lower case. */
  readonly devices: Map<string, SimulatedDevice>;
}

export interface Directory {
  addTenant(tenant: {
    tenantId: string;
    cloud: string;
    displayName: string;
    hasIntune?: boolean;
  }): SimulatedTenant;
  tenant(tenantId: string): SimulatedTenant | undefined;
  tenants(): SimulatedTenant[];
  addUser(tenantId: string, user: SimulatedUser): void;
  /** A workplace join: makes the empty shell record that a registration leaves (isCompliant null). */
  registerDevice(
    tenantId: string,
    device: {
      deviceId: string;
      objectId: string;
      displayName: string;
      registeredUserId: string;
      operatingSystemVersion: string;
    },
  ): SimulatedDevice;
  removeDevice(tenantId: string, deviceId: string): void;
  /** Soft deletion, which Graph calls an update ("subscription resource type"). */
  removeUser(tenantId: string, userId: string): void;
  /** Makes the group or changes it, members included. */
  putGroup(tenantId: string, group: SimulatedGroup): void;
  removeGroup(tenantId: string, groupId: string): void;
  /** Called after a change of an object that the directory gave out. */
  note(event: DirectoryEvent): void;
  onChange(listener: (event: DirectoryEvent) => void): void;
}

function groupMethods(
  required: (tenantId: string) => SimulatedTenant,
  note: Directory['note'],
): Pick<Directory, 'putGroup' | 'removeGroup'> {
  return {
    putGroup: (tenantId, group) => {
      const { groups } = required(tenantId);
      const before = groups.get(group.groupId)?.members ?? new Set<string>();
      groups.set(group.groupId, group);
      const members = {
        added: [...group.members].filter((id) => !before.has(id)),
        removed: [...before].filter((id) => !group.members.has(id)),
      };
      note({ tenantId, set: 'groups', objectId: group.groupId, change: 'updated', members });
    },
    removeGroup: (tenantId, groupId) => {
      if (!required(tenantId).groups.delete(groupId)) return;
      note({ tenantId, set: 'groups', objectId: groupId, change: 'deleted' });
    },
  };
}

export function createDirectory(now: () => number): Directory {
  const tenants = new Map<string, SimulatedTenant>();
  const required = (tenantId: string): SimulatedTenant => {
    const tenant = tenants.get(tenantId);
    if (!tenant) throw new Error(`the simulated world has no tenant ${tenantId}`);
    return tenant;
  };
  const listeners: ((event: DirectoryEvent) => void)[] = [];
  const note: Directory['note'] = (event) => {
    for (const listener of listeners) listener(event);
  };
  return {
    ...{ note, onChange: (listener) => void listeners.push(listener) },
    ...groupMethods(required, note),
    addTenant: ({ tenantId, cloud, displayName, hasIntune = true }) => {
      const tenant: SimulatedTenant = {
        tenantId,
        cloud,
        displayName,
        hasIntune,
        entraPremium: 'P1',
        servicePrincipals: new Map(),
        users: new Map(),
        groups: new Map(),
        devices: new Map(),
      };
      tenants.set(tenantId, tenant);
      return tenant;
    },
    tenant: (tenantId) => tenants.get(tenantId),
    tenants: () => [...tenants.values()],
    addUser: (tenantId, user) => {
      required(tenantId).users.set(user.userId, user);
      note({ tenantId, set: 'users', objectId: user.userId, change: 'updated' });
    },
    removeUser: (tenantId, userId) => {
      if (!required(tenantId).users.delete(userId)) return;
      note({ tenantId, set: 'users', objectId: userId, change: 'updated' });
    },
    registerDevice: (tenantId, device) => {
      const made: SimulatedDevice = {
        ...device,
        accountEnabled: true,
        operatingSystem: 'MacMDM',
        isCompliant: null,
        isManaged: null,
        registeredAt: new Date(now()).toISOString(),
        boundToOtherPartner: false,
      };
      required(tenantId).devices.set(device.deviceId.toLowerCase(), made);
      note({ tenantId, set: 'devices', objectId: made.objectId, change: 'updated' });
      return made;
    },
    removeDevice: (tenantId, deviceId) => {
      const { devices } = required(tenantId);
      const device = devices.get(deviceId.toLowerCase());
      if (!device) return;
      devices.delete(deviceId.toLowerCase());
      note({ tenantId, set: 'devices', objectId: device.objectId, change: 'deleted' });
    },
  };
}
