import { z } from 'zod';
import type { ApplicationGrant, DelegatedGrant } from '../graph/grants.ts';
import { parseJson } from '../untrusted/bounded-json.ts';

/**
 * Defines the permissions that our two applications must hold in a tenant, no more and no fewer (contract section 11,
 * mission M13): changed ones break registration without a word (domain/microsoft.md 2.3). Pure.
 */

export type PermissionMode = 'device-compliance' | 'conditional-access';
export type PermissionApplication = 'connector' | 'user-registration';

export interface Permission {
  /** Application id of the API, lower case. */
  readonly resourceAppId: string;
  /** `one-user`: a user's own consent, which does nothing for the others. */
  readonly kind: 'application' | 'delegated' | 'one-user';
  readonly name: string;
}

export interface ApplicationPermissions {
  readonly expected: readonly Permission[];
  /** Delegated names that an administrator's consent may bring along; of any API and consent type. */
  readonly tolerated: readonly string[];
}

export type ExpectedPermissions = Readonly<
  Record<PermissionMode, Readonly<Record<PermissionApplication, ApplicationPermissions>>>
>;

/** domain/microsoft.md 2.1 */
const apis = {
  graph: '00000003-0000-0000-c000-000000000000',
  intune: 'c161e42e-d4df-4a3d-9b42-e7a3c31f59d4',
} as const;
const aadGraph = '00000002-0000-0000-c000-000000000000';

const graphRole = (name: string): Permission => ({
  resourceAppId: apis.graph,
  kind: 'application',
  name,
});
const intuneRole = (name: string): Permission => ({
  resourceAppId: apis.intune,
  kind: 'application',
  name,
});
const signIn: Permission = { resourceAppId: apis.graph, kind: 'delegated', name: 'User.Read' };
const tolerated = ['openid', 'profile', 'offline_access'];

const legacyConnector = [graphRole('Directory.Read.All'), intuneRole('update_device_attributes'), signIn];
const userRegistration: ApplicationPermissions = { expected: [signIn], tolerated };

/** domain/microsoft.md 2.2; that manage_partner_compliance_policy is needed is unverified, hence the setting. */
export const defaultExpectedPermissions: ExpectedPermissions = {
  'device-compliance': {
    connector: {
      expected: [...legacyConnector, intuneRole('manage_partner_compliance_policy')],
      tolerated,
    },
    'user-registration': userRegistration,
  },
  'conditional-access': {
    connector: { expected: legacyConnector, tolerated },
    'user-registration': userRegistration,
  },
};

const keyOf = ({ kind, name, resourceAppId }: Permission): string =>
  `${resourceAppId}/${kind}/${name.toLowerCase()}`;

/**
 * The sources disagree whether the connector's Directory.Read.All is Graph's or AAD Graph's: either is the one
 * (domain/microsoft.md 2.2).
 */
const unified = (permission: Permission): Permission =>
  permission.resourceAppId === aadGraph &&
  permission.kind === 'application' &&
  permission.name === 'Directory.Read.All'
    ? { ...permission, resourceAppId: apis.graph }
    : permission;

const distinct = (permissions: readonly Permission[]): readonly Permission[] => [
  ...new Map(permissions.map((permission) => [keyOf(permission), permission])).values(),
];

/** Converts the result of `readGrants` to a set of permissions in one form. */
export function grantedPermissions(grants: {
  readonly application: readonly ApplicationGrant[];
  readonly delegated: readonly DelegatedGrant[];
}): readonly Permission[] {
  return distinct([
    ...grants.application.map(({ resourceAppId, role }) =>
      unified({ resourceAppId: resourceAppId.toLowerCase(), kind: 'application', name: role }),
    ),
    ...grants.delegated.map(({ consentType, resourceAppId, scope }) => ({
      resourceAppId: resourceAppId.toLowerCase(),
      kind: consentType === 'AllPrincipals' ? ('delegated' as const) : ('one-user' as const),
      name: scope,
    })),
  ]);
}

/**
 * Compares as sets (domain/microsoft.md 2.3). One user's consent does not stand for an administrator's: it is extra,
 * and what it names is still missing.
 */
export function comparePermissions(
  granted: readonly Permission[],
  { expected, tolerated: allowed }: ApplicationPermissions,
): { readonly missing: readonly Permission[]; readonly extra: readonly Permission[] } {
  const held = new Set(granted.map((permission) => keyOf(unified(permission))));
  const wanted = new Set(expected.map((permission) => keyOf(unified(permission))));
  const isTolerated = ({ kind, name }: Permission): boolean =>
    kind !== 'application' && allowed.includes(name.toLowerCase());
  return {
    missing: distinct(expected.filter((permission) => !held.has(keyOf(unified(permission))))),
    extra: distinct(
      granted.filter((permission) => !wanted.has(keyOf(unified(permission))) && !isTolerated(permission)),
    ),
  };
}

const apiName = (resourceAppId: string): string =>
  resourceAppId === aadGraph
    ? 'AAD Graph'
    : ({ [apis.graph]: 'Graph', [apis.intune]: 'Intune' }[resourceAppId] ?? resourceAppId);

/**
 * Texts for people: the plain name such as `User.Read`, with API and kind where the name alone could mean two of the
 * permissions at hand, and always where one user consented.
 */
export function permissionTexts(all: readonly Permission[]): (permission: Permission) => string {
  const known = distinct(all);
  return (permission) => {
    const { kind, name, resourceAppId } = permission;
    const alike = known.filter((other) => other.name === name && keyOf(other) !== keyOf(permission));
    if (kind === 'one-user') return `${name} (${apiName(resourceAppId)}, one user's consent)`;
    return alike.every((other) => other.kind === 'one-user')
      ? name
      : `${name} (${apiName(resourceAppId)}, ${kind})`;
  };
}

const guidForm = '[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}';
const permissionForm = new RegExp(`^(graph|intune|${guidForm}):([A-Za-z0-9._-]{1,128})$`);

const permissionList = (kind: Permission['kind']) =>
  z
    .array(
      z.string().regex(permissionForm, {
        error: 'must be like "graph:User.Read", "intune:update_device_attributes" or "{application id}:name"',
      }),
    )
    .max(100)
    .transform((texts) =>
      texts.map((text): Permission => {
        const [api = '', name = ''] = text.split(':');
        const resourceAppId = api === 'graph' || api === 'intune' ? apis[api] : api.toLowerCase();
        return { resourceAppId, kind, name };
      }),
    );

const applicationSetting = z.strictObject({
  application: permissionList('application').optional(),
  delegated: permissionList('delegated').optional(),
  tolerated: z.array(z.string().min(1).max(128)).max(100).optional(),
});
const modeSetting = z.strictObject({
  connector: applicationSetting.optional(),
  'user-registration': applicationSetting.optional(),
});
const setting = z.strictObject({
  'device-compliance': modeSetting.optional(),
  'conditional-access': modeSetting.optional(),
});

function overridden(
  base: ApplicationPermissions,
  given: z.infer<typeof applicationSetting> | undefined,
): ApplicationPermissions {
  const ofKind = (kind: Permission['kind']): readonly Permission[] =>
    base.expected.filter((permission) => permission.kind === kind);
  return {
    expected: [
      ...(given?.application ?? ofKind('application')),
      ...(given?.delegated ?? ofKind('delegated')),
    ],
    tolerated: given?.tolerated?.map((name) => name.toLowerCase()) ?? base.tolerated,
  };
}

export type ExpectedPermissionsResult =
  | { readonly ok: true; readonly expected: ExpectedPermissions }
  | { readonly ok: false; readonly errors: readonly string[] };

/**
 * Reads ESPALIER_EXPECTED_PERMISSIONS over the defaults: JSON by mode and application, such as
 * `{"device-compliance":{"connector":{"application":["graph:Directory.Read.All"],"delegated":[],"tolerated":[]}}}`.
 * A list that is given replaces the default one. Unset or empty is the defaults; every fault is returned.
 */
export function parseExpectedPermissions(text: string | undefined): ExpectedPermissionsResult {
  if (text === undefined || text.trim() === '') return { ok: true, expected: defaultExpectedPermissions };
  const given = setting.safeParse(parseJson(text), {
    error: (issue) => (issue.input === undefined ? 'must be a JSON object: mode to application' : undefined),
  });
  if (!given.success) {
    const errors = given.error.issues.map(({ message, path }) =>
      path.length === 0 ? message : `${path.join('.')}: ${message}`,
    );
    return { ok: false, errors };
  }
  const ofMode = (mode: PermissionMode): ExpectedPermissions[PermissionMode] => ({
    connector: overridden(defaultExpectedPermissions[mode].connector, given.data[mode]?.connector),
    'user-registration': overridden(
      defaultExpectedPermissions[mode]['user-registration'],
      given.data[mode]?.['user-registration'],
    ),
  });
  return {
    ok: true,
    expected: {
      'device-compliance': ofMode('device-compliance'),
      'conditional-access': ofMode('conditional-access'),
    },
  };
}
