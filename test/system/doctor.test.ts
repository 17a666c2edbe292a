import { mkdtempSync, writeFileSync } from 'node:fs';
import type { AddressInfo, Socket } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Line } from '../../src/cli/doctor/line.ts';
import { createAuthority } from '../../src/simulator/authority.ts';
import { gatewayRoles } from '../../src/simulator/jamf/privileges.ts';
import { type AddedInstance, connectTenant, type Scene, startScene } from '../harness/gateway.ts';
import { freePort } from '../harness/ports.ts';
import { runCommand } from '../harness/run-espalier.ts';

/** `espalier doctor` as an operator runs it on the gateway's machine, with one thing wrong at a time. */
describe('doctor', { timeout: 180_000 }, () => {
  let scene: Scene;
  let first: string;
  let second: string;
  let instances: Map<string, AddedInstance>;
  const dayMs = 86_400_000;

  interface Outcome {
    readonly code: number | null;
    readonly lines: readonly Line[];
    readonly stderr: string;
  }
  const run = async (
    args: readonly string[] = [],
    environment: Record<string, string> = {},
  ): Promise<Outcome> => {
    const { code, stderr, stdout } = await runCommand(['doctor', '-o', 'json', '--timeout', '5', ...args], {
      environment: { ...scene.environment, ...environment },
    });
    return { code, stderr, lines: stdout === '' ? [] : JSON.parse(stdout).lines };
  };
  const of = ({ lines }: Outcome, check: string, subject = ''): Line[] =>
    lines.filter((line) => line.check === check && line.subject.includes(subject));
  const failed = ({ lines }: Outcome): Line[] => lines.filter(({ status }) => status === 'fail');
  /** One fault, named, with its remedy and who has to act; everything else goes on. */
  const expectOnly = (
    outcome: Outcome,
    check: string,
    subject: string,
    found: RegExp,
    remedy: RegExp,
    owner?: string,
  ) => {
    expect(failed(outcome).map((line) => line.check)).toEqual([check]);
    const [line] = failed(outcome);
    expect(line!.subject).toContain(subject);
    expect(line!.found).toMatch(found);
    expect(line!.remedy).toMatch(remedy);
    if (owner !== undefined) expect(line!.owner).toBe(owner);
    expect(outcome.code).toBe(1);
  };
  const berlin = () => scene.world.instance('berlin');
  const address = () => `localhost:${berlin().port}`;
  const onlyBerlin = ['--instance', 'berlin'];
  const properCertificate = () => scene.world.authority.issue(['localhost', '127.0.0.1']);

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public', 'usgov'],
        tenants: [
          {
            displayName: 'First',
            instances: [
              { name: 'berlin', macs: 2 },
              { name: 'paris', macs: 1 },
            ],
          },
          { displayName: 'Second', cloud: 'usgov', instances: [{ name: 'boston', macs: 1 }] },
        ],
      },
    });
    [first, second] = scene.world.tenants.map(({ tenantId }) => tenantId) as [string, string];
    instances = await connectTenant(scene, first);
    await connectTenant(scene, second);
  });
  afterAll(() => scene?.close());
  beforeEach(() => scene.world.faults.clear());

  it('fails nothing where all is well, in an order that stays', async () => {
    const outcome = await run();
    expect(failed(outcome)).toEqual([]);
    expect(outcome.code).toBe(0);
    for (const check of ['database', 'migrations', 'gateway', 'secrets', 'credential', 'instance.token']) {
      expect(
        of(outcome, check).map(({ status }) => status),
        check,
      ).not.toContain('fail');
      expect(of(outcome, check), check).not.toEqual([]);
    }
    for (const check of [
      'tenant.connection',
      'tenant.token',
      'tenant.permissions',
      'tenant.discovery',
      'tenant.licences',
    ])
      expect(new Set(of(outcome, check).map(({ status }) => status)), check).toEqual(new Set(['ok']));
    for (const name of ['berlin', 'paris', 'boston']) {
      expect(of(outcome, 'instance.version', name)[0]!.found).toContain('Jamf Pro 11.30.1');
      expect(of(outcome, 'instance.privileges', name)[0]!.status).toBe('ok');
      expect(of(outcome, 'instance.compliance', name)[0]!.status).toBe('ok');
    }
    // Both clouds: Entra, Graph, and the Intune host that discovery named.
    for (const { origins } of scene.world.clouds) {
      for (const origin of [origins.entra, origins.graph]) {
        expect(of(outcome, 'host.clock', new URL(origin).host)[0]!.status).toBe('ok');
        expect(of(outcome, 'host.tls', new URL(origin).host)[0]!.found).toContain('TLSv1.3');
      }
      expect(of(outcome, 'host.tls', new URL(origins.intune).port)[0]!.status).toBe('ok');
    }
    const again = await run();
    const names = ({ lines }: Outcome) => lines.map(({ check, subject }) => `${check} ${subject}`);
    expect(names(again)).toEqual(names(outcome));
  });

  it('shows a table whose lines name the remedy and who has to act', async () => {
    const { code, stdout } = await runCommand(['doctor', '--timeout', '5', ...onlyBerlin], {
      environment: scene.environment,
    });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ok {4}instance\.token +berlin \([0-9a-f-]{36}\): given$/m);
    expect(stdout).toMatch(/^ +-> .*\[configuration\]$/m);
    expect(stdout).toMatch(/\n\d+ ok, \d+ warn, 0 fail\n$/);
    expect(stdout).not.toContain('paris');
    expect(stdout).not.toContain('Second');
  });

  describe('certificates of an instance', () => {
    const now = Date.now();

    it.each([
      [
        'ended',
        async () =>
          scene.world.authority.issue(['localhost'], {
            notBefore: new Date(now - 9 * dayMs),
            notAfter: new Date(now - dayMs),
          }),
        /"localhost" ended on/,
        /Renew/,
      ],
      [
        'not begun',
        async () =>
          scene.world.authority.issue(['localhost'], {
            notBefore: new Date(now + dayMs),
            notAfter: new Date(now + 9 * dayMs),
          }),
        /valid from/,
        /clock/,
      ],
      [
        'another host',
        async () => scene.world.authority.issue(['jamf.example.test']),
        /is for jamf\.example\.test/,
        /name/,
      ],
      [
        'an unknown authority',
        async () => (await createAuthority()).issue(['localhost']),
        /not of a trusted authority/,
        /authority.s certificate.*NODE_EXTRA_CA_CERTS/,
      ],
    ] as const)('fails for %s, and tries no token', async (_, issue, found, remedy) => {
      berlin().present(await issue());
      const outcome = await run(onlyBerlin);
      expectOnly(outcome, 'host.tls', address(), found, remedy, 'instance');
      expect(of(outcome, 'instance.token')[0]).toMatchObject({
        status: 'warn',
        found: expect.stringContaining('not tried'),
      });
      expect(of(outcome, 'tenant.token', 'First')[0]!.status).toBe('ok');
      berlin().present(await properCertificate());
    });

    it('warns of one that ends soon', async () => {
      berlin().present(
        await scene.world.authority.issue(['localhost'], {
          notBefore: new Date(now - dayMs),
          notAfter: new Date(Date.now() + 9.5 * dayMs),
        }),
      );
      const outcome = await run(onlyBerlin);
      expect(of(outcome, 'host.tls', address())[0]).toMatchObject({
        status: 'warn',
        found: expect.stringContaining('9 days left'),
      });
      expect(outcome.code).toBe(0);
      berlin().present(await properCertificate());
    });

    it("says so when the instance's own authority is what is trusted", async () => {
      const authority = await createAuthority();
      berlin().present(await authority.issue(['localhost']));
      const { id } = instances.get('berlin')!;
      const patch = (caCertificate: string | null) =>
        scene.api('PATCH', `/tenants/${first}/instances/${id}`, { caCertificate });
      expect((await patch(authority.certificatePem)).status).toBe(200);
      const outcome = await run(onlyBerlin);
      expect(of(outcome, 'host.tls', address())[0]).toMatchObject({
        status: 'ok',
        found: expect.stringContaining('an authority of our own configuration'),
      });
      expect(of(outcome, 'instance.token')[0]!.status).toBe('ok');
      await patch(null);
      berlin().present(await properCertificate());
    });
  });

  it('names an unknown authority in front of Microsoft, and does not try the tenants behind it', async () => {
    const outcome = await run([], { NODE_EXTRA_CA_CERTS: '' });
    const hosts = scene.world.clouds.flatMap(({ origins }) => [origins.entra, origins.graph]);
    for (const origin of hosts) {
      expect(of(outcome, 'host.tls', new URL(origin).host)[0]).toMatchObject({
        status: 'fail',
        remedy: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
        owner: 'configuration',
      });
    }
    expect(of(outcome, 'tenant.token').map(({ status }) => status)).toEqual(['warn', 'warn']);
    expect(outcome.code).toBe(1);
  });

  describe('what cannot be reached', () => {
    const sockets = new Set<Socket>();
    const silent = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
    });
    const moveBerlin = (url: string) =>
      scene.database
        .sql`update instances set url = ${url} where instance_id = ${instances.get('berlin')!.id}`;
    beforeAll(() => new Promise<void>((done) => silent.listen(0, '127.0.0.1', done)));
    afterAll(async () => {
      await moveBerlin(berlin().url);
      for (const socket of sockets) socket.destroy();
      silent.close();
    });

    it('is a closed port', async () => {
      const port = await freePort();
      await moveBerlin(`https://localhost:${port}`);
      expectOnly(
        await run(onlyBerlin),
        'host.port',
        `localhost:${port}`,
        /ECONNREFUSED/,
        /listens/,
        'instance',
      );
    });

    it('is a name that nobody knows', async () => {
      await moveBerlin('https://jamf.invalid');
      expectOnly(await run(onlyBerlin), 'host.name', 'jamf.invalid:443', /name/, /name server/);
    });

    it('is an address that swallows everything', async () => {
      await moveBerlin('https://192.0.2.1');
      const allow = { ESPALIER_UPSTREAM_ALLOW: `${scene.environment.ESPALIER_UPSTREAM_ALLOW},192.0.2.0/24` };
      const outcome = await run(onlyBerlin, allow);
      expectOnly(outcome, 'host.port', '192.0.2.1:443', /no connection/, /./, 'instance');
    });

    it('is an address that is refused, and is not connected to', async () => {
      await moveBerlin('https://192.0.2.1');
      const outcome = await run(onlyBerlin);
      expectOnly(
        outcome,
        'host.name',
        '192.0.2.1:443',
        /refused/,
        /ESPALIER_UPSTREAM_ALLOW/,
        'configuration',
      );
      expect(of(outcome, 'host.port', '192.0.2.1')).toEqual([]);
    });

    it('is a host that hangs, while the rest is told', async () => {
      await moveBerlin(`https://localhost:${(silent.address() as AddressInfo).port}`);
      const outcome = await run();
      expectOnly(outcome, 'host.tls', 'localhost', /no TLS in time/, /TLS/, 'instance');
      expect(of(outcome, 'instance.token', 'paris')[0]!.status).toBe('ok');
      expect(of(outcome, 'instance.token', 'boston')[0]!.status).toBe('ok');
    });
  });

  it('names the privileges that are missing', async () => {
    const client = berlin().tokens.clients.get(berlin().clientId)!;
    const without = (...names: string[]) =>
      gatewayRoles.map((role) => ({
        ...role,
        privileges: role.privileges.filter((name) => !names.includes(name)),
      }));
    client.roles = without('Read Computers', 'Update Smart Computer Groups');
    const outcome = await run(onlyBerlin);
    expect(failed(outcome).map(({ check }) => check)).toEqual(['instance.privileges', 'instance.inventory']);
    const [privileges] = of(outcome, 'instance.privileges');
    expect(privileges!.found).toContain('Read Computers (reading inventory)');
    expect(privileges!.found).toContain('Update Smart Computer Groups');
    expect(privileges!.remedy).toContain('"Read Computers"');
    client.roles = without('Update Smart Computer Groups');
    const optional = await run(onlyBerlin);
    expect(of(optional, 'instance.privileges')[0]).toMatchObject({ status: 'warn', owner: 'instance' });
    expect(optional.code).toBe(0);
    client.roles = gatewayRoles;
  });

  it('says what an old version lacks', async () => {
    const was = berlin().version();
    const looked = async (version: string) => {
      berlin().setVersion(version);
      return of(await run(onlyBerlin), 'instance.version')[0]!;
    };
    expect(await looked('10.17.0-t1')).toMatchObject({
      status: 'fail',
      found: expect.stringContaining('10.18'),
    });
    expect(await looked('10.35.0-t1')).toMatchObject({
      status: 'fail',
      found: expect.stringContaining('10.36'),
    });
    expect(await looked('10.48.0-t1')).toMatchObject({
      status: 'warn',
      found: expect.stringContaining('10.49'),
    });
    berlin().setVersion(was);
  });

  it('tells a wrong secret, a vendor that is not set up, and a server in maintenance apart', async () => {
    const client = berlin().tokens.clients.get(berlin().clientId)!;
    const secret = client.clientSecret;
    client.clientSecret = 'another-one-since-today';
    expectOnly(
      await run(onlyBerlin),
      'instance.token',
      'berlin',
      /unauthenticated/,
      /client id and secret/,
      'instance',
    );
    client.clientSecret = secret;
    berlin().compliance.variants.vendors = [];
    expect(of(await run(onlyBerlin), 'instance.compliance')[0]).toMatchObject({
      status: 'warn',
      found: expect.stringContaining('no compliance vendor'),
    });
    berlin().compliance.variants.vendors = ['Microsoft Intune'];
    const body = '<html><body>Jamf Pro is being updated</body></html>';
    scene.world.faults.add({ service: 'jamf:berlin', status: 503, body, contentType: 'text/html' });
    expect(of(await run(onlyBerlin), 'instance.token')[0]!.found).toContain('maintenance');
  });

  describe('the Microsoft side of a tenant', () => {
    const tenant = () => scene.world.directory.tenant(first)!;
    const connectorId = () => scene.world.applications.get('public')!.connector.clientId;
    const look = () => run(['--tenant', first]);

    it('whose consent was revoked has no token, and its instances are looked at all the same', async () => {
      const principal = tenant().servicePrincipals.get(connectorId())!;
      tenant().servicePrincipals.delete(connectorId());
      const revoked = await look();
      tenant().servicePrincipals.set(connectorId(), principal);
      expectOnly(
        revoked,
        'tenant.token',
        'First',
        /consent|application/i,
        /consent|connect/i,
        'configuration',
      );
      expect(of(revoked, 'instance.token', 'berlin')[0]!.status).toBe('ok');
    });

    it('whose permissions were changed is told which are missing and which are too many', async () => {
      const { appRoles } = tenant().servicePrincipals.get(connectorId())!;
      const at = appRoles.findIndex(({ value }) => value === 'update_device_attributes');
      const [taken] = appRoles.splice(at, 1);
      const { resourceAppId } = appRoles.find(({ value }) => value === 'Directory.Read.All')!;
      const roleId = '5b567255-7703-4780-807c-7be8301ae99b';
      appRoles.push({ resourceAppId, roleId, value: 'Group.Read.All', effectiveAt: 0 });
      const [changed] = of(await look(), 'tenant.permissions', 'connector');
      appRoles.pop();
      appRoles.push(taken!);
      expect(changed).toMatchObject({
        status: 'fail',
        found: expect.stringMatching(/missing: .*update_device_attributes.*too many: .*Group\.Read\.All/),
        owner: 'configuration',
      });
    });

    it('without Entra ID P1 or P2 is warned, and without Intune it fails', async () => {
      tenant().entraPremium = 'none';
      const warned = await look();
      tenant().entraPremium = 'P1';
      expect(of(warned, 'tenant.licences')[0]).toMatchObject({
        status: 'warn',
        found: expect.stringContaining('neither Entra ID P1 nor P2'),
      });
      expect(warned.code).toBe(0);
      tenant().hasIntune = false;
      const gone = await look();
      tenant().hasIntune = true;
      expect(of(gone, 'tenant.token')[0]!.status).toBe('fail');
      expect(of(gone, 'tenant.licences')[0]).toMatchObject({
        status: 'fail',
        found: expect.stringContaining(
          'no working subscription has Intune; ended or ending: INTUNE_A (Suspended)',
        ),
      });
    });
  });

  it('goes on with the configured clouds when the database is away', async () => {
    const port = await freePort();
    const outcome = await run([], {
      DATABASE_URL: `postgres://espalier:the-database-password@127.0.0.1:${port}/espalier`,
    });
    // No snapshot of that database is here that could serve meanwhile.
    expect(failed(outcome)).toEqual([
      expect.objectContaining({
        check: 'database',
        subject: expect.stringContaining(`127.0.0.1:${port}/espalier`),
        found: expect.stringMatching(/ECONNREFUSED/),
        remedy: expect.stringMatching(/DATABASE_URL/),
        owner: 'configuration',
      }),
      expect.objectContaining({ check: 'snapshot' }),
    ]);
    expect(JSON.stringify(outcome.lines)).not.toContain('the-database-password');
    for (const { origins } of scene.world.clouds)
      expect(of(outcome, 'host.tls', new URL(origins.entra).host)[0]!.status).toBe('ok');
    expect(of(outcome, 'tenant.token')).toEqual([]);
  });

  it('knows its own public address from any other that answers', async () => {
    const bundle = join(mkdtempSync(join(tmpdir(), 'espalier-doctor-')), 'ca.crt');
    writeFileSync(bundle, `${scene.trust}\n${scene.world.authority.certificatePem}`);
    const trusting = { NODE_EXTRA_CA_CERTS: bundle };
    const own = await run(onlyBerlin, trusting);
    expect(of(own, 'public-url')[0]).toMatchObject({
      status: 'ok',
      found: expect.stringContaining('Espalier'),
    });
    const other = await run(onlyBerlin, {
      ...trusting,
      ESPALIER_PUBLIC_URL: scene.world.instance('paris').url,
    });
    expectOnly(other, 'public-url', 'localhost', /something else/, /ESPALIER_PUBLIC_URL/, 'configuration');
  });

  it('refuses what is not there, or no option, with the exit code for it', async () => {
    expect(await run(['--tenant', crypto.randomUUID()])).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('no tenant'),
    });
    expect(await run(['--instance', 'rome'])).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('no enabled instance rome'),
    });
    expect(await run(['--cloud', 'mars'])).toMatchObject({ code: 4 });
    expect((await run(['--timeout', 'soon'])).code).toBe(2);
  });

  it('tells whose clock is off: half a minute is a warning, five are a failure', async () => {
    scene.world.clock.advance(60_000);
    const late = of(await run(onlyBerlin), 'host.clock', address())[0]!;
    expect(late).toMatchObject({
      status: 'warn',
      found: expect.stringMatching(/this machine is (5[5-9]|6[0-5]) s behind/),
    });
    scene.world.clock.advance(300_000);
    const far = await run(onlyBerlin);
    expect(of(far, 'host.clock', address())[0]).toMatchObject({
      status: 'fail',
      remedy: expect.stringContaining('NTP'),
    });
    expect(far.code).toBe(1);
  });
});
