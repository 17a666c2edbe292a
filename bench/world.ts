import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startControl } from '../src/simulator/control.ts';
import { gatewayEnvironment, gatewayFiles } from '../src/simulator/gateway-settings.ts';
import { connectorRoles } from '../src/simulator/microsoft/applications.ts';
import type { MicrosoftCloud } from '../src/simulator/microsoft/cloud.ts';
import { servicePath } from '../src/simulator/microsoft/graph-discovery.ts';
import { createWorld } from '../src/simulator/world.ts';
import { deviceIdOf, userIdOf } from './fleet.ts';
import { answerQuestions } from './worker.ts';

/**
 * The simulated Microsoft cloud in a process of its own, as `espalier simulate` runs it, without Jamf Pro servers and
 * with as many registered Macs as a benchmark wants.
 */

export interface WorldPlan {
  /** Where the files for the gateway go. */
  readonly dir: string;
  readonly publicUrl: string;
  /** Registered Macs, by tenant. */
  readonly tenants: readonly number[];
}

export interface BenchTenant {
  readonly tenantId: string;
  /** Address of its DataUploadMessages, and a token for it that lasts as long as the benchmark. */
  readonly uploads: string;
  readonly token: string;
}

/** An application that may call the connector, as whoever asks for compliance does. */
export interface Caller {
  readonly entra: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly scope: string;
}

export interface WorldFacts {
  /** PEM of its authority. */
  readonly ca: string;
  /** Base address of the control API. */
  readonly control: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly certificate: { readonly certificatePem: string; readonly keyPem: string };
  readonly tenants: readonly BenchTenant[];
  readonly caller: Caller;
}

const tokenSeconds = 3_600;

/** Signed as Entra would, so that what Intune alone can do is measured without asking for it. */
function signToken(cloud: MicrosoftCloud, tenantId: string, appId: string): Promise<string> {
  const { context, keys } = cloud;
  const issuedAt = Math.floor(context.world.clock.now() / 1_000);
  return keys.sign({
    aud: context.intuneResource,
    iss: context.issuer(1, tenantId),
    iat: issuedAt,
    nbf: issuedAt,
    exp: issuedAt + tokenSeconds,
    appid: appId,
    tid: tenantId,
    roles: connectorRoles('device-compliance').map(({ value }) => value),
  });
}

answerQuestions(async ({ dir, publicUrl, tenants }: WorldPlan): Promise<WorldFacts> => {
  const world = await createWorld({
    clouds: ['public'],
    tenants: tenants.map((_, index) => ({ displayName: `Tenant ${index}`, instances: [] })),
    publicUrl,
  });
  for (const [tenant, { tenantId }] of world.tenants.entries()) {
    for (let device = 0; device < (tenants[tenant] ?? 0); device += 1) {
      const userId = userIdOf(tenant, device);
      const userPrincipalName = `user${device}@tenant${tenant}.example`;
      world.directory.addUser(tenantId, { userId, userPrincipalName, displayName: `User ${device}` });
      world.directory.registerDevice(tenantId, {
        deviceId: deviceIdOf(tenant, device),
        objectId: deviceIdOf(tenant, device),
        displayName: `Mac ${device}`,
        registeredUserId: userId,
        operatingSystemVersion: '26.0',
      });
    }
  }
  mkdirSync(dir, { recursive: true });
  const pathOf = (file: string): string => join(dir, file);
  for (const [name, { content }] of gatewayFiles(world)) {
    writeFileSync(pathOf(name), content, { mode: 0o600 });
  }
  const control = await startControl(world, { pathOf });
  const cloud = world.cloud('public');
  const { caller, connector } = world.applications.get('public')!;
  return {
    ca: world.authority.certificatePem,
    control: `${control.origin}/control`,
    environment: gatewayEnvironment(world, pathOf),
    certificate: await world.authority.issue(['localhost', '127.0.0.1']),
    caller: {
      entra: cloud.origins.entra,
      clientId: caller.clientId,
      clientSecret: caller.clientSecret,
      scope: `${connector.clientId}/.default`,
    },
    tenants: await Promise.all(
      world.tenants.map(async ({ tenantId }) => ({
        tenantId,
        uploads: `${cloud.origins.intune}/${servicePath(cloud.context, tenantId, 'PartnerDeviceDataSyncService')}/DataUploadMessages`,
        token: await signToken(cloud, tenantId, connector.clientId),
      })),
    ),
  };
});
