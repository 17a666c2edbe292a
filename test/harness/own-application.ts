import { connectorRoles } from '../../src/simulator/microsoft/applications.ts';
import { grantApplication } from '../../src/simulator/microsoft/grants.ts';
import type { World } from '../../src/simulator/world.ts';

/** As the tenant's administrator does in his own tenant: registers the application and grants it. */
export function grantOwnApplication(
  world: World,
  tenantId: string,
  application: { readonly clientId: string; readonly clientSecret: string },
  mode: 'device-compliance' | 'conditional-access',
): void {
  const tenant = world.tenants.find((one) => one.tenantId === tenantId);
  const cloud = world.cloud(tenant?.cloud ?? '');
  const registered = cloud.applications.register({
    appId: application.clientId,
    displayName: 'Jamf of the tenant',
    secrets: [{ value: application.clientSecret }],
    requestedRoles: connectorRoles(mode),
  });
  const { clock, random } = cloud.context.world;
  grantApplication(world.directory.tenant(tenantId)!, {
    application: registered,
    effectiveAt: clock.now(),
    withRoles: true,
    newObjectId: random.guid,
  });
  cloud.settings.tenant(tenantId).intune.configuredAppId = application.clientId;
}
