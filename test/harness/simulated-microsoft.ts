import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { SignJWT } from 'jose';
import { Agent, fetch, type RequestInit, type Response } from 'undici';
import { createAuthority } from '../../src/simulator/authority.ts';
import { type Clock, createClock } from '../../src/simulator/clock.ts';
import { createDirectory, type Directory, type SimulatedTenant } from '../../src/simulator/directory.ts';
import { createFaults, type Faults } from '../../src/simulator/faults.ts';
import { createJournal, type Journal } from '../../src/simulator/journal.ts';
import { connectorRoles, graphRole, signInScope } from '../../src/simulator/microsoft/applications.ts';
import { type MicrosoftCloud, startMicrosoftCloud } from '../../src/simulator/microsoft/cloud.ts';
import { microsoftControl } from '../../src/simulator/microsoft/control.ts';
import { createRandom } from '../../src/simulator/random.ts';

export const tenantId = '11111111-1111-4111-8111-111111111111';
export const userId = '22222222-2222-4222-8222-222222222222';
export const deviceId = '33333333-3333-4333-8333-333333333333';
export const connectorId = '44444444-4444-4444-8444-444444444444';
export const diagnosticId = '55555555-5555-4555-8555-555555555555';
export const redirectUri = 'https://gateway.example/microsoft/consent';

export interface ClientCertificate {
  readonly pem: string;
  readonly privateKey: CryptoKeyPair['privateKey'];
  /** The same RSA key for the older signature algorithm. */
  readonly privateKeyRs256: CryptoKeyPair['privateKey'];
  readonly sha256: string;
  readonly sha1: string;
}

export interface TestWorld {
  readonly cloud: MicrosoftCloud;
  readonly directory: Directory;
  readonly tenant: SimulatedTenant;
  readonly clock: Clock;
  readonly faults: Faults;
  readonly journal: Journal;
  readonly certificate: ClientCertificate;
  /** Over TLS, trusting the world's authority only; redirects are not followed. */
  request(url: string, init?: RequestInit): Promise<Response>;
  control(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }>;
  /** Token of the connector by secret. */
  token(scope: string, clientId?: string): Promise<string>;
  readonly graphScope: string;
  readonly intuneScope: string;
  close(): Promise<void>;
}

async function makeCertificate(): Promise<ClientCertificate> {
  const { subtle } = globalThis.crypto;
  x509.cryptoProvider.set(globalThis.crypto);
  const algorithm = {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    modulusLength: 2048,
    publicExponent: new Uint8Array([1, 0, 1]),
  };
  const keys = await subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=connector',
    keys,
    signingAlgorithm: algorithm,
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 86_400_000),
  });
  const pkcs8 = await subtle.exportKey('pkcs8', keys.privateKey);
  const privateKey = await subtle.importKey('pkcs8', pkcs8, { name: 'RSA-PSS', hash: 'SHA-256' }, false, [
    'sign',
  ]);
  const print = async (hash: string): Promise<string> =>
    Buffer.from(await certificate.getThumbprint(hash)).toString('base64url');
  return {
    pem: certificate.toString('pem'),
    privateKey,
    privateKeyRs256: keys.privateKey,
    sha256: await print('SHA-256'),
    sha1: await print('SHA-1'),
  };
}

/** A certificate assertion as domain/microsoft.md 1.2 describes it, with members to get wrong. */
export async function signAssertion(
  world: TestWorld,
  changes: {
    header?: Record<string, unknown>;
    claims?: Record<string, unknown>;
    alg?: 'PS256' | 'RS256';
  } = {},
): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const { alg = 'PS256' } = changes;
  const { certificate, cloud } = world;
  return new SignJWT({
    aud: `${cloud.origins.entra}/${tenantId}/oauth2/v2.0/token`,
    iss: connectorId,
    sub: connectorId,
    jti: randomUUID(),
    nbf: now,
    iat: now,
    exp: now + 600,
    ...changes.claims,
  })
    .setProtectedHeader({
      alg,
      typ: 'JWT',
      ...(alg === 'PS256' ? { 'x5t#S256': certificate.sha256 } : { x5t: certificate.sha1 }),
      ...changes.header,
    })
    .sign(alg === 'PS256' ? certificate.privateKey : certificate.privateKeyRs256);
}

function populate(
  directory: Directory,
  cloud: MicrosoftCloud,
  certificate: ClientCertificate,
): SimulatedTenant {
  const tenant = directory.addTenant({ tenantId, cloud: cloud.name, displayName: 'Contoso' });
  directory.addUser(tenantId, { userId, userPrincipalName: 'anna@contoso.test', displayName: 'Anna' });
  directory.registerDevice(tenantId, {
    deviceId,
    objectId: randomUUID(),
    displayName: 'Mac of Anna',
    registeredUserId: userId,
    operatingSystemVersion: '15.1',
  });
  cloud.applications.register({
    appId: connectorId,
    displayName: 'Connector',
    redirectUris: [redirectUri],
    secrets: [{ value: 'connector+secret' }],
    certificates: [certificate.pem],
    accessTokenAcceptedVersion: 2,
    requestedRoles: connectorRoles('device-compliance'),
    delegatedScopes: [signInScope],
    appRoles: [
      { roleId: '66666666-6666-4666-8666-666666666601', value: 'Device.Read' },
      { roleId: '66666666-6666-4666-8666-666666666602', value: 'Device.Write' },
    ],
  });
  cloud.applications.register({
    appId: diagnosticId,
    displayName: 'Diagnostics',
    secrets: [{ value: 'connector+secret' }],
    requestedRoles: [
      graphRole('Device.Read.All'),
      graphRole('DeviceManagementManagedDevices.Read.All'),
      graphRole('DeviceManagementServiceConfig.Read.All'),
    ],
  });
  return tenant;
}

/** One cloud with one tenant that has consented to both applications, on real TLS sockets. */
export async function startTestWorld(name = 'public'): Promise<TestWorld> {
  const clock = createClock();
  const random = createRandom(7);
  const faults = createFaults(random);
  const journal = createJournal();
  const directory = createDirectory(clock.now);
  const authority = await createAuthority();
  const world = { clock, random, faults, journal, authorities: new Map<string, string>() };
  const cloud = await startMicrosoftCloud({ name, world, directory, authority });
  const certificate = await makeCertificate();
  const tenant = populate(directory, cloud, certificate);
  const agent = new Agent({ connect: { ca: authority.certificatePem } });
  const control = microsoftControl({ clouds: [cloud], directory });
  const request: TestWorld['request'] = (url, init) =>
    fetch(url, { redirect: 'manual', ...init, dispatcher: agent });
  const made: TestWorld = {
    cloud,
    directory,
    tenant,
    clock,
    faults,
    journal,
    certificate,
    request,
    graphScope: `${cloud.origins.graph}/.default`,
    intuneScope: cloud.cloudsFileEntry().intuneScope,
    control: async (method, path, body) => {
      const answer = await control.request(path, {
        method,
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      const text = await answer.text();
      return { status: answer.status, body: text === '' ? undefined : JSON.parse(text) };
    },
    token: async (scope, clientId = connectorId) => {
      const answer = await request(`${cloud.origins.entra}/${tenantId}/oauth2/v2.0/token`, {
        method: 'POST',
        body: new URLSearchParams({
          grant_type: 'client_credentials',
          client_id: clientId,
          client_secret: 'connector+secret',
          scope,
        }),
      });
      const body = (await answer.json()) as { access_token?: string };
      if (body.access_token === undefined) throw new Error(JSON.stringify(body));
      return body.access_token;
    },
    close: async () => {
      await agent.destroy();
      await cloud.close();
    },
  };
  for (const appId of [connectorId, diagnosticId]) {
    await made.control('PUT', `/tenants/${tenantId}/service-principals/${appId}`, {});
  }
  return made;
}
