import { clientSecretOf, type World } from './world.ts';

/** A file that a gateway of this world needs, or that its operator copies from. */
export interface GatewayFile {
  readonly content: string;
  /** Readable by its owner only. */
  readonly secret: boolean;
}

/** `usgov-dod` is `USGOV_DOD` in a variable's name: contract.md 3. */
const suffixOf = (cloud: string): string => `_${cloud.toUpperCase().replaceAll('-', '_')}`;

/** Names of the files, by what they hold; the same for the environment, the control API and the disk. */
export const gatewayFileNames = {
  authority: 'ca.crt',
  clouds: 'clouds.json',
  connectorCertificate: (cloud: string): string => `connector-${cloud}.crt`,
  connectorKey: (cloud: string): string => `connector-${cloud}.key`,
  callerSecret: (cloud: string): string => `caller-${cloud}.secret`,
  instanceSecret: (instance: string): string => `jamf-${instance}.secret`,
} as const;

/** Every file, by name. */
export function gatewayFiles(world: World): Map<string, GatewayFile> {
  const names = gatewayFileNames;
  const open = (content: string): GatewayFile => ({ content, secret: false });
  const secret = (content: string): GatewayFile => ({ content, secret: true });
  const files = new Map<string, GatewayFile>([
    // Ends with a line break: a bundle of certificates is made by putting files one after the other.
    [names.authority, open(`${world.authority.certificatePem.trimEnd()}\n`)],
    [names.clouds, open(`${JSON.stringify(world.cloudsFile(), null, 2)}\n`)],
  ]);
  for (const [cloud, { caller, connector }] of world.applications) {
    files.set(names.connectorCertificate(cloud), open(connector.certificate.certificatePem));
    files.set(names.connectorKey(cloud), secret(connector.certificate.keyPem));
    files.set(names.callerSecret(cloud), secret(caller.clientSecret));
  }
  for (const [name, instance] of world.instances) {
    files.set(names.instanceSecret(name), secret(clientSecretOf(instance)));
  }
  return files;
}

/**
 * The variables of contract.md 3 that connect a gateway to this world; `pathOf` says where a file lies. What is
 * the gateway's own (data directory, listeners, bootstrap key) is not among them.
 */
export function gatewayEnvironment(world: World, pathOf: (file: string) => string): Record<string, string> {
  const names = gatewayFileNames;
  const variables: Record<string, string> = {
    NODE_EXTRA_CA_CERTS: pathOf(names.authority),
    ESPALIER_PUBLIC_URL: world.publicUrl,
    ESPALIER_CLOUDS_FILE: pathOf(names.clouds),
    // Everything of this world is on the loopback interface, which a gateway refuses unless it is configured to.
    ESPALIER_UPSTREAM_ALLOW: '127.0.0.0/8,::1/128,localhost',
  };
  for (const [cloud, { connector, diagnostic, userRegistration }] of world.applications) {
    const suffix = suffixOf(cloud);
    variables[`ESPALIER_ENTRA_CLIENT_ID${suffix}`] = connector.clientId;
    variables[`ESPALIER_ENTRA_CERT_FILE${suffix}`] = pathOf(names.connectorCertificate(cloud));
    variables[`ESPALIER_ENTRA_KEY_FILE${suffix}`] = pathOf(names.connectorKey(cloud));
    variables[`ESPALIER_USER_APP_CLIENT_ID${suffix}`] = userRegistration.clientId;
    variables[`ESPALIER_DIAGNOSTIC_CLIENT_ID${suffix}`] = diagnostic.clientId;
    variables[`ESPALIER_DIAGNOSTIC_CLIENT_SECRET${suffix}`] = diagnostic.clientSecret;
  }
  const { operators } = world;
  const suffix = suffixOf(operators.cloud);
  variables.ESPALIER_ADMIN_URL = world.adminUrl;
  variables.ESPALIER_OPERATOR_TENANTS = operators.tenantId;
  variables.ESPALIER_OPERATOR_CLOUD = operators.cloud;
  variables[`ESPALIER_OPERATOR_CLIENT_ID${suffix}`] = operators.clientId;
  variables[`ESPALIER_OPERATOR_CLIENT_SECRET${suffix}`] = operators.clientSecret;
  return variables;
}
