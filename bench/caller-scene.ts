import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { bootstrapKey } from './admin-api.ts';
import { askToken } from './caller-token.ts';
import type { CallerRequest, CallerResult, CallersPlan } from './callers.ts';
import { type CloudScene, type ConnectedTenant, startCloudScene } from './cloud-scene.ts';
import { pushAll, stateOf } from './delivery.ts';
import { deviceIdOf, macRecord } from './fleet.ts';
import { type Run, unlessAborted, until } from './run.ts';
import { startWorker, type Worker } from './worker.ts';

/** Two tenants whose devices can be called, and every kind of request that can come of the second one or of a stranger. */

export type Kind =
  | 'calls'
  | 'webhooks'
  | 'large pushes'
  | 'calls to an instance that hangs'
  | 'lists'
  | 'exports'
  | 'pages'
  | 'no token'
  | 'bad tokens';

export interface CallerScene {
  readonly scene: CloudScene;
  /** Requests of this kind that a tenant's side makes. */
  requests(kind: Kind, tenant: 'quiet' | 'noisy'): readonly CallerRequest[];
  /** Base URL of the listener that takes them. */
  originOf(kind: Kind): string;
  /** Results by caller; in no seconds they only connect. `crowd`: the worker whose processes they are, so that a crowd does not delay a quiet caller. */
  play(
    crowd: 'quiet' | 'noisy',
    callers: CallersPlan['callers'],
    seconds: number,
  ): Promise<readonly CallerResult[]>;
}

const devicesOfTenant = 500;
const recordsOfLargePush = 2_000;
const learntWithinMs = 120_000;

/** An instance that gives a token and answers no other request. */
async function startHangingInstance(certificate: {
  readonly certificatePem: string;
  readonly keyPem: string;
}) {
  const { certificatePem: cert, keyPem: key } = certificate;
  const granted = JSON.stringify({ access_token: 'hangs', token_type: 'Bearer', expires_in: 3_600 });
  const server = createServer({ cert, key }, ({ url = '' }, outgoing) => {
    if (!url.endsWith('/oauth/token')) return;
    outgoing.writeHead(200, { 'content-type': 'application/json', 'content-length': granted.length });
    outgoing.end(granted);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `https://localhost:${(server.address() as AddressInfo).port}`,
    close: () => server.closeAllConnections(),
  };
}

const authorized = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

/** As many tokens of one header and other claims, with a signature that belongs to none of them. */
function forge(token: string, count: number): string[] {
  const [header = '', payload = ''] = token.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
  const signature = Buffer.alloc(256, 1).toString('base64url');
  return Array.from({ length: count }, (_, nth) => {
    const other = Buffer.from(JSON.stringify({ ...claims, uti: `forged-${nth}` })).toString('base64url');
    return `${header}.${other}.${signature}`;
  });
}

/** The hanging instance, with one device that is pinned to it. */
async function addHangingDevice(scene: CloudScene, { number, tenantId }: ConnectedTenant, url: string) {
  const path = `/tenants/${tenantId}`;
  const { id } = await scene.api('POST', `${path}/instances`, {
    name: 'hangs',
    url,
    apiClient: { clientId: 'c', clientSecret: 's' },
  });
  const deviceId = deviceIdOf(number, devicesOfTenant);
  await scene.api('PUT', `${path}/devices/${deviceId}`, { instanceId: id, jamfComputerId: 1, pinned: true });
  return deviceId;
}

export async function startCallerScene(
  run: Run,
  settings: Readonly<Record<string, string>>,
): Promise<CallerScene> {
  const { signal, stack } = run;
  const scene = await startCloudScene(run, { tenants: [devicesOfTenant, devicesOfTenant], settings });
  const [quiet, noisy] = scene.tenants;
  if (!quiet || !noisy) throw new Error('the scene has too few tenants');
  const hanging = await startHangingInstance(scene.certificate);
  stack.defer(() => hanging.close());
  await pushAll(scene, stateOf(1), signal);
  await until(
    'every device had its route',
    { everyMs: 500, patienceMs: learntWithinMs, signal },
    async () => {
      const [row] = await scene.sql<{ count: number }[]>`select count(*)::int as count from routes`;
      return { done: row?.count === 2 * devicesOfTenant, now: `${row?.count} routes` };
    },
  );
  const hangingDevice = await addHangingDevice(scene, noisy, hanging.url);
  const tokens = {
    quiet: await askToken(scene.caller, quiet.tenantId, scene.ca),
    noisy: await askToken(scene.caller, noisy.tenantId, scene.ca),
  };
  const forged = forge(tokens.noisy, 500);
  const packed = gzipSync(
    Array.from({ length: recordsOfLargePush }, (_, device) =>
      macRecord(noisy.number, device, stateOf(2)),
    ).join('\n'),
  ).toString('base64');

  const requests: CallerScene['requests'] = (kind, side) => {
    const tenant = side === 'quiet' ? quiet : noisy;
    const { instanceId, key, number, tenantId } = tenant;
    const call = (device: string, headers: Record<string, string>): CallerRequest => ({
      method: 'GET',
      path: `/t/${tenantId}/devices/${device}/compliance`,
      headers,
    });
    const first = deviceIdOf(number, 0);
    const operator = authorized(bootstrapKey);
    switch (kind) {
      case 'calls':
        return Array.from({ length: devicesOfTenant }, (_, device) =>
          call(deviceIdOf(number, device), authorized(tokens[side])),
        );
      case 'calls to an instance that hangs':
        return [call(hangingDevice, authorized(tokens.noisy))];
      case 'no token':
        return [call(first, {})];
      case 'bad tokens':
        return forged.map((token) => call(first, authorized(token)));
      case 'webhooks':
        return Array.from({ length: devicesOfTenant }, (_, device) => ({
          method: 'POST',
          path: `/jamf/${instanceId}/webhooks`,
          headers: { 'content-type': 'application/json', 'x-api-key': key },
          body: {
            text: `{"webhook":{"id":1,"name":"n","webhookEvent":"ComputerCheckIn"},"event":{"computer":{"jssID":${device + 1}},"trigger":"x"}}`,
          },
        }));
      case 'large pushes':
        return [
          {
            method: 'POST',
            path: `/jamf/${instanceId}/inventory`,
            headers: {
              'content-type': 'application/x-ndjson',
              'content-encoding': 'gzip',
              'x-api-key': key,
            },
            body: { base64: packed },
          },
        ];
      case 'pages':
        return [{ method: 'GET', path: `/t/${tenantId}/enroll?deviceId=${first}`, headers: {} }];
      case 'lists':
        return [
          { method: 'GET', path: `/api/v1/tenants/${tenantId}/devices?page-size=500`, headers: operator },
          { method: 'GET', path: '/api/v1/reports?page-size=500', headers: operator },
        ];
      case 'exports':
        return [{ method: 'GET', path: `/api/v1/tenants/${tenantId}/devices/export`, headers: operator }];
    }
  };
  const workers: Record<'quiet' | 'noisy', Worker<CallersPlan, readonly CallerResult[]>> = {
    quiet: startWorker('./callers.ts'),
    noisy: startWorker('./callers.ts'),
  };
  stack.defer(async () => {
    await Promise.all([workers.quiet.stop(), workers.noisy.stop()]);
  });
  return {
    scene,
    requests,
    originOf: (kind) => (kind === 'lists' || kind === 'exports' ? scene.gateway.admin : scene.gateway.data),
    play: (crowd, callers, seconds) =>
      unlessAborted(
        signal,
        workers[crowd].ask(
          { ca: scene.trust, durationMs: seconds * 1_000, callers },
          seconds * 1_000 + 90_000,
        ),
      ),
  };
}
