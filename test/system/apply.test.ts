import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openAdminApi } from '../../src/cli/admin-api.ts';
import { carryOutTenant } from '../../src/cli/declared/carry-out.ts';
import { diff } from '../../src/cli/declared/diff.ts';
import { parseFiles } from '../../src/cli/declared/parse.ts';
import { readPresent } from '../../src/cli/declared/read-present.ts';
import { clientSecretOf } from '../../src/simulator/world.ts';
import { bootstrapKey, type Scene, startScene } from '../harness/gateway.ts';
import { type CommandResult, runCommand } from '../harness/run-espalier.ts';

const a = '3f2504e0-4f89-41d3-9a0c-0305e82c330a';
const b = '3f2504e0-4f89-41d3-9a0c-0305e82c330b';
const c = '3f2504e0-4f89-41d3-9a0c-0305e82c330c';
const head = 'apiVersion: espalier.dev/v1\n';

describe('apply and export', { timeout: 240_000 }, () => {
  let scene: Scene;
  let dir: string;
  let environment: Record<string, string>;

  beforeAll(async () => {
    scene = await startScene({
      world: { clouds: ['public'], tenants: [{ instances: [{ name: 'berlin', macs: 1 }] }] },
      environment: { ESPALIER_SECRETS_DIR: '/run/secrets', ESPALIER_INSTANCE_X: 'x' },
    });
    dir = mkdtempSync(join(tmpdir(), 'espalier-apply-'));
    writeFileSync(join(dir, 'gateway.crt'), scene.trust);
    writeFileSync(join(dir, 'ca.pem'), scene.world.authority.certificatePem);
    writeFileSync(join(dir, 'berlin.secret'), `${clientSecretOf(scene.world.instance('berlin'))}\n`);
    environment = {
      ESPALIER_URL: scene.gateway.admin,
      ESPALIER_API_KEY: bootstrapKey,
      ESPALIER_CA_FILE: join(dir, 'gateway.crt'),
    };
  });
  beforeEach(async () => {
    const { json } = await scene.api('GET', '/tenants');
    for (const { id } of json.results) await scene.api('DELETE', `/tenants/${id}?force=true`);
  });
  afterAll(async () => {
    await scene?.close();
    if (dir) rmSync(dir, { recursive: true, force: true });
  });

  const write = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text);
    return join(dir, name);
  };
  const espalier = (args: string[], more: { stdin?: string; environment?: Record<string, string> } = {}) =>
    runCommand(args, { cwd: dir, ...more, environment: { ...environment, ...more.environment } });
  /** Applies this text from standard input. */
  const apply = (text: string, ...args: string[]): Promise<CommandResult> =>
    espalier(['apply', '-f', '-', ...args], { stdin: `${head}${text}` });
  const get = async (path: string) => (await scene.api('GET', path)).json;
  const instancesOf = async (tenantId: string) => (await get(`/tenants/${tenantId}/instances`)).results;

  const berlin = (): string => {
    const { clientId, url } = scene.world.instance('berlin');
    return `{ name: berlin, url: "${url}", apiClient: { clientId: "${clientId}", clientSecret: file:berlin.secret } }`;
  };
  const simple = (name: string, more = ''): string =>
    `{ name: ${name}, url: "https://localhost:9/${name}", apiClient: { clientId: ${name}, secretRef: env:ESPALIER_INSTANCE_X }${more} }`;

  /** Everything that can be said. */
  const everything = (): string => `
tenants:
  - tenantId: ${a}
    displayName: Contoso
    landing: { choice: custom, customUrl: "https://localhost/help", defaultInstance: paris }
    partnerGroup: { displayName: All Macs }
    paused: true
    instances:
      - ${berlin()}
      - name: paris
        url: https://localhost:9/paris
        apiClient: { clientId: paris, secretRef: "env:ESPALIER_INSTANCE_PARIS" }
        compliance: { source: smart-group, applicableGroup: All, complianceGroup: Good }
        caCertificate: file:ca.pem
        clientCertificateSha256: ${'ab'.repeat(32)}
        enabled: false
        paused: true
  - tenantId: ${b}
    displayName: Fabrikam
    mode: conditional-access
    connectionType: manual
    application: { clientId: ${c}, secretRef: "file:/run/secrets/fabrikam" }
    landing: { choice: denied }
    partnerGroup: { id: ${c} }
    instances: [${simple('oslo')}]
`;

  it('a dry run prints the plan, changes nothing and says by its exit code whether anything would change', async () => {
    const before = await apply(everything(), '--dry-run');
    expect([before.code, before.stderr]).toEqual([10, '']);
    expect(before.stdout).toContain(`+ tenant Contoso (${a})\n    displayName: Contoso\n`);
    expect(before.stdout).toContain('        apiClient.clientSecret: (sent from file:berlin.secret)\n');
    expect(before.stdout).toMatch(/caCertificate: PEM, sha256 [0-9a-f]{12}\n/);
    expect(before.stdout).toContain('Plan: 2 tenants to create, 3 instances to create.');
    expect((await get('/tenants')).totalCount).toBe(0);
    const machine = await apply(everything(), '--dry-run', '-o', 'json');
    expect(machine.code).toBe(10);
    expect(JSON.parse(machine.stdout)).toMatchObject({
      changes: true,
      counts: { tenants: { create: 2 } },
      refusals: [],
    });
    expect(machine.stdout + before.stdout).not.toContain(clientSecretOf(scene.world.instance('berlin')));
  });

  it('makes everything as declared, and the second time there is nothing to do', async () => {
    const first = await apply(everything());
    expect([first.code, first.stderr]).toEqual([0, '']);
    expect(first.stdout).toContain(
      'Contoso: instance paris created\nContoso: instance paris disabled\nContoso: instance paris paused\nContoso: landing set\n',
    );
    const instances = await instancesOf(a);
    const paris = instances.find(({ name }: { name: string }) => name === 'paris');
    expect(await get(`/tenants/${a}`)).toMatchObject({
      displayName: 'Contoso',
      landing: { choice: 'custom', customUrl: 'https://localhost/help', defaultInstanceId: paris.id },
      partnerGroup: { displayName: 'All Macs' },
      paused: true,
    });
    expect(paris).toMatchObject({
      apiClient: { clientId: 'paris', secretRef: 'env:ESPALIER_INSTANCE_PARIS' },
      compliance: { source: 'smart-group', applicableGroup: 'All', complianceGroup: 'Good' },
      caCertificate: scene.world.authority.certificatePem,
      clientCertificateSha256: 'ab'.repeat(32),
      enabled: false,
      paused: true,
    });
    expect(await get(`/tenants/${b}`)).toMatchObject({
      mode: 'conditional-access',
      connectionType: 'manual',
      application: { clientId: c, secretRef: 'file:/run/secrets/fabrikam' },
    });
    const [made] = instances.filter(({ name }: { name: string }) => name === 'berlin');
    const tested = await scene.api('POST', `/tenants/${a}/instances/${made.id}/test`);
    expect(tested.json).toMatchObject({ ok: true });
    const second = await apply(everything());
    expect([second.code, second.stdout]).toEqual([0, 'Nothing to do: everything is as declared.\n']);
    expect((await apply(everything(), '--dry-run', '--prune')).code).toBe(0);
  });

  it.each([
    ['yaml', []],
    ['json', []],
    ['yaml', ['--ids']],
  ])('export -o %s %j then apply is a no-op', async (format, more) => {
    await apply(everything());
    const exported = await espalier(['export', '-o', format, ...more]);
    expect([exported.code, exported.stderr]).toEqual([0, '']);
    expect((await espalier(['export', '-o', format, ...more])).stdout).toBe(exported.stdout);
    const file = write(`exported.${format}`, exported.stdout);
    const again = await espalier(['apply', '-f', file, '--prune', '--dry-run']);
    expect([again.code, again.stderr, again.stdout]).toEqual([
      0,
      '',
      'Nothing to do: everything is as declared.\n',
    ]);
    expect(exported.stdout).not.toContain(clientSecretOf(scene.world.instance('berlin')));
    if (format === 'yaml') {
      expect(exported.stdout).toContain('  # Contoso\n  - tenantId: ');
      expect(exported.stdout).toContain('# its secret is kept by the gateway\n');
    }
  });

  it('an export brings back what was changed since, and on an empty gateway it asks for the secrets', async () => {
    await apply(everything());
    const { stdout } = await espalier(['export', '--tenant', a]);
    const file = write('before.yaml', stdout);
    const [one] = await instancesOf(a);
    await scene.api('PATCH', `/tenants/${a}`, { displayName: 'Other', partnerGroup: null });
    await scene.api('PATCH', `/tenants/${a}/instances/${one.id}`, {
      enabled: false,
      caCertificate: scene.trust,
    });
    const back = await espalier(['apply', '-f', file]);
    expect([back.code, back.stderr]).toEqual([0, '']);
    expect((await espalier(['export', '--tenant', a])).stdout).toBe(stdout);
    await scene.api('DELETE', `/tenants/${a}?force=true`);
    const empty = await espalier(['apply', '-f', file]);
    expect(empty.code).toBe(1);
    expect(empty.stderr).toContain('a new instance needs the secret of its API client');
    expect((await get(`/tenants/${a}`)).status).toBe(404);
  });

  it('changes fields, renames by id, and leaves what is not said', async () => {
    await apply(everything());
    const instances = await instancesOf(a);
    const [first, second] = instances;
    const changed = await apply(`
tenants:
  - tenantId: ${a}
    displayName: Contoso Ltd
    partnerGroup: null
    paused: false
    instances:
      - { id: ${second.id}, name: lyon, caCertificate: null, enabled: true, paused: false }
`);
    expect([changed.code, changed.stderr]).toEqual([0, '']);
    expect(changed.stdout).toContain(
      '    displayName: Contoso -> Contoso Ltd\n    partnerGroup: displayName All Macs -> (none)\n    paused: true -> false\n',
    );
    expect(changed.stdout).toContain('        name: paris -> lyon\n');
    expect(await get(`/tenants/${a}`)).toMatchObject({
      displayName: 'Contoso Ltd',
      partnerGroup: null,
      paused: false,
    });
    const after = await instancesOf(a);
    expect(after).toEqual([
      first,
      expect.objectContaining({
        id: second.id,
        name: 'lyon',
        caCertificate: null,
        enabled: true,
        paused: false,
        clientCertificateSha256: 'ab'.repeat(32),
      }),
    ]);
  });

  it('sends a secret again only when told to, or when its reference changes', async () => {
    await apply(`tenants: [{ tenantId: ${a}, displayName: A, instances: [${berlin()}] }]`);
    const [before] = await instancesOf(a);
    writeFileSync(join(dir, 'berlin.secret'), 'rotated');
    const text = `tenants: [{ tenantId: ${a}, instances: [${berlin()}] }]`;
    expect((await apply(text)).stdout).toContain('Nothing to do');
    const sent = await apply(text, '--update-secrets');
    expect(sent.stdout).toContain(
      'apiClient.clientSecret: (kept by the gateway) -> (sent from file:berlin.secret)',
    );
    const [after] = await instancesOf(a);
    expect(after.versionLock).toBe(before.versionLock + 1);
    const tested = await scene.api('POST', `/tenants/${a}/instances/${after.id}/test`);
    expect(tested.json.ok).toBe(false);
    writeFileSync(join(dir, 'berlin.secret'), clientSecretOf(scene.world.instance('berlin')));
    const missing = await apply(text.replace('file:berlin.secret', 'env:NOT_SET'), '--update-secrets');
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain('its secret env:NOT_SET cannot be read: the variable is not set');
    const reference = text.replace('clientSecret: file:berlin.secret', 'secretRef: env:ESPALIER_INSTANCE_B');
    expect((await apply(reference)).stdout).toContain(
      'apiClient.secretRef: (kept by the gateway) -> env:ESPALIER_INSTANCE_B',
    );
  });

  it('stops at the first failure of a tenant, goes on with the others, says what was not done; a second run goes on', async () => {
    const text = (cloud: string, url: string) => `
tenants:
  - { tenantId: ${a}, displayName: A, cloud: ${cloud}, instances: [${simple('one')}] }
  - { tenantId: ${b}, displayName: B, instances: [${simple('two')}, { name: three, url: "${url}", apiClient: { clientId: x, secretRef: env:ESPALIER_INSTANCE_X } }, ${simple('four')}] }
  - { tenantId: ${c}, displayName: C, instances: [${simple('five')}] }
`;
    const first = await apply(text('mars', 'https://10.0.0.1'));
    expect(first.code).toBe(1);
    const [, done = ''] = first.stdout.split('to create.\n\n');
    expect(done.replaceAll(/FAILED: HTTP 400: .*/g, 'FAILED')).toBe(
      `A: created: FAILED
A: instance one created: not done, since a step before it failed
B: created
B: instance two created
B: instance three created: FAILED
B: instance four created: not done, since a step before it failed
C: created
C: instance five created

4 steps done, 2 failed, 2 not done. Mend what failed and run apply again: it goes on where it stopped.
`,
    );
    const second = await apply(text('public', 'https://localhost:9/three'), '-o', 'json');
    expect(second.code).toBe(0);
    expect(
      JSON.parse(second.stdout).results.map(
        ({ instance, operation }: { instance?: string; operation: string }) => instance ?? operation,
      ),
    ).toEqual(['create-tenant', 'one', 'three', 'four']);
    expect((await apply(text('public', 'https://localhost:9/three'), '--dry-run')).code).toBe(0);
  });

  it('says what takes a migration, and does nothing of the plan then', async () => {
    await apply(everything());
    const refused = await apply(
      `tenants:\n  - { tenantId: ${a}, displayName: New, mode: conditional-access }\n  - { tenantId: ${c}, displayName: C }\n`,
    );
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(
      `-:3:5: tenant ${a}: mode is device-compliance and cannot be changed to conditional-access like a field\n    this takes a migration`,
    );
    expect((await get(`/tenants/${a}`)).displayName).toBe('Contoso');
    expect((await get(`/tenants/${c}`)).status).toBe(404);
  });

  it('prune deletes what the files do not name, and what has devices only with force', async () => {
    await apply(everything());
    const paris = (await instancesOf(a)).find(({ name }: { name: string }) => name === 'paris');
    const device = await scene.api('PUT', `/tenants/${a}/devices/${c}`, {
      instanceId: paris.id,
      jamfComputerId: '7',
    });
    expect(device.status).toBeLessThan(300);
    const text = `tenants: [{ tenantId: ${a}, instances: [{ name: berlin }] }]`;
    expect((await apply(text, '--dry-run')).code).toBe(0);
    const refused = await apply(text, '--prune');
    expect(refused.code).toBe(1);
    expect(refused.stdout).toContain(
      '    landing.defaultInstance: paris -> (none)\n    - instance paris (1 device)\n',
    );
    expect(refused.stdout).toContain(`- tenant Fabrikam (${b}) (0 devices)\n`);
    expect(refused.stderr).toContain(
      `instance paris of tenant ${a}: it would be deleted and has 1 device\n    give --force`,
    );
    expect((await instancesOf(a)).length).toBe(2);
    const forced = await apply(text, '--prune', '--force');
    expect([forced.code, forced.stderr]).toEqual([0, '']);
    expect(forced.stdout).toContain(
      'Contoso: landing set\nContoso: instance paris deleted\nFabrikam: deleted\n',
    );
    expect((await get('/tenants')).totalCount).toBe(1);
    expect((await instancesOf(a)).map(({ name }: { name: string }) => name)).toEqual(['berlin']);
    const nothing = await apply('tenants: []', '--prune');
    expect([nothing.code, nothing.stderr]).toEqual([
      2,
      'espalier apply: --prune needs files that declare a tenant\n',
    ]);
  });

  it('lets several teams share a gateway: each deletes its own tenants alone', async () => {
    const teamA = `tenants: [{ tenantId: ${a}, displayName: A, tags: [eu] }, { tenantId: ${c}, displayName: C }]`;
    expect((await apply(teamA, '--select-tag', 'team-a')).code).toBe(0);
    const teamB = `tenants: [{ tenantId: ${b}, displayName: B }]`;
    expect((await apply(teamB, '--select-tag', 'team-b', '--prune')).code).toBe(0);
    expect((await get(`/tenants/${a}`)).tags).toEqual(['eu', 'team-a']);
    expect((await apply(teamA, '--select-tag', 'team-a', '--prune')).stdout).toContain('Nothing to do');

    const pruned = await apply(
      `tenants: [{ tenantId: ${a}, tags: [] }]`,
      ...['--select-tag', 'team-a', '--prune'],
    );
    expect([pruned.code, pruned.stderr]).toEqual([0, '']);
    expect(pruned.stdout).toContain(`~ tenant A (${a})\n    tags: eu, team-a -> team-a\n- tenant C (${c})`);
    const left = (await get('/tenants')).results.map(({ id }: { id: string }) => id);
    expect(left).toEqual([a, b]);

    const foreign = await apply(`tenants: [{ tenantId: ${b}, displayName: Ours }]`, '--select-tag', 'team-a');
    expect(foreign.code).toBe(1);
    expect(foreign.stderr).toContain(
      `tenant ${b}: it does not have the tag team-a, so it may be another team's`,
    );
    const exported = await espalier(['export', '--select-tag', 'team-b', '-o', 'json']);
    expect(JSON.parse(exported.stdout).tenants).toMatchObject([{ tenantId: b, tags: ['team-b'] }]);
    expect((await apply(teamA, '--select-tag', 'team a')).code).toBe(2);
  });

  it('keeps tags in order, and none twice', async () => {
    await apply(`tenants: [{ tenantId: ${a}, displayName: A, tags: [z, b, z] }]`);
    expect((await get(`/tenants/${a}`)).tags).toEqual(['b', 'z']);
    const changed = await espalier(['tenants', 'change', a, '--tags', 'us,eu', '-o', 'json']);
    expect(JSON.parse(changed.stdout).tags).toEqual(['eu', 'us']);
    for (const tags of [['eu', 'eu'], ['team a'], ['']])
      expect((await scene.api('PATCH', `/tenants/${a}`, { tags })).status).toBe(400);
    expect((await get(`/tenants/${a}`)).tags).toEqual(['eu', 'us']);
  });

  it('says that something was changed since it looked, and leaves it', async () => {
    await apply(everything());
    const api = openAdminApi(environment);
    const text = `${head}tenants: [{ tenantId: ${a}, displayName: Mine, instances: [{ name: berlin, enabled: false, paused: true }] }]`;
    const { faults, ...declared } = parseFiles([{ name: 'x.yaml', text, dir }], () => '');
    expect(faults).toEqual([]);
    const plan = async () => {
      const present = await readPresent(api, declared, { all: false });
      const [tenant] = diff(declared, present, { prune: false, updateSecrets: false, nowMs: 0 }).tenants;
      return { present, tenant: tenant! };
    };
    const carryOut = async ({ present, tenant }: Awaited<ReturnType<typeof plan>>) =>
      (await carryOutTenant(api, tenant, present.tenants[0], { force: false, secretOf: () => '' })).map(
        ({ detail, operation, state }) => [operation.kind, state, detail?.split(';')[0]],
      );
    const stale = await plan();
    await scene.api('PATCH', `/tenants/${a}`, { displayName: 'Theirs' });
    const changed = 'it was changed since the plan was made';
    expect(await carryOut(stale)).toEqual([
      ['change-tenant', 'failed', changed],
      ['pause-instance', 'not-done', undefined],
      ['disable-instance', 'not-done', undefined],
    ]);
    const [berlinNow] = await instancesOf(a);
    const later = await plan();
    // What pausing answers has no version: it must not hide a change that came between.
    await scene.api('PATCH', `/tenants/${a}/instances/${berlinNow.id}`, { url: `${berlinNow.url}/jss` });
    expect(await carryOut(later)).toEqual([
      ['change-tenant', 'done', undefined],
      ['pause-instance', 'failed', changed],
      ['disable-instance', 'not-done', undefined],
    ]);
    expect(await carryOut(await plan())).toEqual([['disable-instance', 'done', undefined]]);
  });

  it('reports what waits for a second operator as waiting, not as done', async () => {
    const { certificatePem, keyPem } = await scene.world.authority.issue(['localhost']);
    const seen: string[] = [];
    const server = createServer({ cert: certificatePem, key: keyPem }, (request, response) => {
      seen.push(`${request.method} ${request.url} ${typeof request.headers['idempotency-key']}`);
      response.writeHead(202, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify({
          approvalId: c,
          href: `/api/v1/approvals/${c}`,
          devices: 200,
          expiresAt: '2027-01-01T00:00:00.000Z',
          state: 'waiting',
        }),
      );
    });
    await new Promise<void>((listening) => server.listen(0, 'localhost', listening));
    try {
      const api = openAdminApi({
        ESPALIER_URL: `https://localhost:${(server.address() as AddressInfo).port}`,
        ESPALIER_API_KEY: 'esp_x',
        ESPALIER_CA_FILE: join(dir, 'ca.pem'),
      });
      const plan = {
        action: 'delete',
        tenantId: a,
        displayName: 'A',
        fields: [],
        instances: [],
        warnings: [],
        operations: [{ kind: 'delete-tenant' }],
      } as const;
      const results = await carryOutTenant(api, plan, undefined, { force: true, secretOf: () => '' });
      expect(results).toEqual([
        { operation: { kind: 'delete-tenant' }, state: 'waiting', detail: `approval ${c}` },
      ]);
      expect(seen).toEqual([`DELETE /api/v1/tenants/${a}?force=true string`]);
    } finally {
      await new Promise((closed) => server.close(closed));
    }
  });

  it.each([
    [
      'UTF-8 with a byte order mark and CRLF',
      (text: string) => Buffer.from(`\ufeff${text.replaceAll('\n', '\r\n')}`),
    ],
    ['UTF-16 with a byte order mark', (text: string) => Buffer.from(`\ufeff${text}`, 'utf16le')],
    ['UTF-8 with decomposed letters', (text: string) => Buffer.from(text.normalize('NFD'))],
  ])('reads a file as its editor meant it, and knows it again: %s', async (_name, encode) => {
    const text = `${head}tenants:\n  - tenantId: ${a}\n    displayName: Café Zürich\n    instances: [${simple('x').replace('name: x', 'name: zürich')}]\n`;
    writeFileSync(join(dir, 'editor.yaml'), encode(text));
    const applied = await espalier(['apply', '-f', 'editor.yaml']);
    expect([applied.code, applied.stderr]).toEqual([0, '']);
    expect((await get(`/tenants/${a}`)).displayName).toBe('Café Zürich');
    expect((await instancesOf(a)).map(({ name }: { name: string }) => name)).toEqual(['zürich']);
    for (const same of [text, text.normalize('NFD'), text.replace('name: zürich', 'name: "ZÜRICH "')]) {
      const again = await espalier(['apply', '-f', '-', '--prune'], { stdin: same });
      expect([again.code, again.stdout]).toEqual([0, 'Nothing to do: everything is as declared.\n']);
    }
  });

  it('refuses a file, a secret and a certificate in another encoding by its name, before anything is sent', async () => {
    const latin1 = Buffer.from(`${head}tenants:\n  - tenantId: ${a}\n    displayName: Café\n`, 'latin1');
    writeFileSync(join(dir, 'windows.yaml'), latin1);
    const refused = await espalier(['apply', '-f', 'windows.yaml']);
    expect([refused.code, refused.stdout]).toEqual([2, '']);
    expect(refused.stderr).toBe(
      'windows.yaml:4:21: cannot be read: is not UTF-8: the byte 0xE9 is one of another encoding, as Windows-1252 (Latin-1); save the file as UTF-8\n',
    );
    writeFileSync(join(dir, 'windows.secret'), Buffer.from('geheim\u00e9', 'latin1'));
    const secret = await apply(
      `tenants: [{ tenantId: ${a}, displayName: A, instances: [${berlin().replace('berlin.secret', 'windows.secret')}] }]`,
    );
    expect(secret.code).toBe(1);
    expect(secret.stderr).toContain('file:windows.secret cannot be read: is not UTF-8: the byte 0xE9');
    expect(secret.stderr).not.toContain('geheim');
    expect(secret.stdout).not.toContain('Nothing to do');
    expect((await get(`/tenants/${a}`)).status).toBe(404);
  });

  it('tells of a reference that gives no secret yet, with the object that has it, and of one that is refused', async () => {
    const text = (reference: string) => `
tenants:
  - tenantId: ${a}
    displayName: Contoso
    instances: [${simple('paris').replace('env:ESPALIER_INSTANCE_X', reference)}]
  - tenantId: ${b}
    displayName: Fabrikam
    connectionType: manual
    application: { clientId: ${c}, secretRef: file:/run/secrets/fabrikam }
`;
    const applied = await apply(text('env:ESPALIER_INSTANCE_GONE'));
    expect([applied.code, applied.stderr]).toEqual([0, '']);
    expect(applied.stdout).toContain(
      '! Contoso: instance paris: apiClient.secretRef: the variable of env:ESPALIER_INSTANCE_GONE is not set\n',
    );
    expect(applied.stdout).toContain(
      '\n! Fabrikam: application.secretRef: the file of file:/run/secrets/fabrikam ',
    );
    const changed = await apply(text('env:ESPALIER_INSTANCE_AWAY'), '-o', 'json');
    expect(JSON.parse(changed.stdout).results).toMatchObject([
      {
        instance: 'paris',
        state: 'done',
        warnings: [
          { field: 'apiClient.secretRef', description: expect.stringContaining('_AWAY is not set') },
        ],
      },
    ]);
    const refused = await apply(text('env:DATABASE_URL'));
    expect(refused.code).toBe(1);
    expect(refused.stdout).toContain('instance paris changed: FAILED: HTTP 400: apiClient.secretRef: ');
    expect(refused.stdout).toContain('env:DATABASE_URL');
  });

  it('the commands that create and change tell of such a reference as well', async () => {
    const gone = (what: string) => ['--secret-ref', `env:ESPALIER_INSTANCE_${what}`];
    const said = (field: string, what: string) =>
      `warning: ${field}.secretRef: the variable of env:ESPALIER_INSTANCE_${what} is not set; it is accepted and does not work yet\n`;
    const tenant = await espalier([
      'tenants',
      'create',
      '--tenant-id',
      b,
      '--display-name',
      'B',
      '--connection-type',
      'manual',
      '--application-id',
      c,
      ...gone('P'),
    ]);
    expect([tenant.code, tenant.stderr.includes(said('application', 'P'))]).toEqual([0, true]);
    const changedTenant = await espalier(['tenants', 'change', b, '--application-id', c, ...gone('Q')]);
    expect([changedTenant.code, changedTenant.stderr]).toEqual([0, said('application', 'Q')]);
    const fields = ['-t', b, '--name', 'oslo', '--url', 'https://localhost:9/oslo', '--client-id', 'oslo'];
    const created = await espalier(['instances', 'create', ...fields, ...gone('R'), '-o', 'json']);
    expect([created.code, created.stderr.includes(said('apiClient', 'R'))]).toEqual([0, true]);
    const { id } = JSON.parse(created.stdout);
    const changed = await espalier(['instances', 'change', id, '-t', b, '--client-id', 'oslo', ...gone('S')]);
    expect([changed.code, changed.stderr]).toEqual([0, said('apiClient', 'S')]);
    const works = await espalier(['instances', 'change', id, '-t', b, '--client-id', 'oslo', ...gone('X')]);
    expect([works.code, works.stderr]).toEqual([0, '']);
  });

  it('a file with faults is exit code 2, with all of them and nothing asked of the gateway', async () => {
    const wrong = await espalier([
      'apply',
      '-f',
      'nothing-here.yaml',
      '-f',
      write('bad.yaml', `${head}tenants: [{ tenantId: 1, x: 2 }]\n`),
    ]);
    expect(wrong.code).toBe(2);
    expect(wrong.stderr.split('\n').length).toBe(4);
    expect(wrong.stderr).toContain('nothing-here.yaml: cannot be read: ENOENT');
    expect(wrong.stderr).toContain('bad.yaml:2:26: tenants[0].x is not known here');
    expect((await espalier(['apply'])).code).toBe(2);
  });

  it('binds operators of Entra before anything else, exports them, and ends no assignment', async () => {
    const [entra, person] = [crypto.randomUUID(), crypto.randomUUID()];
    const text = `operators:\n  - { id: ${entra}, tenants: [${a}] }\n  - { id: "${entra}:${person.toUpperCase()}", tenants: null }\n`;
    const planned = await apply(text, '--dry-run');
    expect([planned.code, planned.stdout.includes(`+ operator ${entra}: sees 1 tenant\n`)]).toEqual([
      10,
      true,
    ]);
    const made = await apply(text);
    expect([made.code, made.stderr]).toEqual([0, '']);
    expect(made.stdout).toContain(`operator ${entra}:${person} bound\n`);
    expect((await scene.api('GET', `/operators/${entra}:${person}`)).json).toMatchObject({
      tenants: null,
      assignment: 'own',
    });
    expect((await apply(text)).stdout).toBe('Nothing to do: everything is as declared.\n');
    const changed = await apply(`operators: [{ id: ${entra}, tenants: [] }]`);
    expect(changed.stdout).toContain(`~ operator ${entra}: sees 1 tenant -> 0 tenants\n`);
    const exported = await espalier(['export', '-o', 'json']);
    expect(JSON.parse(exported.stdout).operators).toEqual([
      { id: entra, tenants: [] },
      { id: `${entra}:${person}`, tenants: null },
    ]);
    const twice = await apply(
      `operators: [{ id: ${entra}, tenants: [] }, { id: ${entra.toUpperCase()}, tenants: null }]`,
    );
    expect([twice.code, twice.stderr.includes(`the operator ${entra} is declared already`)]).toEqual([
      2,
      true,
    ]);
    for (const wrong of [
      '{ id: contoso, tenants: [] }',
      `{ id: ${entra} }`,
      `{ id: ${entra}, tenants: [x] }`,
    ])
      expect((await apply(`operators: [${wrong}]`)).code).toBe(2);
  });

  it('makes keys once, each into a file for its owner alone', async () => {
    const text = `tenants: [{ tenantId: ${a}, displayName: A }]\nkeys:\n  - { name: "ops/night", role: operator, tenants: [${a}] }\n  - { name: admin, role: admin }\n`;
    const unflagged = await apply(text);
    expect([unflagged.code, unflagged.stderr]).toEqual([
      2,
      'espalier apply: the files declare keys: give --keys-dir DIR, where new ones are written\n',
    ]);
    expect((await apply(text, '--dry-run')).stdout).toContain(
      '+ key ops/night, operator of 1 tenant\n+ key admin, admin of all tenants\n',
    );
    // The bootstrap key opens nothing any more once the admin key is there, so that one has to be the last step.
    const made = await apply(text, '--keys-dir', 'keys');
    expect([made.code, made.stderr]).toEqual([0, '']);
    const file = join(dir, 'keys', 'ops%2Fnight.key');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(made.stdout).not.toContain(readFileSync(file, 'utf8').trim());
    const admin = readFileSync(join(dir, 'keys', 'admin.key'), 'utf8').trim();
    const asAdmin = { ESPALIER_API_KEY: admin };
    const again = await espalier(['apply', '-f', '-', '--keys-dir', 'keys'], {
      stdin: `${head}${text}`,
      environment: asAdmin,
    });
    expect([again.code, again.stdout]).toEqual([0, 'Nothing to do: everything is as declared.\n']);
    const night = { ESPALIER_API_KEY: readFileSync(file, 'utf8').trim() };
    const low = await espalier(['apply', '-f', '-'], {
      stdin: `${head}tenants: [{ tenantId: ${a}, displayName: B }]`,
      environment: night,
    });
    expect([low.code, low.stdout.includes('FAILED: HTTP 403')]).toEqual([1, true]);
    expect((await espalier(['export'], { environment: asAdmin })).stdout).not.toContain('keys');
    expect((await espalier(['export', '--tenant', b], { environment: asAdmin })).code).toBe(4);
    expect((await espalier(['export'])).code).toBe(3);
  });
});
