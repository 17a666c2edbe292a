import { derivedGuid, grantApplication } from '../../src/simulator/microsoft/grants.ts';
import { assignmentsOf } from '../../src/simulator/microsoft/user-assignments.ts';
import type { Scene } from './gateway.ts';

/** People of a customer's own Entra tenant, who sign in as operators. */

/** The simulated world's own tenant of operators. */
export const operatorsTenant = derivedGuid('operators 1 public tenant');

export interface EntraPerson {
  readonly entraTenantId: string;
  readonly objectId: string;
  readonly account: string;
}

/** Has the person of a tenant of the world hold an app role of the operators' application. */
export function addOperator(scene: Scene, entraTenantId: string, name: string, role: string): EntraPerson {
  const cloud = scene.world.cloud('public');
  const tenant = scene.world.directory.tenant(entraTenantId)!;
  const account = `${name}@${entraTenantId}`;
  const objectId = derivedGuid(account);
  scene.world.directory.addUser(entraTenantId, {
    userId: objectId,
    userPrincipalName: account,
    displayName: name,
  });
  const { clientId } = scene.world.operators;
  const principal =
    tenant.servicePrincipals.get(clientId) ??
    grantApplication(tenant, {
      application: cloud.applications.get(clientId)!,
      effectiveAt: cloud.context.world.clock.now(),
      withRoles: false,
      newObjectId: cloud.context.world.random.guid,
    });
  assignmentsOf(principal).byUser.set(objectId, [role]);
  return { entraTenantId, objectId, account };
}

/** An access token of Entra for the admin API, as a command line would have got it so many seconds ago. */
export function tokenOf(scene: Scene, person: EntraPerson, role: string, agoSeconds = 0): Promise<string> {
  const cloud = scene.world.cloud('public');
  const now = Math.floor(Date.now() / 1_000) - agoSeconds;
  const { clientId } = scene.world.operators;
  return cloud.keys.sign({
    aud: clientId,
    iss: cloud.context.issuer(2, person.entraTenantId),
    iat: now,
    nbf: now,
    exp: now + 3_600,
    azp: clientId,
    oid: person.objectId,
    preferred_username: person.account,
    roles: [role],
    scp: 'access_as_user',
    tid: person.entraTenantId,
    ver: '2.0',
  });
}
