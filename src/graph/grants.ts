import { asObject, type JsonObject } from '../untrusted/bounded-json.ts';
import {
  asString,
  type GraphCall,
  type GraphFailure,
  getCollection,
  getObject,
  isMissing,
  type RefusedHost,
} from './call.ts';

/** An application permission: `role` is its value such as `Directory.Read.All`, or its id when no name is known. */
export interface ApplicationGrant {
  readonly resourceAppId: string;
  readonly role: string;
  readonly roleId: string;
}

/** A delegated permission; `AllPrincipals` is an administrator's consent, `Principal` one user's. */
export interface DelegatedGrant {
  readonly resourceAppId: string;
  readonly scope: string;
  readonly consentType: 'AllPrincipals' | 'Principal';
}

export type GrantsResult =
  | {
      readonly ok: true;
      readonly found: true;
      readonly accountEnabled: boolean;
      readonly disabledByMicrosoft: boolean;
      readonly application: readonly ApplicationGrant[];
      readonly delegated: readonly DelegatedGrant[];
    }
  | { readonly ok: true; readonly found: false }
  | GraphFailure
  | RefusedHost;

/** Names of the roles that matter, for where `appRoles` cannot be read (domain/microsoft.md 2.2). */
const roleNames: ReadonlyMap<string, string> = new Map([
  ['7ab1d382-f21e-4acd-a863-ba3e13f7da61', 'Directory.Read.All'],
  // AAD Graph's flavour of it, unverified: domain/microsoft.md 2.2.
  ['5778995a-e1bf-45b8-affa-663a9f3f4d04', 'Directory.Read.All'],
  ['7b3c62c0-bbe4-4ceb-971b-ecc50a191b3e', 'update_device_attributes'],
  ['3857e233-c379-404e-85e9-bdbf3a62b28f', 'manage_partner_compliance_policy'],
  ['3d9dc976-32fb-45a8-90bd-c9f8a850d098', 'get_data_warehouse'],
  ['7ec88bad-30c7-4928-a005-4455362cfd98', 'get_device_compliance'],
  ['907d16c7-7591-49a4-b523-6fd42e5f2c7e', 'pfx_cert_provider'],
  ['39d724e8-6a34-4930-9a36-364082c35716', 'scep_challenge_provider'],
  ['7828b294-fdcc-4ed6-a45a-854364afb21d', 'send_data_usage'],
  ['a5438881-186a-48f0-bc41-a93ae8a195fe', 'update_device_health'],
  ['9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30', 'Application.Read.All'],
  ['7438b122-aefc-4978-80ed-43db9fcc7715', 'Device.Read.All'],
  ['1138cb37-bd11-4084-a2b7-9f71582aeddb', 'Device.ReadWrite.All'],
  ['06a5fe6d-c49d-46a7-b082-56b1b14103c7', 'DeviceManagementServiceConfig.Read.All'],
  ['5ac13192-7ace-4fcf-b828-1a26f28068ee', 'DeviceManagementServiceConfig.ReadWrite.All'],
  ['2f51be20-0bb4-4fed-bf7b-db946066c75e', 'DeviceManagementManagedDevices.Read.All'],
  ['dc377aa6-52d8-4e23-b271-2a7ae04cedf3', 'DeviceManagementConfiguration.Read.All'],
  ['5b567255-7703-4780-807c-7be8301ae99b', 'Group.Read.All'],
  ['df021288-bdef-4463-88db-98f22de89214', 'User.Read.All'],
]);

interface ResourceApplication {
  readonly appId: string;
  readonly roles: ReadonlyMap<string, string>;
}

const lower = (value: unknown): string => asString(value)?.toLowerCase() ?? '';

function resourceOf(body: JsonObject, objectId: string): ResourceApplication {
  const roles = Array.isArray(body.appRoles) ? body.appRoles.map(asObject) : [];
  return {
    appId: lower(body.appId) || objectId,
    roles: new Map(roles.map((role) => [lower(role?.id), asString(role?.value) ?? lower(role?.id)])),
  };
}

/** Object ids differ per tenant, application ids do not: one look-up for each resource that is granted. */
async function readResources(
  call: GraphCall,
  objectIds: ReadonlySet<string>,
): Promise<
  { readonly ok: true; readonly resources: ReadonlyMap<string, ResourceApplication> } | GraphFailure
> {
  const resources = new Map<string, ResourceApplication>();
  for (const objectId of objectIds) {
    const path = `servicePrincipals/${encodeURIComponent(objectId)}?$select=id,appId,appRoles`;
    const answer = await getObject(call, path);
    if (answer.ok) resources.set(objectId, resourceOf(answer.body, objectId));
    // Deleted since: what was granted on it is shown by its object id.
    else if (answer.failure !== 'not-found') return answer;
  }
  return { ok: true, resources };
}

const delegatedOf = (item: JsonObject, resourceAppId: string): readonly DelegatedGrant[] =>
  (asString(item.scope) ?? '')
    .split(' ')
    .filter((scope) => scope !== '')
    .map((scope) => ({
      resourceAppId,
      scope,
      consentType: item.consentType === 'AllPrincipals' ? 'AllPrincipals' : 'Principal',
    }));

/**
 * The permissions that an application has been granted in the token's tenant, to be compared as sets (domain/microsoft.md 2.3).
 * Needs Directory.Read.All. `found: false`: the application is not there, consent is gone.
 */
export async function readGrants(call: GraphCall & { readonly appId: string }): Promise<GrantsResult> {
  const principalPath = `servicePrincipals(appId='${encodeURIComponent(call.appId)}')`;
  const select = 'id,appId,accountEnabled,disabledByMicrosoftStatus';
  const principal = await getObject(call, `${principalPath}?$select=${select}`);
  if (!principal.ok) return isMissing(principal) ? { ok: true, found: false } : principal;
  const id = encodeURIComponent(asString(principal.body.id) ?? '');
  const assignments = await getCollection(call, `servicePrincipals/${id}/appRoleAssignments`);
  if (!assignments.ok) return assignments;
  const consents = await getCollection(call, `servicePrincipals/${id}/oauth2PermissionGrants`);
  if (!consents.ok) return consents;
  const objectIds = new Set([...assignments.items, ...consents.items].map((item) => lower(item.resourceId)));
  const named = await readResources(call, objectIds);
  if (!named.ok) return named;
  const appIdOf = (item: JsonObject): string =>
    named.resources.get(lower(item.resourceId))?.appId ?? lower(item.resourceId);
  return {
    ok: true,
    found: true,
    accountEnabled: principal.body.accountEnabled !== false,
    disabledByMicrosoft: ![undefined, 'NotDisabled'].includes(
      asString(principal.body.disabledByMicrosoftStatus),
    ),
    application: assignments.items.map((item) => {
      const roleId = lower(item.appRoleId);
      const name = named.resources.get(lower(item.resourceId))?.roles.get(roleId) ?? roleNames.get(roleId);
      return { resourceAppId: appIdOf(item), role: name ?? roleId, roleId };
    }),
    delegated: consents.items.flatMap((item) => delegatedOf(item, appIdOf(item))),
  };
}
