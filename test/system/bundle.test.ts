import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundleFiles } from '../../src/cli/doctor/bundle.ts';
import { formsOf } from '../../src/cli/doctor/scrub.ts';
import { makeClientCertificate } from '../../src/simulator/client-certificate.ts';
import { clientSecretOf } from '../../src/simulator/world.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  connectTenant,
  type Scene,
  sendWebhook,
  startScene,
} from '../harness/gateway.ts';
import { freePort } from '../harness/ports.ts';
import { runCommand } from '../harness/run-espalier.ts';

/** `doctor --bundle`: everything an engineer asks for, nothing that opens anything, nobody's Mac by name. */
describe('the support bundle', { timeout: 180_000 }, () => {
  let scene: Scene;
  let dir: string;
  let tenantId: string;
  let instances: Map<string, AddedInstance>;
  let adminKey: string;
  let environment: Record<string, string>;
  let folder: string;
  let snapshotFolder: string;
  const mark = (name: string): string => `MARKED/${name}+${crypto.randomUUID()}?`;
  const marked = {
    bootstrap: `esp_${mark('bootstrap')}`,
    entraSecret: mark('entra secret'),
    diagnosticSecret: mark('diagnostic secret'),
    databasePassword: mark('database password'),
    otelHeader: mark('otel header'),
    apiKey: mark('api key'),
    reference: mark('reference'),
    file: mark('file'),
    application: mark('application'),
    apiSecret: mark('api secret'),
  };
  const secrets: string[] = [...Object.values(marked)];
  /** What names a person or a Mac. */
  const personal: string[] = [];

  const contentOf = (name: string): string => readFileSync(join(folder, name), 'utf8');
  const parsed = (name: string) => JSON.parse(contentOf(name));

  async function plantInDatabase(): Promise<void> {
    const { sql } = scene.database;
    const [device] = scene.world.fleet.truth();
    personal.push(
      device!.deviceId,
      'C02SERIAL777',
      'Ann Lee',
      'ann.lee@contoso.example',
      'the reason that Ann gave',
    );
    // Wherever a text is kept that somebody else wrote.
    const text = `HTTP 500 ${marked.apiSecret} ${adminKey} for '${device!.deviceId}' ${device!.deviceId} ann.lee@contoso.example serial "C02SERIAL777"`;
    await sql`update instances set last_error = ${text}, last_error_at = now() where tenant_id = ${tenantId}`;
    await sql`update instance_reading set poll_error = ${text}, reconcile_error = ${text}`;
    await sql`update computers set last_error = ${text}`;
    await sql`update reports set state = 'held', reason = 'not-connected', detail = ${text}, next_try_at = now() + interval '1 day'`;
    await sql`update tenants set hold = ${sql.json({ cause: 'consent-lost', detail: text, remedy: 'connect again', owner: 'configuration', since: '2026-11-01T00:00:00Z' })}
      where tenant_id = ${tenantId}`;
    await sql`
      insert into history (tenant_id, sequence, recorded_at, author_kind, author_id, author, action, object_kind, object_id,
        object_name, before, after, reason, request_id, source, previous_hash, hash)
      values (${tenantId}, 900001, now(), 'user', ${crypto.randomUUID()}, 'Ann Lee', 'device.place', 'device',
        ${device!.deviceId}, 'Mac of Ann Lee', ${text}, ${text}, 'the reason that Ann gave', 'request-1', '198.51.100.7', '', '')`;
    const rows = await sql<{ sealed: string }[]>`
      select api_secret_sealed as sealed from instances where api_secret_sealed is not null
      union all select application->>'sealed' from tenants where application->>'sealed' is not null`;
    secrets.push(...rows.map(({ sealed }) => sealed));
    const hashes = await sql<
      { hash: string }[]
    >`select key_hash as hash from instance_keys union all select key_hash from api_keys`;
    secrets.push(...hashes.map(({ hash }) => hash));
  }

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'espalier-bundle-'));
    const opsPort = await freePort();
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          {
            displayName: 'Contoso',
            instances: [
              { name: 'berlin', macs: 2 },
              { name: 'paris', macs: 1 },
            ],
          },
        ],
      },
      environment: {
        ESPALIER_BOOTSTRAP_KEY: marked.bootstrap,
        ESPALIER_OPS_LISTEN: `127.0.0.1:${opsPort}`,
        ESPALIER_SECRETS_DIR: dir,
      },
    });
    [tenantId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string];
    const api = scene.api;
    const asBootstrap = {
      ...scene,
      api: (method: string, path: string, body?: unknown) => api(method, path, body, marked.bootstrap),
    };
    instances = await connectTenant(asBootstrap, tenantId);
    for (const name of ['berlin', 'paris'])
      secrets.push(clientSecretOf(scene.world.instance(name)), instances.get(name)!.key);
    adminKey = (await asBootstrap.api('POST', '/keys', { name: 'admin', role: 'admin' })).json.key;
    secrets.push(adminKey);
    const asAdmin = (method: string, path: string, body?: unknown) => api(method, path, body, adminKey);
    await asAdmin('POST', '/tenants', {
      tenantId: crypto.randomUUID(),
      cloud: 'public',
      displayName: 'Manual',
      mode: 'conditional-access',
      connectionType: 'manual',
      application: { clientId: crypto.randomUUID(), clientSecret: marked.application },
    });
    await sendWebhook(scene, instances.get('berlin')!, 1);
    await eventually(async () => {
      const [row] = await scene.database.sql<{ reports: number }[]>`select count(*) as reports from reports`;
      expect(row!.reports).toBeGreaterThan(0);
    });
    // Beside the sealed one, secrets by reference, and one that only a text repeats.
    const file = join(dir, 'instance-secret');
    writeFileSync(file, marked.file, { mode: 0o600 });
    const clientId = crypto.randomUUID();
    for (const [name, client] of Object.entries({
      'by variable': { secretRef: 'env:ESPALIER_INSTANCE_MARKED' },
      'by file': { secretRef: `file:${file}` },
      sealed: { clientSecret: marked.apiSecret },
    })) {
      const made = await asAdmin('POST', `/tenants/${tenantId}/instances`, {
        name,
        url: scene.world.instance('berlin').url,
        apiClient: { clientId, ...client },
      });
      expect(made.status, made.text).toBe(201);
    }
    await plantInDatabase();

    const own = await makeClientCertificate('marked');
    const url = new URL(scene.environment.DATABASE_URL!);
    const role = `marked_${crypto.randomUUID().slice(0, 8)}`;
    await scene.database.sql.unsafe(
      `create role ${role} login superuser password '${marked.databasePassword}'`,
    );
    url.username = role;
    url.password = marked.databasePassword;
    const keyFile = join(dir, 'next.key');
    writeFileSync(keyFile, own.keyPem, { mode: 0o600 });
    writeFileSync(join(dir, 'next.crt'), own.certificatePem);
    environment = {
      ...scene.environment,
      DATABASE_URL: url.href,
      ESPALIER_DIAGNOSTIC_CLIENT_SECRET_PUBLIC: marked.diagnosticSecret,
      ESPALIER_ENTRA_CLIENT_ID_CHINA: crypto.randomUUID(),
      ESPALIER_ENTRA_CLIENT_SECRET_CHINA: marked.entraSecret,
      ESPALIER_ENTRA_CERT_FILE_PUBLIC_NEXT: join(dir, 'next.crt'),
      ESPALIER_ENTRA_KEY_FILE_PUBLIC_NEXT: keyFile,
      ESPALIER_INSTANCE_MARKED: marked.reference,
      ESPALIER_API_KEY: marked.apiKey,
      OTEL_EXPORTER_OTLP_HEADERS: `authorization=${marked.otelHeader}`,
    };
    const keyFiles = Object.entries(environment).filter(([name]) => /_KEY_FILE(_|$)/.test(name));
    const pems = [...keyFiles.map(([, path]) => path), join(scene.environment.ESPALIER_DATA_DIR!, 'tls.key')];
    for (const path of pems)
      secrets.push(
        ...readFileSync(path, 'utf8')
          .split('\n')
          .filter((line) => line.length > 40),
      );
    secrets.push(scene.environment.ESPALIER_SECRETS_KEY!);

    snapshotFolder = join(scene.environment.ESPALIER_DATA_DIR!, 'snapshot');
    await eventually(() => expect(existsSync(join(snapshotFolder, 'manifest.sealed'))).toBe(true));

    const made = await runCommand(
      ['doctor', '--timeout', '5', '--cloud', 'public', '-o', 'json', '--bundle', 'bundle.tar.gz'],
      { cwd: dir, environment },
    );
    expect(made.stderr).toContain('support bundle without secrets');
    for (const form of secrets.flatMap(formsOf)) expect(`${made.stdout}${made.stderr}`).not.toContain(form);
    const unpacked = join(dir, 'unpacked');
    mkdirSync(unpacked);
    execFileSync('tar', ['-xzf', '../bundle.tar.gz'], { cwd: unpacked });
    folder = join(unpacked, readdirSync(unpacked)[0]!);
  }, 300_000);
  afterAll(async () => {
    rmSync(dir, { recursive: true, force: true });
    await scene?.close();
  });

  it('holds no secret in any form', () => {
    expect(secrets.length).toBeGreaterThan(40);
    const found: string[] = [];
    for (const name of readdirSync(folder)) {
      const text = contentOf(name);
      for (const secret of secrets)
        for (const form of formsOf(secret)) if (text.includes(form)) found.push(`${name}: ${secret}`);
    }
    expect(found).toEqual([]);
  });

  it('holds nothing that names a person or a Mac', () => {
    const found = readdirSync(folder).flatMap((name) =>
      personal
        .filter((text) => contentOf(name).toLowerCase().includes(text.toLowerCase()))
        .map((text) => `${name}: ${text}`),
    );
    expect(found).toEqual([]);
    const serials = scene.world.fleet.macs().map(({ facts }) => facts.serialNumber);
    for (const name of readdirSync(folder))
      for (const serial of serials) expect(contentOf(name)).not.toContain(serial);
  });

  it('holds nothing of the snapshot', () => {
    const sealed = readdirSync(snapshotFolder).filter((name) => name.endsWith('.sealed'));
    expect(sealed.length).toBeGreaterThan(1);
    for (const name of readdirSync(folder)) {
      const bytes = readFileSync(join(folder, name));
      expect(bytes.includes('ESPSNAP'), name).toBe(false);
      for (const file of sealed) {
        const head = readFileSync(join(snapshotFolder, file)).subarray(0, 40);
        for (const form of [head, head.toString('base64').slice(0, 50), head.toString('hex'), file])
          expect(bytes.includes(form), `${file} in ${name}`).toBe(false);
      }
    }
    expect(parsed('manifest.json').leftOut.join(' ')).toContain('snapshot');
  });

  it('holds every part that its manifest lists, which says what was left out', () => {
    const manifest = parsed('manifest.json');
    expect(manifest.files.map((file: { name: string }) => file.name)).toEqual(Object.keys(bundleFiles));
    expect(manifest.files.filter((file: { missing?: string }) => file.missing !== undefined)).toEqual([]);
    expect(readdirSync(folder).sort()).toEqual([...Object.keys(bundleFiles), 'manifest.json'].sort());
    expect(manifest.leftOut.join(' ')).toMatch(/secrets.*device ids.*logs/);
  });

  it('tells what an engineer asks for', () => {
    expect(parsed('doctor.json').map((line: { check: string }) => line.check)).toContain('instance.token');
    expect(contentOf('configuration.txt')).toMatch(/^ESPALIER_SECRETS_KEY=\*{8}$/m);
    expect(contentOf('configuration.txt')).toMatch(/^OTEL_EXPORTER_OTLP_HEADERS=\*{8}$/m);
    expect(contentOf('configuration.txt')).toMatch(/^ESPALIER_PUBLIC_URL=https:/m);
    expect(parsed('versions.json').postgres).toBeGreaterThan(150_000);
    expect(parsed('migrations.json').current).toBe(true);
    const contoso = parsed('tenants.json').find(
      (tenant: { tenantId: string }) => tenant.tenantId === tenantId,
    );
    expect(contoso).toMatchObject({ connectionState: 'connected', hold: { cause: 'consent-lost' } });
    const berlin = parsed('instances.json').find(({ name }: { name: string }) => name === 'berlin');
    expect(berlin).toMatchObject({
      jamfVersion: expect.stringContaining('11.30'),
      secret: expect.stringMatching(/^sealed by /),
    });
    expect(berlin.lastError).toMatch(/^HTTP 500 \[removed\] \[removed\] for '…' hidden-[0-9a-f]{12} hidden-/);
    expect(parsed('reports.json').byState[0]).toMatchObject({ state: 'held', reason: 'not-connected' });
    expect(parsed('history.json')[0]).toMatchObject({
      action: 'device.place',
      author: expect.stringMatching(/^hidden-/),
    });
    expect(parsed('convergence.json')[0].processes).toHaveLength(1);
    expect(contentOf('metrics.txt')).toContain('espalier_reports{state="held"');
  });

  it('can be read by its owner alone, and replaces no file', async () => {
    const file = join(dir, 'bundle.tar.gz');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const again = await runCommand(['doctor', '--timeout', '2', '--instance', 'berlin', '--bundle', file], {
      cwd: dir,
      environment,
    });
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('is there already') });
  });

  it('is made without the database too, and says what is missing', async () => {
    const file = join(dir, 'away.tar.gz');
    const away = {
      ...environment,
      DATABASE_URL: `postgres://u:${encodeURIComponent(marked.databasePassword)}@127.0.0.1:1/x`,
    };
    const made = await runCommand(['doctor', '--timeout', '2', '--cloud', 'public', '--bundle', file], {
      cwd: dir,
      environment: away,
    });
    expect(made.code).toBe(1);
    expect(existsSync(file)).toBe(true);
    const manifest = JSON.parse(
      execFileSync('tar', ['-xzOf', file, '--wildcards', '*/manifest.json'], { encoding: 'utf8' }),
    );
    const missing = manifest.files.filter((one: { missing?: string }) => one.missing?.includes('database'));
    expect(missing.map((one: { name: string }) => one.name)).toContain('tenants.json');
  });
});
