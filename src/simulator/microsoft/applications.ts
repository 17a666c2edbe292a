/** Application ids and permission GUIDs of Microsoft's own applications: domain/microsoft.md 2.1 and 2.2. */
export const graphAppId = '00000003-0000-0000-c000-000000000000';
/** The service principal whose endpoints name the scale unit of a tenant's Intune. */
export const intuneAnchorAppId = '0000000a-0000-0000-c000-000000000000';
/** The resource that partner data is sent to. */
export const intuneApiAppId = 'c161e42e-d4df-4a3d-9b42-e7a3c31f59d4';

const graphRoleIds = {
  'Directory.Read.All': '7ab1d382-f21e-4acd-a863-ba3e13f7da61',
  'Application.Read.All': '9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30',
  'Device.Read.All': '7438b122-aefc-4978-80ed-43db9fcc7715',
  'DeviceManagementManagedDevices.Read.All': '2f51be20-0bb4-4fed-bf7b-db946066c75e',
  'DeviceManagementServiceConfig.Read.All': '06a5fe6d-c49d-46a7-b082-56b1b14103c7',
  'DeviceManagementConfiguration.Read.All': 'dc377aa6-52d8-4e23-b271-2a7ae04cedf3',
  'DelegatedPermissionGrant.Read.All': '81b4724a-58aa-41c1-8a55-84ef97466587',
  'Group.Read.All': '5b567255-7703-4780-807c-7be8301ae99b',
  'User.Read.All': 'df021288-bdef-4463-88db-98f22de89214',
} as const;

const intuneRoleIds = {
  update_device_attributes: '7b3c62c0-bbe4-4ceb-971b-ecc50a191b3e',
  manage_partner_compliance_policy: '3857e233-c379-404e-85e9-bdbf3a62b28f',
  get_device_compliance: '7ec88bad-30c7-4928-a005-4455362cfd98',
  get_data_warehouse: '3d9dc976-32fb-45a8-90bd-c9f8a850d098',
} as const;

/** An application permission asked for in an application's manifest. */
export interface RequestedRole {
  readonly resourceAppId: string;
  readonly roleId: string;
  readonly value: string;
}

export const graphRole = (value: keyof typeof graphRoleIds): RequestedRole => ({
  resourceAppId: graphAppId,
  roleId: graphRoleIds[value],
  value,
});

export const intuneRole = (value: keyof typeof intuneRoleIds): RequestedRole => ({
  resourceAppId: intuneApiAppId,
  roleId: intuneRoleIds[value],
  value,
});

/** The permissions of the connector application: domain/microsoft.md 2.2, contract.md 11 `permissions`. */
export const connectorRoles = (mode: 'device-compliance' | 'conditional-access'): RequestedRole[] => [
  graphRole('Directory.Read.All'),
  intuneRole('update_device_attributes'),
  ...(mode === 'device-compliance' ? [intuneRole('manage_partner_compliance_policy')] : []),
];

/** The delegated permission that both of the article's applications ask for. */
export const signInScope = { resourceAppId: graphAppId, scope: 'User.Read' } as const;

export interface ApplicationSecret {
  readonly value: string;
  /** ISO 8601, by the world's clock; absent means it never expires. */
  readonly expiresAt?: string | undefined;
}

/** An application registered in one cloud. */
export interface RegisteredApplication {
  /** Lower case. */
  readonly appId: string;
  readonly displayName: string;
  readonly redirectUris: readonly string[];
  readonly secrets: readonly ApplicationSecret[];
  /** Certificates in PEM, any number: domain/microsoft.md 1.2, overlap while rotating. */
  readonly certificates: readonly string[];
  /** Decides the version of tokens issued *for* this application: null and 1 give v1. */
  readonly accessTokenAcceptedVersion: 1 | 2 | null;
  readonly requestedRoles: readonly RequestedRole[];
  readonly delegatedScopes: readonly { readonly resourceAppId: string; readonly scope: string }[];
  /** Application roles this application offers to callers. */
  readonly appRoles: readonly { readonly roleId: string; readonly value: string }[];
  /** Besides the application id and `api://<appId>`, which always name it. */
  readonly identifierUris: readonly string[];
}

export type ApplicationInput = Pick<RegisteredApplication, 'appId' | 'displayName'> &
  Partial<RegisteredApplication>;

export interface Applications {
  /** Registers or replaces. */
  register(application: ApplicationInput): RegisteredApplication;
  /** undefined: not registered. */
  update(
    appId: string,
    change: Partial<Omit<RegisteredApplication, 'appId'>>,
  ): RegisteredApplication | undefined;
  get(appId: string): RegisteredApplication | undefined;
  list(): RegisteredApplication[];
}

/** The applications registered in one cloud; each cloud has its own (domain/microsoft.md 1.1). */
export function createApplications(): Applications {
  const applications = new Map<string, RegisteredApplication>();
  const keep = (application: RegisteredApplication): RegisteredApplication => {
    applications.set(application.appId, application);
    return application;
  };
  return {
    register: (input) =>
      keep({
        redirectUris: [],
        secrets: [],
        certificates: [],
        accessTokenAcceptedVersion: null,
        requestedRoles: [],
        delegatedScopes: [],
        appRoles: [],
        identifierUris: [],
        ...input,
        appId: input.appId.toLowerCase(),
      }),
    update: (appId, change) => {
      const known = applications.get(appId.toLowerCase());
      return known && keep({ ...known, ...change, appId: known.appId });
    },
    get: (appId) => applications.get(appId.toLowerCase()),
    list: () => [...applications.values()],
  };
}

/**
 * Registers a service of the Microsoft side that calls the gateway: it asks for every role that the connector
 * application offers. Once granted in a tenant, client credentials with scope `<connector>/.default` give it
 * a token for the gateway.
 */
export function registerMicrosoftCaller(
  applications: Applications,
  caller: { connectorAppId: string; appId: string; displayName: string; secret: string },
): RegisteredApplication | undefined {
  const connector = applications.get(caller.connectorAppId);
  if (!connector) return undefined;
  return applications.register({
    appId: caller.appId,
    displayName: caller.displayName,
    secrets: [{ value: caller.secret }],
    requestedRoles: connector.appRoles.map((role) => ({ resourceAppId: connector.appId, ...role })),
  });
}
