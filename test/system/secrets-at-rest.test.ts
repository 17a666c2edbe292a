import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clientSecretOf } from '../../src/simulator/world.ts';
import { newKey, visitConsole, visitConsoleByEntra } from '../harness/console.ts';
import { addOperator, operatorsTenant, tokenOf } from '../harness/entra-operator.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  bootstrapKey,
  callerToken,
  connectTenant,
  type Scene,
  sendWebhook,
  startScene,
} from '../harness/gateway.ts';
import { call } from '../harness/http.ts';
import { grantOwnApplication } from '../harness/own-application.ts';

/**
 * No secret anywhere (SECURITY.md): what a gateway writes in a life of many kinds, the failing ones too, is searched whole
 * for every secret that the test knows, in each form in which it could have got there.
 */

/** Files of the data directory that are secrets themselves. */
const keyFiles = new Set(['tls.key']);

/** Each form of a secret that could hide it from a plain search. */
function formsOf(secret: Buffer): Map<string, string> {
  const text = secret.toString('latin1');
  const forms = new Map([
    ['raw', text],
    ['hex', secret.toString('hex')],
    ['URL-encoded', encodeURIComponent(text)],
  ]);
  // In base64 it depends on how many bytes stand before it; what its neighbours decide is cut off.
  for (const before of [0, 1, 2]) {
    const base64 = Buffer.concat([Buffer.alloc(before), secret])
      .toString('base64')
      .replace(/=+$/, '');
    const inner = base64.slice(before === 0 ? 0 : before + 1, base64.length - 1);
    forms.set(`base64, ${before} bytes behind the start`, inner);
    forms.set(`base64url, ${before} bytes behind the start`, inner.replaceAll('+', '-').replaceAll('/', '_'));
  }
  return forms;
}

describe('secrets at rest', () => {
  let scene: Scene;
  let collector: Server;
  const exported: Buffer[] = [];
  /** By what it is. */
  const known = new Map<string, Buffer>();
  const know = (what: string, value: string | Buffer): void => {
    const bytes = Buffer.from(value as string);
    if (bytes.length < 8) throw new Error(`${what} is too short to be searched for`);
    known.set(what, bytes);
    // The signature of a token is enough to tell that the token is there, and a cut one may hold no more.
    const signature = /^ey[\w-]+\.[\w-]+\.([\w-]{20,})$/.exec(bytes.toString('latin1'))?.[1];
    if (signature !== undefined) known.set(`signature of ${what}`, Buffer.from(signature));
  };

  beforeAll(async () => {
    collector = createServer(async (request, response) => {
      for await (const chunk of request) exported.push(chunk as Buffer);
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
    await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          { displayName: 'Shared', instances: [{ name: 'berlin', macs: 3 }] },
          { displayName: 'Manual', instances: [{ name: 'own', macs: 1 }] },
        ],
      },
      environment: {
        ESPALIER_LOG_LEVEL: 'debug',
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`,
        OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
        OTEL_TRACES_SAMPLER: 'always_on',
        OTEL_BSP_SCHEDULE_DELAY: '200',
        OTEL_METRIC_EXPORT_INTERVAL: '1000',
        OTEL_METRIC_EXPORT_TIMEOUT: '900',
      },
    });
    listenToServices();
    knowSettings();
  }, 120_000);
  afterAll(async () => {
    await scene?.close();
    collector?.close();
  });

  /** Every token that the simulated services give or are shown. */
  function listenToServices(): void {
    const { keys } = scene.world.cloud('public');
    const { sign } = keys;
    let tokens = 0;
    Object.assign(keys, {
      sign: async (...given: Parameters<typeof sign>) => {
        const token = await sign(...given);
        tokens += 1;
        know(`token ${tokens} of Entra`, token);
        return token;
      },
    });
    for (const [name, instance] of scene.world.instances) {
      know(`client secret of ${name}`, clientSecretOf(instance));
      const { verify } = instance.tokens;
      Object.assign(instance.tokens, {
        verify: (token: string) => {
          know(`token of ${name} ${createHash('sha256').update(token).digest('hex').slice(0, 8)}`, token);
          return verify(token);
        },
      });
    }
  }

  function knowSettings(): void {
    know('the secrets key', Buffer.alloc(32, 7));
    know('the bootstrap key', bootstrapKey);
    for (const [cloud, { caller, connector, diagnostic }] of scene.world.applications) {
      know(`secret of the caller in ${cloud}`, caller.clientSecret);
      know(`secret of the diagnostic application in ${cloud}`, diagnostic.clientSecret);
      know(`key of the connector in ${cloud}`, lineOfKey(connector.certificate.keyPem));
    }
    know('secret of the operators’ application', scene.world.operators.clientSecret);
    know('key of the listener', lineOfKey(dataFile('tls.key').toString('latin1')));
    const { password } = new URL(scene.environment.DATABASE_URL ?? '');
    if (password.length >= 8) know('password of the database', password);
  }
  const dataDir = (): string => scene.environment.ESPALIER_DATA_DIR ?? '';
  const dataFile = (name: string): Buffer => readFileSync(join(dataDir(), name));
  /** A line of a private key: not the first, which says of what kind it is, nor one that an RSA key shares with its certificate. */
  const lineOfKey = (pem: string): string => {
    const lines = pem.split('\n').filter((line) => line.length === 64);
    return lines.at(lines.length > 10 ? -3 : 1) ?? '';
  };

  const life = {
    tenants: async (): Promise<AddedInstance> => {
      const [shared, manual] = scene.world.tenants.map(({ tenantId }) => tenantId) as [string, string];
      const berlin = (await connectTenant(scene, shared)).get('berlin')!;
      know('key of berlin', berlin.key);
      const application = { clientId: crypto.randomUUID(), clientSecret: `own-${crypto.randomUUID()}` };
      know('secret of the tenant’s own application', application.clientSecret);
      const made = await scene.api('POST', '/tenants', {
        ...{ tenantId: manual, cloud: 'public', displayName: 'Manual', application },
        ...{ mode: 'conditional-access', connectionType: 'manual' },
      });
      expect(made.status, made.text).toBe(201);
      grantOwnApplication(scene.world, manual, application, 'conditional-access');
      await scene.api('POST', `/tenants/${manual}/connect`);
      await scene.api('POST', `/tenants/${manual}/confirm`);
      return berlin;
    },
    computers: async (berlin: AddedInstance): Promise<void> => {
      const { tenantId } = scene.world.tenants[0]!;
      const macs = scene.world.fleet.truth().filter((one) => one.tenantId === tenantId);
      for (const { jamfComputerId } of macs) await sendWebhook(scene, berlin, jamfComputerId);
      await eventually(async () => {
        for (const { deviceId } of macs)
          expect(
            (await scene.api('GET', `/tenants/${tenantId}/devices/${deviceId}`)).json.report?.state,
          ).toBe('verified');
      }, 40_000);
      const credentials: Record<string, string>[] = [
        { authorization: `Basic ${Buffer.from(`jamf:${berlin.key}`).toString('base64')}` },
        { authorization: `Bearer ${berlin.key}` },
      ];
      for (const headers of credentials)
        await scene.data(`/jamf/${berlin.id}/inventory`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers },
          body: '[{"id":1},{"id":"none"},7]',
        });
    },
    calls: async (): Promise<void> => {
      const { tenantId } = scene.world.tenants[0]!;
      const { deviceId } = scene.world.fleet.truth().find((one) => one.tenantId === tenantId)!;
      const token = await callerToken(scene, tenantId);
      const path = `/t/${tenantId}/devices/${deviceId}`;
      const ask = (to: string, authorization: string, method = 'GET') =>
        scene.data(to, {
          method,
          headers: { authorization, traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` },
        });
      for (const call of ['compliance', 'inventory'])
        expect((await ask(`${path}/${call}`, `Bearer ${token}`)).status).toBe(200);
      await ask(`${path}/recalculate`, `Bearer ${token}`, 'POST');
      // Refused for what they are, where they stand or whom they name.
      for (const authorization of [`Bearer ${token}x`, `Basic ${token}`, token])
        expect((await ask(`${path}/compliance`, authorization)).status).toBe(401);
      await ask(`/t/${crypto.randomUUID()}/devices/${deviceId}/compliance`, `Bearer ${token}`);
      await ask(`${path}/compliance?access_token=${token}`, '');
      await ask(`/nothing/${token}`, `Bearer ${token}`);
      await scene.data(`/t/${tenantId}/enroll?deviceId=${deviceId}&token=${token}`);
      await scene.data(`/microsoft/consent?state=${token}&code=${token}`);
      for (const fault of [{ status: 401 }, { status: 500 }, { reset: 'before' as const }]) {
        const { id } = scene.world.faults.add({ service: 'jamf', ...fault });
        await ask(`${path}/compliance`, `Bearer ${token}`);
        scene.world.faults.remove(id);
      }
    },
    /** Resolves to the key of an admin, before which the bootstrap key opens nothing any more. */
    operators: async (): Promise<string> => {
      const { tenantId } = scene.world.tenants[0]!;
      for (const cookie of (await visitConsole(scene)).browser.cookies.values())
        if (cookie.length > 20) know('a session by a key', cookie);
      const ada = addOperator(scene, operatorsTenant, 'ada', 'Espalier.Admin');
      const visit = await visitConsoleByEntra(scene, ada.account);
      for (const [name, cookie] of visit.browser.cookies)
        if (cookie.length > 20) know(`the cookie ${name} of a session by Entra`, cookie);
      const session = await visit.open('/api/v1/session', { accept: 'application/json' });
      know('a token against forged requests', session.json.session.csrfToken);
      const admin = await newKey(scene, 'admin');
      know('a key of an admin', admin.key);
      const bearer = await tokenOf(scene, ada, 'Espalier.Admin');
      for (const key of [admin.key, bearer, `${admin.key}x`, bearer.slice(0, -2)])
        await scene.api('GET', '/tenants', undefined, key);
      const instances = await scene.api('GET', `/tenants/${tenantId}/instances`, undefined, admin.key);
      const { id } = instances.json.results[0];
      const changed = `changed-${crypto.randomUUID()}`;
      know('a changed secret of an instance', changed);
      const apiClient = { clientId: 'other', clientSecret: changed };
      const path = `/tenants/${tenantId}/instances/${id}`;
      await scene.api('PATCH', path, { apiClient }, admin.key);
      await scene.api('POST', `${path}/test`, undefined, admin.key);
      // Refused bodies: their secrets are told to nobody.
      await scene.api('PATCH', path, { apiClient, nothing: changed }, admin.key);
      await scene.api('PATCH', path, { apiClient: { clientId: '', clientSecret: changed } }, admin.key);
      await scene.api('GET', `/tenants?filter=name==${changed}`, undefined, admin.key);
      await scene.api('POST', '/keys', { name: 'short', role: 'viewer', expiresAt: 'never' }, admin.key);
      // An answer that is kept for a second try.
      const kept = await call(`${scene.gateway.admin}/api/v1/keys`, {
        method: 'POST',
        ca: scene.trust,
        headers: {
          authorization: `Bearer ${admin.key}`,
          'content-type': 'application/json',
          'idempotency-key': 'once',
        },
        body: JSON.stringify({ name: 'kept', role: 'viewer' }),
      });
      know('a key in a kept answer', kept.json.key);
      const again = await scene.api('POST', `/tenants/${tenantId}/connect`, {}, admin.key);
      for (const { url } of again.json.consentUrls)
        know(`the state of a consent ${known.size}`, new URL(url).searchParams.get('state') ?? '');
      for (const [at, { clientState }] of scene.world.cloud('public').subscriptions.of(tenantId).entries())
        know(`the client state of subscription ${at}`, clientState ?? '');
      return admin.key;
    },
  };

  /** Everything that is kept or told, by where it stands. */
  async function dump(adminKey: string): Promise<Map<string, string>> {
    const places = new Map<string, string>();
    const { sql } = scene.database;
    const tables = await sql<{ schema: string; name: string }[]>`
      select table_schema as schema, table_name as name from information_schema.tables
      where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')`;
    expect(tables.length).toBeGreaterThan(20);
    for (const { name, schema } of tables) {
      const rows = await sql<{ row: string }[]>`select t::text as row from ${sql(schema)}.${sql(name)} t`;
      places.set(`table ${name}`, rows.map(({ row }) => row).join('\n'));
    }
    places.set('the metrics', await (await fetch(`${scene.gateway.ops}/metrics`)).text());
    places.set('health', await (await fetch(`${scene.gateway.ops}/health/ready`)).text());
    places.set('what OpenTelemetry exports', Buffer.concat(exported).toString('latin1'));
    places.set('the history', (await scene.api('GET', '/history?page-size=2000', undefined, adminKey)).text);
    // The snapshot is written once more at the end.
    await scene.gateway.stop();
    places.set('the log', scene.gateway.output());
    for (const entry of readdirSync(dataDir(), { recursive: true, withFileTypes: true }))
      if (entry.isFile() && !keyFiles.has(entry.name))
        places.set(
          `file ${relative(dataDir(), join(entry.parentPath, entry.name))}`,
          readFileSync(join(entry.parentPath, entry.name)).toString('latin1'),
        );
    return places;
  }

  it('are in no table, file, log, metric or trace after a life of many kinds', {
    timeout: 180_000,
  }, async () => {
    const berlin = await life.tenants();
    await life.computers(berlin);
    await life.calls();
    const adminKey = await life.operators();
    await eventually(() => expect(Buffer.concat(exported).toString('latin1')).toContain('jamf-pro'));
    const places = await dump(adminKey);
    for (const place of [
      'table instances',
      'the log',
      'what OpenTelemetry exports',
      'the metrics',
      'the history',
    ])
      expect(places.get(place)?.length, place).toBeGreaterThan(400);
    expect(known.size).toBeGreaterThan(40);
    const found: string[] = [];
    for (const [what, secret] of known)
      for (const [form, text] of formsOf(secret))
        for (const [place, content] of places)
          if (content.includes(text)) found.push(`${what} (${form}) is in ${place}`);
    expect(found).toEqual([]);
  });

  it('would be found in each form', () => {
    const secret = Buffer.from('a-secret+of/the~test');
    for (const written of [
      secret.toString('latin1'),
      secret.toString('hex'),
      encodeURIComponent(secret.toString('latin1')),
      ...['', 'x', 'xy', 'user:'].map((before) => Buffer.from(`${before}${secret}:more`).toString('base64')),
      Buffer.from(`x${secret}`).toString('base64url'),
    ])
      expect(
        [...formsOf(secret).values()].some((form) => written.includes(form)),
        written,
      ).toBe(true);
  });
});
