import type { ClientCertificate } from './client-certificate.ts';
import type { SimulatedTenant } from './directory.ts';
import { connectorRoles, graphRole, registerMicrosoftCaller, signInScope } from './microsoft/applications.ts';
import type { MicrosoftCloud } from './microsoft/cloud.ts';
import { grantApplication } from './microsoft/grants.ts';
import type { Random } from './random.ts';

/** The applications registered in one cloud, with what a gateway or a caller proves itself with. */
export interface WorldApplications {
  readonly connector: { readonly clientId: string; readonly certificate: ClientCertificate };
  readonly userRegistration: { readonly clientId: string };
  /** May read what the fixed two must not: `isCompliant`, the partner's state, change notifications. */
  readonly diagnostic: { readonly clientId: string; readonly clientSecret: string };
  /** Stands for the services of the Microsoft side that call the gateway. */
  readonly caller: { readonly clientId: string; readonly clientSecret: string };
}

export interface RegisterOptions {
  readonly random: Random;
  readonly certificate: ClientCertificate;
  /** Base URL of the gateway, without a trailing slash. */
  readonly publicUrl: string;
}

const makeSecret = (random: Random): string => `${random.guid()}${random.guid()}`.replaceAll('-', '');

/** Registers all four in the cloud. Ids and secrets follow from the seed; the certificate is given. */
export function registerApplications(cloud: MicrosoftCloud, options: RegisterOptions): WorldApplications {
  const { certificate, publicUrl, random } = options;
  const redirectUris = [`${publicUrl}/microsoft/consent`];
  const made: WorldApplications = {
    connector: { clientId: random.guid(), certificate },
    userRegistration: { clientId: random.guid() },
    diagnostic: { clientId: random.guid(), clientSecret: makeSecret(random) },
    caller: { clientId: random.guid(), clientSecret: makeSecret(random) },
  };
  cloud.applications.register({
    appId: made.connector.clientId,
    displayName: 'Espalier connector',
    redirectUris,
    certificates: [certificate.certificatePem],
    accessTokenAcceptedVersion: 2,
    requestedRoles: connectorRoles('device-compliance'),
    delegatedScopes: [signInScope],
    appRoles: ['Device.Read', 'Device.Write'].map((value) => ({ roleId: random.guid(), value })),
  });
  cloud.applications.register({
    appId: made.userRegistration.clientId,
    displayName: 'Espalier user registration',
    redirectUris,
    delegatedScopes: [signInScope],
  });
  cloud.applications.register({
    appId: made.diagnostic.clientId,
    displayName: 'Espalier diagnostics',
    secrets: [{ value: made.diagnostic.clientSecret }],
    // `isCompliant` reads null without the second of them (domain/microsoft.md 5.3).
    requestedRoles: [
      graphRole('Device.Read.All'),
      graphRole('DeviceManagementManagedDevices.Read.All'),
      graphRole('DeviceManagementServiceConfig.Read.All'),
      graphRole('Group.Read.All'),
      graphRole('User.Read.All'),
    ],
  });
  registerMicrosoftCaller(cloud.applications, {
    connectorAppId: made.connector.clientId,
    appId: made.caller.clientId,
    displayName: 'Caller of the Microsoft side',
    secret: made.caller.clientSecret,
  });
  return made;
}

/**
 * Consents to the diagnostic application and the caller in the tenant. The gateway asks for consent to the
 * other two itself.
 */
export function grantHelpers(
  cloud: MicrosoftCloud,
  tenant: SimulatedTenant,
  applications: WorldApplications,
): void {
  const { clock, random } = cloud.context.world;
  for (const { clientId } of [applications.diagnostic, applications.caller]) {
    const application = cloud.applications.get(clientId);
    if (!application) continue;
    grantApplication(tenant, {
      application,
      effectiveAt: clock.now(),
      withRoles: true,
      newObjectId: random.guid,
    });
  }
}
