import { grantApplication } from '../src/simulator/microsoft/grants.ts';
import type { World } from '../src/simulator/world.ts';
import { call } from '../test/harness/http.ts';
import type { Caller } from './world.ts';

/** Asks for a caller's token in a tenant that has consented. `ca` is the PEM of the world's authority. */
export async function askToken(
  { clientId, clientSecret, entra, scope }: Caller,
  tenantId: string,
  ca: string,
): Promise<string> {
  const answer = await call(`${entra}/${tenantId}/oauth2/v2.0/token`, {
    method: 'POST',
    ca,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: clientId,
      client_secret: clientSecret,
      scope,
    }).toString(),
  });
  if (answer.status !== 200) throw new Error(`Entra gave no token: ${answer.text}`);
  return answer.json.access_token;
}

/**
 * The one token that the caller uses until it expires. The administrator's consent to the connector, without which
 * Entra gives none, is written into the simulated tenant: the tenant stays unconnected and has nothing to deliver.
 */
export async function callerToken(world: World, tenantId: string): Promise<string> {
  const { caller, connector } = world.applications.get('public')!;
  const cloud = world.cloud('public');
  grantApplication(world.directory.tenant(tenantId)!, {
    application: cloud.applications.get(connector.clientId)!,
    effectiveAt: world.clock.now(),
    withRoles: true,
    newObjectId: world.random.guid,
  });
  return askToken(
    {
      entra: cloud.origins.entra,
      clientId: caller.clientId,
      clientSecret: caller.clientSecret,
      scope: `${connector.clientId}/.default`,
    },
    tenantId,
    world.authority.certificatePem,
  );
}
