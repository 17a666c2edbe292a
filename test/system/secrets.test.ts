import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createReseal } from '../../src/connection/reseal.ts';
import { resealBatch } from '../../src/limits.ts';
import { createSealer } from '../../src/secrets/seal.ts';
import { clientSecretOf } from '../../src/simulator/world.ts';
import { readInstance } from '../../src/store/instances/instance.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  addInstance,
  connectTenant,
  type Scene,
  startScene,
} from '../harness/gateway.ts';
import { grantOwnApplication } from '../harness/own-application.ts';
import { runCommand } from '../harness/run-espalier.ts';

/** Kept secrets while ESPALIER_SECRETS_KEY changes (docs/secrets.md). */
describe('secrets', () => {
  const secretsDir = mkdtempSync(join(tmpdir(), 'espalier-secrets-'));
  let scene: Scene;
  let shared: string;
  let manual: string;
  let instances: Map<string, AddedInstance>;
  let own: AddedInstance;
  const application = { clientId: crypto.randomUUID(), clientSecret: 'the-secret-of-the-tenant' };
  const key = (fill: number) => new Uint8Array(32).fill(fill);
  const setting = (...fills: number[]) =>
    fills.map((fill) => Buffer.from(key(fill)).toString('base64')).join(',');
  const idOf = async (fill: number) => (await createSealer([key(fill)])).keyIds[0]!;

  /** Key ids of every kept secret, with what the operator sees of the row. */
  const kept = async () =>
    scene.database.sql<{ id: string; key: string; version: number; updatedAt: Date }[]>`
      select instance_id::text as id, split_part(api_secret_sealed, '.', 2) as key, version, updated_at as "updatedAt"
      from instances where api_secret_sealed is not null
      union all
      select tenant_id::text, split_part(application->>'sealed', '.', 2), version, null
      from tenants where application->>'sealed' is not null
      order by 1`;
  const metrics = async () => (await fetch(`${scene.gateway.ops}/metrics`)).text();
  const sealed = (text: string, key: string) =>
    Number(new RegExp(`espalier_sealed_secrets\\{key="${key}"[^}]*\\} (\\d+)`).exec(text)?.[1]);
  const instanceWorks = async (tenantId: string, id: string) => {
    const { json } = await scene.api('POST', `/tenants/${tenantId}/instances/${id}/test`);
    expect(json.steps.filter((step: { ok: boolean }) => !step.ok)).toEqual([]);
  };
  const everythingWorks = async () => {
    for (const { id } of instances.values()) await instanceWorks(shared, id);
    await instanceWorks(manual, own.id);
    expect((await scene.api('POST', `/tenants/${manual}/confirm`)).json).toMatchObject({ ok: true });
  };

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          {
            displayName: 'Shared',
            instances: [
              { name: 'one', macs: 1 },
              { name: 'two', macs: 1 },
            ],
          },
          { displayName: 'Manual', instances: [{ name: 'own', macs: 1 }] },
        ],
      },
      environment: { ESPALIER_SECRETS_KEY: setting(1), ESPALIER_SECRETS_DIR: secretsDir },
    });
    [shared, manual] = scene.world.tenants.map((one) => one.tenantId) as [string, string];
    instances = await connectTenant(scene, shared);
    await scene.api('POST', '/tenants', {
      tenantId: manual,
      cloud: 'public',
      displayName: 'Manual',
      mode: 'conditional-access',
      connectionType: 'manual',
      application,
    });
    grantOwnApplication(scene.world, manual, application, 'conditional-access');
    own = await addInstance(scene, manual, 'own');
    await scene.api('POST', `/tenants/${manual}/connect`);
    await everythingWorks();
  });
  afterAll(async () => {
    await scene?.close();
    rmSync(secretsDir, { recursive: true });
  });

  it('are all sealed anew after a new first key came, by two gateways at once, and nothing else changes', async () => {
    const before = await kept();
    expect(before.map((row) => row.key)).toEqual(Array(4).fill(await idOf(1)));
    await scene.gateway.stop();
    await scene.start({ ESPALIER_SECRETS_KEY: setting(2, 1) });
    const second = await scene.another();
    try {
      await eventually(async () => {
        expect((await kept()).map((row) => row.key)).toEqual(Array(4).fill(await idOf(2)));
      });
      const after = await kept();
      expect(after.map(({ key: _, ...row }) => row)).toEqual(before.map(({ key: _, ...row }) => row));
      await everythingWorks();
      await eventually(async () => {
        const text = await metrics();
        expect([sealed(text, 'current'), sealed(text, 'old'), sealed(text, 'unknown')]).toEqual([4, 0, 0]);
      });
      const shown = await runCommand(['config'], { environment: scene.environment });
      const [current, old] = [await idOf(2), await idOf(1)];
      expect(shown.stdout).toContain(`seals with key ${current}: sealed 4 of the kept secrets`);
      expect(shown.stdout).toContain(`opens with key ${old}: not needed any more`);
      for (const value of setting(2, 1).split(',')) expect(shown.stdout).not.toContain(value);
      const lines = `${scene.gateway.output()}${second.output()}`.split('\n');
      const counts = lines
        .filter((line) => line.includes('"secrets.resealed"'))
        .map((line) => JSON.parse(line).resealed);
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(4);
    } finally {
      await second.stop();
    }
  });

  it('work on when the old key is removed', async () => {
    await scene.gateway.stop();
    await scene.start({ ESPALIER_SECRETS_KEY: setting(2) });
    await everythingWorks();
    expect(scene.gateway.output()).not.toContain('secrets.not-opened');
  });

  it('of another row do not open: the log names the row, the rest goes on', async () => {
    const [one, two] = [...instances.values()].map(({ id }) => id) as [string, string];
    const { sql } = scene.database;
    const [before] = await sql`select api_secret_sealed as sealed from instances where instance_id = ${two}`;
    await sql`update instances set api_secret_sealed = (
      select api_secret_sealed from instances where instance_id = ${one}) where instance_id = ${two}`;
    await scene.gateway.stop();
    await scene.start({ ESPALIER_SECRETS_KEY: setting(3, 2) });
    await eventually(async () => {
      const rows = await kept();
      expect(rows.filter((row) => row.id !== two).map((row) => row.key)).toEqual(
        Array(3).fill(await idOf(3)),
      );
      expect(rows.find((row) => row.id === two)?.key).toBe(await idOf(2));
      const line = scene.gateway
        .output()
        .split('\n')
        .find((text) => text.includes('"secrets.not-opened"'));
      expect(JSON.parse(line ?? '{}')).toMatchObject({ level: 'error', tenantId: shared, instanceId: two });
    });
    const { json } = await scene.api('POST', `/tenants/${shared}/instances/${two}/test`);
    expect(json.steps[0]).toMatchObject({
      name: 'token',
      ok: false,
      detail: expect.stringContaining('secret'),
    });
    await instanceWorks(shared, one);
    await sql`update instances set api_secret_sealed = ${before!.sealed} where instance_id = ${two}`;
    await eventually(() => instanceWorks(shared, two));
  });

  it('that no key opens hold up none of the others, although they fill a batch', async () => {
    const { sql } = scene.database;
    const before = await sql<{ id: string; sealed: string }[]>`
      select instance_id as id, api_secret_sealed as sealed from instances where api_secret_sealed is not null`;
    const [applied] = await sql`select application from tenants where tenant_id = ${manual}`;
    const lost = await (await createSealer([key(9)])).seal('lost', 'elsewhere');
    await sql`
      insert into instances
      select (jsonb_populate_record(i, jsonb_build_object('instance_id', '00000000-0000-4000-8000-' || lpad(n::text, 12, '0'),
        'name', 'lost ' || n, 'enabled', false, 'api_secret_sealed', ${lost}::text))).*
      from instances i, generate_series(1, ${resealBatch}::int) n where instance_id = ${before[0]!.id}`;
    const lines: string[] = [];
    const log = createLog({ level: 'info', format: 'json', write: (line) => lines.push(line) });
    const reseal = createReseal({ sql, sealer: await createSealer([key(5), key(3), key(2)]), log });
    while (await reseal());
    const rows = await kept();
    expect(rows.filter((row) => !row.id.startsWith('00000000')).map((row) => row.key)).toEqual(
      Array(4).fill(await idOf(5)),
    );
    expect(
      lines.map((line) => JSON.parse(line)).find(({ event }) => event === 'secrets.resealed'),
    ).toMatchObject({ resealed: 4, notOpened: resealBatch });
    await sql`delete from instances where api_secret_sealed = ${lost}`;
    for (const { id, sealed: was } of before)
      await sql`update instances set api_secret_sealed = ${was} where instance_id = ${id}`;
    await sql`update tenants set application = ${sql.json(applied!.application)} where tenant_id = ${manual}`;
  });

  it('that an operator changes while they are sealed anew keep what he gave', async () => {
    const id = [...instances.values()][0]!.id;
    const { sql } = scene.database;
    const reader = await createSealer([key(4), key(3), key(2)]);
    const associated = `instances/${shared}/${id}/api_secret`;
    // The change comes between the reading and the writing: as the text is opened.
    const sealer = {
      ...reader,
      open: async (text: string, row: string) => {
        const plain = await reader.open(text, row);
        if (row === associated) {
          const given = await reader.seal('given-meanwhile', associated);
          await sql`update instances set api_secret_sealed = ${given} where instance_id = ${id}`;
        }
        return plain;
      },
    };
    const [was] = await sql`select api_secret_sealed as sealed from instances where instance_id = ${id}`;
    const log = createLog({ level: 'error', format: 'json', write: () => undefined });
    const reseal = createReseal({ sql, sealer, log });
    while (await reseal());
    const row = await readInstance(sql, shared, id);
    expect(await reader.open(row!.apiSecretSealed!, associated)).toBe('given-meanwhile');
    await sql`update instances set api_secret_sealed = ${was!.sealed} where instance_id = ${id}`;
  });

  it('by reference are read anew at each token request, and are none when the file is empty or gone', async () => {
    const { id } = [...instances.values()][0]!;
    const refer = (secretRef: string) =>
      scene.api('PATCH', `/tenants/${shared}/instances/${id}`, {
        apiClient: { clientId: scene.world.instance('one').clientId, secretRef },
      });
    const bad = await refer('env:ESPALIER_SECRETS_KEY');
    expect(bad).toMatchObject({ status: 400, json: { errors: [{ field: 'apiClient.secretRef' }] } });
    expect((await refer('vault:x')).json.errors[0].field).toBe('apiClient.secretRef');
    const path = `/tenants/${shared}/instances/${id}`;
    for (const outside of [
      '/proc/self/environ',
      '/etc/hostname',
      `${secretsDir}/../x`,
      `${secretsDir}-other/x`,
    ]) {
      const refused = await refer(`file:${outside}`);
      expect(refused).toMatchObject({ status: 400, json: { errors: [{ field: 'apiClient.secretRef' }] } });
    }
    const file = join(secretsDir, 'secret');
    const tokenStep = async () => (await scene.api('POST', `${path}/test`)).json.steps[0];
    // Allowed, and told at once that it gives nothing yet.
    const early = await refer(`file:${file}`);
    expect(early.status, early.text).toBe(200);
    expect(early.json.warnings).toEqual([
      { field: 'apiClient.secretRef', description: expect.stringContaining(`file:${file}`) },
    ]);
    expect(await tokenStep()).toMatchObject({
      ok: false,
      owner: 'configuration',
      detail: expect.stringContaining(`file:${file}`),
    });
    writeFileSync(file, '\n');
    expect(await tokenStep()).toMatchObject({ ok: false, detail: expect.stringContaining('is empty') });
    writeFileSync(file, `${clientSecretOf(scene.world.instance('one'))}\n`);
    expect(await tokenStep()).toMatchObject({ ok: true });
    expect((await refer(`file:${file}`)).json.warnings).toBeUndefined();
  });
});
