import { mkdtempSync, rmSync } from 'node:fs';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { connect } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { eventually } from '../harness/eventually.ts';
import { bootstrapKey, type GatewayProcess, startProcess } from '../harness/gateway.ts';
import { hasPebble, type Pebble, startPebble } from '../harness/pebble.ts';
import { freePort } from '../harness/ports.ts';

/** Certificates from a real authority that validates names for real (docs/tls.md). */

const validitySeconds = 30;

interface Shown {
  readonly issuer: string;
  readonly names: string;
  readonly serial: string;
  readonly isTrusted: boolean;
  readonly protocol: string | false | null;
}

/** What the data listener at this port presents to whoever asks for this name. */
const shown = (port: number, servername: string, ca: string, more: object = {}): Promise<Shown> =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, servername, ca, rejectUnauthorized: false, ...more });
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      const { issuer, serialNumber: serial, subjectaltname: names = '' } = socket.getPeerCertificate();
      const { alpnProtocol: protocol, authorized: isTrusted } = socket;
      resolve({ issuer: String(issuer.CN), names, serial, isTrusted, protocol });
      socket.destroy();
    });
  });

/** The overview of an admin listener, which presents a certificate for another name than localhost. */
const overview = (admin: string) =>
  new Promise<{ attention: { results: unknown[] } }>((resolve, reject) => {
    const options = { rejectUnauthorized: false, headers: { authorization: `Bearer ${bootstrapKey}` } };
    get(`${admin}/api/v1/overview`, options, (incoming) => {
      json(incoming).then((body) => resolve(body as never), reject);
    }).once('error', reject);
  });

describe.runIf(hasPebble() || process.env.CI === 'true')('certificates by ACME', () => {
  let pebble: Pebble;
  let database: TestDatabase;
  let folder: string;
  const running = new Set<GatewayProcess>();

  beforeAll(async () => {
    pebble = await startPebble({ validitySeconds, noncesRefusedPercent: 20 });
    folder = mkdtempSync(join(tmpdir(), 'espalier-acme-'));
  });
  afterEach(async () => {
    for (const gateway of running) await gateway.kill();
    running.clear();
    await database.drop();
  });
  afterAll(async () => {
    await pebble?.close();
    rmSync(folder, { recursive: true });
  });

  const start = async (names: string, more: Record<string, string> = {}): Promise<GatewayProcess> => {
    const gateway = await startProcess({
      DATABASE_URL: database.url,
      ESPALIER_DATA_DIR: join(folder, crypto.randomUUID()),
      ESPALIER_BOOTSTRAP_KEY: bootstrapKey,
      ESPALIER_SECRETS_KEY: Buffer.alloc(32, 7).toString('base64'),
      ESPALIER_DATA_LISTEN: '127.0.0.1:0',
      ESPALIER_ADMIN_LISTEN: '127.0.0.1:0',
      ESPALIER_OPS_LISTEN: '127.0.0.1:0',
      ESPALIER_RETRY_BASE_SECONDS: '0.1',
      ESPALIER_UPSTREAM_ALLOW: 'localhost',
      NODE_EXTRA_CA_CERTS: pebble.trustFile,
      ESPALIER_ACME_DIRECTORY: pebble.directory,
      ESPALIER_ACME_NAMES: names,
      ESPALIER_ACME_TERMS: 'accepted',
      ESPALIER_ACME_LISTEN: `127.0.0.1:${pebble.httpPort}`,
      ...more,
    });
    running.add(gateway);
    return gateway;
  };
  const portOf = (gateway: GatewayProcess): number => Number(new URL(gateway.data).port);
  const events = (gateways: readonly GatewayProcess[], event: string) =>
    gateways.flatMap((gateway) =>
      gateway
        .output()
        .split('\n')
        .filter((line) => line.includes(`"event":"${event}"`))
        .map((line) => JSON.parse(line)),
    );
  const rowOf = async (name: string) => {
    const [row] = await database.sql`select * from acme_certificates where name = ${name}`;
    return row;
  };
  const trusted = (gateway: GatewayProcess, name: string, root: string, withinMs = 25_000) =>
    eventually(async () => {
      const seen = await shown(portOf(gateway), name, root);
      expect(seen).toMatchObject({ isTrusted: true, names: `DNS:${name}` });
      return seen;
    }, withinMs);

  it('are issued by http-01 to one of two replicas, presented by both by name, and renewed', async () => {
    database = await createTestDatabase();
    const names = ['one.acme.test', 'two.acme.test'];
    const other = `127.0.0.1:${await freePort()}`;
    const replicas = await Promise.all([
      start(names.join(), { ESPALIER_ACME_EMAIL: 'operators@example.com' }),
      start(names.join(), { ESPALIER_ACME_EMAIL: 'operators@example.com', ESPALIER_ACME_LISTEN: other }),
    ]);
    const root = await pebble.root();
    const serials: string[] = [];
    for (const name of names) {
      const seen = await Promise.all(replicas.map((gateway) => trusted(gateway, name, root)));
      expect(seen[0]!.serial).toBe(seen[1]!.serial);
      serials.push(seen[0]!.serial);
    }
    expect(
      events(replicas, 'acme.ordered')
        .map(({ name }) => name)
        .sort(),
    ).toEqual(names);
    expect(events(replicas, 'acme.registered')).toHaveLength(1);
    // Names come from the settings alone, whoever asks for what.
    expect((await shown(portOf(replicas[0]!), 'three.acme.test', root)).names).toBe('DNS:one.acme.test');
    expect(await database.sql`select name from acme_certificates order by name`).toEqual(
      names.map((name) => ({ name })),
    );
    for (const [index, name] of names.entries())
      await eventually(async () => {
        expect((await trusted(replicas[1]!, name, root)).serial).not.toBe(serials[index]);
      }, validitySeconds * 1_000);
    expect(events(replicas, 'acme.failed')).toEqual([]);
    expect(await database.sql`select * from acme_challenges`).toEqual([]);
    const dump = JSON.stringify(await database.sql`select * from acme_certificates, acme_accounts`);
    expect(dump).not.toContain('PRIVATE KEY');
    for (const gateway of replicas) expect(gateway.output()).not.toContain('PRIVATE KEY');
  });

  it('are issued by tls-alpn-01 on the data listener, whose validation carries nothing', async () => {
    database = await createTestDatabase();
    const gateway = await start('alpn.acme.test', {
      ESPALIER_ACME_CHALLENGE: 'tls-alpn-01',
      ESPALIER_DATA_LISTEN: `127.0.0.1:${pebble.tlsPort}`,
    });
    const root = await pebble.root();
    await trusted(gateway, 'alpn.acme.test', root);
    // No challenge is open any more.
    const acme = { ALPNProtocols: ['acme-tls/1'] };
    await expect(shown(portOf(gateway), 'alpn.acme.test', root, acme)).rejects.toThrow(/alert/);
  });

  it('go on after kill -9 in the middle of an order, with that order', async () => {
    database = await createTestDatabase();
    // The authority is told to look only seconds after the challenge is open: until then the order stays as it is.
    const settings = {
      ESPALIER_ACME_CHALLENGE: 'tls-alpn-01',
      ESPALIER_DATA_LISTEN: `127.0.0.1:${pebble.tlsPort}`,
    };
    const killed = await start('killed.acme.test', settings);
    await eventually(async () => {
      expect((await rowOf('killed.acme.test'))?.order_url).toEqual(expect.any(String));
    });
    await killed.kill();
    const { order_url: order } = (await rowOf('killed.acme.test')) ?? {};
    const next = await start('killed.acme.test', settings);
    await trusted(next, 'killed.acme.test', await pebble.root());
    expect(order).toEqual(expect.any(String));
    expect(events([next], 'acme.ordered')).toEqual([]);
    expect(events([next], 'acme.issued')).toHaveLength(1);
  });

  it('stay while the authority is away, and the next try waits across a restart', async () => {
    database = await createTestDatabase();
    const first = await start('away.acme.test');
    const root = await pebble.root();
    const { serial } = await trusted(first, 'away.acme.test', root);
    await pebble.stop();
    try {
      await database.sql`update acme_certificates set next_try_at = now()`;
      await eventually(async () => {
        expect(await rowOf('away.acme.test')).toMatchObject({
          attempts: 1,
          last_error: expect.stringMatching(/^The authority cannot be reached: /),
        });
      });
      // As after many failures.
      await database.sql`update acme_certificates set next_try_at = now() + interval '1 hour'`;
      const { wanted_at: _, ...kept } = (await rowOf('away.acme.test')) ?? {};
      await first.kill();
      const second = await start('away.acme.test');
      expect((await trusted(second, 'away.acme.test', root)).serial).toBe(serial);
      await new Promise((resolve) => setTimeout(resolve, 4_500));
      expect(await rowOf('away.acme.test')).toMatchObject(kept);
      expect(events([second], 'acme.failed')).toEqual([]);
      // It comes back without its accounts.
      await pebble.start();
      await database.sql`update acme_certificates set next_try_at = now()`;
      await trusted(second, 'away.acme.test', await pebble.root());
      expect(await rowOf('away.acme.test')).toMatchObject({ attempts: 0, last_error: null });
    } finally {
      await pebble.stop();
      await pebble.start();
    }
  });

  it('say in the words of the authority why a name could not be proved', async () => {
    database = await createTestDatabase();
    // Nobody listens there.
    await pebble.setAddress('elsewhere.acme.test', '127.0.0.99');
    const gateway = await start('elsewhere.acme.test,here.acme.test', { ESPALIER_RETRY_BASE_SECONDS: '60' });
    await trusted(gateway, 'here.acme.test', await pebble.root());
    const failed = await eventually(() => {
      const [line] = events([gateway], 'acme.failed');
      expect(line).toBeDefined();
      return line;
    });
    expect(failed).toMatchObject({
      name: 'elsewhere.acme.test',
      error: expect.stringMatching(/^The authority refuses \((connection|unauthorized)\): .*127\.0\.0\.99/),
    });
    expect(await rowOf('elsewhere.acme.test')).toMatchObject({
      order_url: null,
      last_error: failed.error,
      chain: null,
    });
    // The words reach whoever looks: the overview, the metrics and doctor.
    const { attention } = await overview(gateway.admin);
    expect(attention.results).toContainEqual(
      expect.objectContaining({
        kind: 'certificate-not-renewed',
        owner: 'configuration',
        detail: expect.stringContaining(failed.error),
        remedy: expect.stringContaining('DNS records'),
      }),
    );
    const metrics = await (await fetch(`${gateway.ops}/metrics`)).text();
    expect(metrics).toMatch(/^espalier_acme_failed_tries\{name="elsewhere\.acme\.test"[^}]*\} 1$/m);
    expect(metrics).toMatch(/^espalier_acme_certificate_expiry_seconds\{name="here\.acme\.test"/m);
    expect(metrics).not.toMatch(/^espalier_acme_certificate_expiry_seconds\{name="elsewhere/m);
  });
});
