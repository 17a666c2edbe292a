/**
 * The data listener's device calls twice in one process, once with the fast lane before it and once without, on the
 * same database, the same issuer of tokens and the same instance, whose answers a test writes byte by byte.
 */

import { generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { Hono } from 'hono';
import { builtInClouds, type Cloud } from '../../src/entra/clouds.ts';
import { createKeySource } from '../../src/entra/keys.ts';
import { createVerifiedTokens } from '../../src/entra/verified-tokens.ts';
import { createForward } from '../../src/forwarding/forward.ts';
import { createTargets } from '../../src/forwarding/targets.ts';
import { type Attempts, createAttempts } from '../../src/gateway/attempts.ts';
import { createDeviceCalls } from '../../src/gateway/device-call.ts';
import { createFairShare } from '../../src/gateway/fair-share.ts';
import { beginListener, finishListener, type ListenerEnv } from '../../src/gateway/listener.ts';
import { addMicrosoftRoutes } from '../../src/gateway/microsoft.ts';
import { Pressure } from '../../src/gateway/pressure.ts';
import { createRateLimit } from '../../src/gateway/rate.ts';
import { shedUnderPressure } from '../../src/gateway/shedding.ts';
import { createAddressPolicy } from '../../src/outbound/addresses.ts';
import { createNodeSend } from '../../src/outbound/node.ts';
import type { SocketAccess } from '../../src/outbound/node-sockets.ts';
import { createNodeUpstream } from '../../src/outbound/node-upstream.ts';
import { formatGuid } from '../../src/routing/guid-words.ts';
import { createRouteLookup } from '../../src/routing/lookup.ts';
import { createTrustedProxies } from '../../src/runtime/balancer/trusted-proxies.ts';
import { createInstanceClients } from '../../src/runtime/instance-clients.ts';
import { createLaneServices } from '../../src/runtime/lane/services.ts';
import { createCallerOf } from '../../src/runtime/node-caller.ts';
import { nodeSha256 } from '../../src/runtime/node-digest.ts';
import {
  type Listener,
  type ListenOptions,
  listen,
  nodeRequestFacts,
  respondOnNode,
} from '../../src/runtime/node-http.ts';
import { migrateDatabase } from '../../src/runtime/node-migrate.ts';
import { createRefusalTurns } from '../../src/runtime/node-refusal-turns.ts';
import { createNodeSignatureCheck } from '../../src/runtime/node-signature.ts';
import { createSealer } from '../../src/secrets/seal.ts';
import { createInstanceDirectory } from '../../src/store/instances/instance.ts';
import { createTenantDirectory } from '../../src/store/tenants/tenant.ts';
import { createLog } from '../../src/telemetry/log.ts';
import type { Metrics } from '../../src/telemetry/metrics.ts';
import { createTestDatabase } from './database.ts';
import { type RawServer, startRawServer } from './raw-server.ts';
import { testedSockets } from './sockets.ts';

export interface LaneScene {
  /** Ports of the listeners. */
  readonly lane: number;
  readonly plain: number;
  readonly listener: Listener;
  readonly instance: RawServer;
  readonly tenantId: string;
  readonly instanceId: string;
  readonly sql: Awaited<ReturnType<typeof createTestDatabase>>['sql'];
  /** A new device of the instance. */
  device(): Promise<string>;
  token(claims?: object): string;
  /** The issuer's address, and the key `k1` with which it signs. */
  readonly signing: {
    readonly origin: string;
    readonly privateKey: KeyObject;
    readonly publicKey: KeyObject;
  };
  /** Another tenant, with a device and a token of its own. Its instance is the same server. */
  neighbour(): Promise<{ readonly tenantId: string; readonly deviceId: string; readonly token: string }>;
  /** True where the token need not be verified again. */
  isVerified(token: string): boolean;
  /** One more listener for the same routes; without `sockets` it has no lane. It is closed with the scene. */
  listen(options: MoreListener): Promise<Listener>;
  /** Requests that the lane answered itself. */
  taken(): number;
  /** The counts of both implementations, in order. */
  readonly counted: string[];
  /** Of both implementations. */
  readonly pressure: Pressure;
  /** The instance's handler of everything but token requests. */
  answer: (socket: Socket, head: string) => void;
  close(): Promise<void>;
}

export interface MoreListener extends Pick<ListenOptions, 'certificates' | 'clientCa' | 'connections'> {
  readonly sockets?: SocketAccess;
  readonly callerIdleMs?: number;
}

const answerJson = (body: string): string =>
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;

async function startIssuer() {
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const keys = JSON.stringify({
    keys: [{ ...pair.publicKey.export({ format: 'jwk' }), kid: 'k1', use: 'sig' }],
  });
  const server = createServer((_request, response) => response.end(keys));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const cloud: Cloud = {
    ...(builtInClouds.get('public') as Cloud),
    issuer: `${origin}/{tenantid}/v2.0`,
    jwks: `${origin}/{tenantid}/keys`,
  };
  const base64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const token = (tenantId: string, claims: object): string => {
    const seconds = Math.floor(Date.now() / 1_000);
    const data = `${base64({ alg: 'RS256', kid: 'k1' })}.${base64({
      aud: 'gateway',
      iss: `${origin}/${tenantId}/v2.0`,
      ver: '2.0',
      tid: tenantId,
      exp: seconds + 3_600,
      roles: ['Device.Read', 'Device.Write'],
      ...claims,
    })}`;
    return `${data}.${sign('sha256', Buffer.from(data), pair.privateKey).toString('base64url')}`;
  };
  const signing = { origin, privateKey: pair.privateKey, publicKey: pair.publicKey };
  return { cloud, token, signing, close: () => server.close() };
}

export interface LaneSceneOptions {
  /** Default: those of a gateway, which soon tells an address that sends wrong tokens to wait. */
  readonly strangers?: Pick<Attempts, 'lookAt' | 'wrong'>;
  readonly ratePerTenant?: number;
  /** Of which a tenant's calls may hold a quarter. */
  readonly connections?: number;
  /** Room for verified tokens. */
  readonly verifiedTokens?: number;
  /** Routes of the test's own beside the device calls. */
  readonly addRoutes?: (app: Hono<ListenerEnv>) => void;
}

export async function startLaneScene(options: LaneSceneOptions = {}): Promise<LaneScene> {
  const { addRoutes, ratePerTenant = 100_000 } = options;
  const database = await createTestDatabase();
  await migrateDatabase(database.url);
  const { sql } = database;
  const issuer = await startIssuer();
  const [tenantId, instanceId] = [randomUUID(), randomUUID()];
  let answer: LaneScene['answer'] = (socket) => socket.write(answerJson('{"ok":true}'));
  let tokens = 0;
  const instance = await startRawServer((socket, head) => {
    if (!head.includes('/oauth/token')) return answer(socket, head);
    tokens += 1;
    const granted = { access_token: `instance-token-${tokens}`, token_type: 'Bearer', expires_in: 3_600 };
    socket.write(answerJson(JSON.stringify(granted)));
  });
  const addTenant = async (tenant: string, of: string): Promise<void> => {
    await sql`insert into tenants ${sql({ tenant_id: tenant, cloud: 'public', display_name: 'T', mode: 'device-compliance', connection_type: 'cloud-connector', landing: sql.json({ choice: 'default' }) })}`;
    await sql`insert into instances ${sql({ tenant_id: tenant, instance_id: of, name: 'one', url: instance.target.origin, api_client_id: 'c', api_secret_ref: 'env:S', compliance: sql.json({ source: 'jamf' }) })}`;
  };
  await addTenant(tenantId, instanceId);

  const counted: string[] = [];
  const metrics: Metrics = {
    request: ({ listener, route, status }) => counted.push(`request ${listener} ${route} ${status}`),
    requestsOf: (listener, route) => (status) => counted.push(`request ${listener} ${route} ${status}`),
    forward: (outcome) => counted.push(`forward ${outcome}`),
    routeLookup: () => undefined,
    upload: () => undefined,
    changeForWorse: () => undefined,
    tokenRequest: () => undefined,
    heartbeat: () => undefined,
    alertMessage: () => undefined,
    notification: () => undefined,
    inputIgnored: () => undefined,
    proxyProtocolRefused: () => undefined,
    clientCertificateRefused: () => undefined,
    laneMode: () => undefined,
    shed: (requestClass) => counted.push(`shed ${requestClass}`),
    onProcess: () => undefined,
    onScrape: () => undefined,
  };
  const log = createLog({ level: 'error', format: 'json', write: () => undefined });
  const policy = createAddressPolicy([{ kind: 'host', host: '127.0.0.1' }]);
  const { close: closeSend, send } = createNodeSend(policy);
  const outbound = createNodeUpstream({ policy, timeoutMs: 2_000, sockets: testedSockets });
  const clients = createInstanceClients({
    sharing: 'process',
    send,
    sealer: await createSealer([new Uint8Array(32)]),
    readReference: async () => 'secret',
    concurrency: 5,
    timeoutMs: 2_000,
  });
  const keys = createKeySource({ sharing: 'process', send, now: Date.now });
  const routes = createRouteLookup({ sql, entries: 1_000, onLookup: () => undefined });
  const verified = createVerifiedTokens(keys, options.verifiedTokens);
  const calls = createDeviceCalls({
    clouds: new Map([['public', issuer.cloud]]),
    audiences: () => ['gateway'],
    keys,
    signature: createNodeSignatureCheck(),
    tenants: createTenantDirectory(sql),
    instances: createInstanceDirectory(sql),
    routes: {
      ...routes,
      // As the route cache has it: what the lane reads of the bytes decides.
      peekKey: (key) => routes.peek(formatGuid(key, 0), formatGuid(key, 4)),
    },
    rate: createRateLimit(ratePerTenant),
    underWay: createFairShare({ inAll: options.connections ?? 10_000, what: 'calls', part: 'application' }),
    strangers: options.strangers ?? createAttempts('data'),
    onRouteHit: () => undefined,
    authorizationOf: clients.authorizationOf,
    verified: { tokens: verified, hash: nodeSha256 },
    now: Date.now,
  });
  const { authorizationOf } = clients;
  const forwarding = { upstream: outbound.upstream, targetOf: createTargets(), authorizationOf };
  const app = new Hono<ListenerEnv>();
  const pressure = new Pressure({ onShed: metrics.shed });
  beginListener(app, { name: 'data', log, metrics });
  shedUnderPressure(app, pressure);
  addMicrosoftRoutes(app, {
    calls,
    forward: createForward(forwarding),
    passOn: () => Promise.reject(new Error('no tenant of this scene has moved')),
    passThrough: [],
    facts: nodeRequestFacts,
    metrics,
    respond: respondOnNode,
  });
  addRoutes?.(app);
  finishListener(app);

  let taken = 0;
  const services = createLaneServices({
    ...forwarding,
    ...{ calls, log, metrics, pressure, traceShare: 0, sockets: testedSockets },
    ...{ callerOf: createCallerOf(createTrustedProxies([])), refusals: createRefusalTurns() },
    shadow: { observe: () => undefined },
  });
  const address = { host: '127.0.0.1', port: 0 };
  // As long as a test may wait for.
  const callerIdleMs = 5_000;
  const withLane = await listen({
    address,
    callerIdleMs,
    fetch: app.fetch as never,
    lane: {
      ...services,
      onAnswer: (...answered) => {
        taken += 1;
        services.onAnswer(...answered);
      },
    },
  });
  const without = await listen({ address, callerIdleMs, fetch: app.fetch as never });
  let computers = 0;
  const addDevice = async (tenant: string, of: string): Promise<string> => {
    computers += 1;
    const deviceId = randomUUID();
    await sql`insert into routes ${sql({ tenant_id: tenant, device_id: deviceId, instance_id: of, jamf_computer_id: computers, rule: 'test', version: 1 })}`;
    return deviceId;
  };
  const more: Listener[] = [];
  return {
    listen: async ({ sockets, ...given }) => {
      const lane = sockets && { ...services, sockets };
      const made = await listen({
        address,
        callerIdleMs,
        ...given,
        fetch: app.fetch as never,
        ...(lane ? { lane } : {}),
      });
      more.push(made);
      return made;
    },
    lane: Number(new URL(withLane.origin).port),
    plain: Number(new URL(without.origin).port),
    listener: withLane,
    instance,
    tenantId,
    instanceId,
    sql,
    counted,
    pressure,
    isVerified: (token) =>
      verified.peek({
        ...{ tenantId, cloud: issuer.cloud, audiences: ['gateway'] },
        tokenHash: nodeSha256(token),
        now: Date.now(),
      }) !== undefined,
    device: () => addDevice(tenantId, instanceId),
    neighbour: async () => {
      const [other, of] = [randomUUID(), randomUUID()];
      await addTenant(other, of);
      return { tenantId: other, deviceId: await addDevice(other, of), token: issuer.token(other, {}) };
    },
    token: (claims = {}) => issuer.token(tenantId, claims),
    signing: issuer.signing,
    taken: () => taken,
    get answer() {
      return answer;
    },
    set answer(next) {
      answer = next;
    },
    close: async () => {
      await Promise.all([withLane, without, ...more].map((one) => one.drain(100)));
      outbound.close();
      await closeSend();
      await instance.close();
      issuer.close();
      await database.drop();
    },
  };
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Takes a stream of answers apart; undefined where what is there is not whole. */
export function parseAnswers(text: string): (RawAnswer | { readonly broken: string })[] {
  const answers: (RawAnswer | { readonly broken: string })[] = [];
  for (let rest = text; rest !== ''; ) {
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) return [...answers, { broken: rest }];
    const [line = '', ...lines] = rest.slice(0, end).split('\r\n');
    const headers = Object.fromEntries(
      lines.map((one): [string, string] => {
        const colon = one.indexOf(': ');
        return [one.slice(0, colon).toLowerCase(), one.slice(colon + 2)];
      }),
    );
    const status = Number(line.split(' ')[1]);
    rest = rest.slice(end + 4);
    let body = '';
    if (headers['transfer-encoding'] === 'chunked') {
      for (let size = -1; size !== 0; ) {
        const eol = rest.indexOf('\r\n');
        size = eol < 0 ? Number.NaN : Number.parseInt(rest.slice(0, eol), 16);
        if (Number.isNaN(size) || rest.length < eol + 4 + size)
          return [...answers, { broken: `${line} ${body}` }];
        body += rest.slice(eol + 2, eol + 2 + size);
        rest = rest.slice(eol + 4 + size);
      }
    } else {
      const length = Number(headers['content-length'] ?? 0);
      if (rest.length < length) return [...answers, { broken: `${line} ${rest}` }];
      body = rest.slice(0, length);
      rest = rest.slice(length);
    }
    answers.push({ status, headers, body });
  }
  return answers;
}

export interface RawCaller {
  readonly socket: Socket;
  text(): string;
  answers(): ReturnType<typeof parseAnswers>;
  isClosed(): boolean;
  /** Resolves when as many whole answers have come, or the connection is closed. */
  until(count: number): Promise<void>;
}

export async function openCaller(port: number): Promise<RawCaller> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  let text = '';
  let closed = false;
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    closed = true;
  });
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  const answers = () => parseAnswers(text);
  return {
    socket,
    text: () => text,
    answers,
    isClosed: () => closed,
    until: async (count) => {
      const end = Date.now() + 8_000;
      while (!closed && answers().filter((one) => 'status' in one).length < count) {
        if (Date.now() > end) throw new Error(`${count} answers did not come: ${JSON.stringify(text)}`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
  };
}
