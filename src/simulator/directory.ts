/**
 * What the simulated Entra knows: tenants, users, groups, device registrations, applications and their
 * grants. The Microsoft doubles read and write it; the fleet registers its Macs in it.
 */

export interface SimulatedUser {
  readonly userId: string;
  userPrincipalName: string;
  displayName: string;
}

export interface SimulatedDevice {
  /** Object id, not the device id. */
  readonly objectId: string;
  readonly deviceId: string;
  displayName: string;
  readonly registeredUserId: string;
  operatingSystem: string;
  operatingSystemVersion: string;
  /** What Conditional Access sees; null until a first verdict has taken effect. */
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
  readonly servicePrincipals: Map<string, SimulatedServicePrincipal>;
  readonly users: Map<string, SimulatedUser>;
  readonly groups: Map<string, { groupId: string; displayName: string; members: Set<string> }>;
  /** By device id, lower case. */
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
}

export function createDirectory(now: () => number): Directory {
  const tenants = new Map<string, SimulatedTenant>();
  const required = (tenantId: string): SimulatedTenant => {
    const tenant = tenants.get(tenantId);
    if (!tenant) throw new Error(`the simulated world has no tenant ${tenantId}`);
    return tenant;
  };
  return {
    addTenant: ({ tenantId, cloud, displayName, hasIntune = true }) => {
      const tenant: SimulatedTenant = {
        tenantId,
        cloud,
        displayName,
        hasIntune,
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
    },
    registerDevice: (tenantId, device) => {
      const made: SimulatedDevice = {
        ...device,
        operatingSystem: 'MacMDM',
        isCompliant: null,
        isManaged: null,
        registeredAt: new Date(now()).toISOString(),
        boundToOtherPartner: false,
      };
      required(tenantId).devices.set(device.deviceId.toLowerCase(), made);
      return made;
    },
    removeDevice: (tenantId, deviceId) => {
      required(tenantId).devices.delete(deviceId.toLowerCase());
    },
  };
}
