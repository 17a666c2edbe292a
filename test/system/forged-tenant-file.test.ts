import { afterAll, beforeAll, expect, it } from 'vitest';
import { sealFile } from '../../src/secrets/sealed-file.ts';
import { appliedMigration } from '../../src/store/migration-journal.ts';
import { bootstrapKey, type Scene, startScene } from '../harness/gateway.ts';
import { call } from '../harness/http.ts';

/** Whoever asks for a move-in has the file's key, so he may have written the file himself (docs/cells.md). */

const own = 'aaaaaaaa-0000-4000-8000-000000000001';
const foreign = 'bbbbbbbb-0000-4000-8000-000000000002';
const fileKey = Buffer.alloc(32, 7).toString('base64url');

let scene: Scene;

beforeAll(async () => {
  scene = await startScene({ world: { clouds: ['public'], tenants: [{ instances: [] }] } });
  await scene.api('POST', '/tenants', { tenantId: foreign, cloud: 'public', displayName: 'Fabrikam' });
}, 120_000);
afterAll(() => scene?.close());

/** A file of the own tenant with one table's rows. */
async function forged(table: string, rows: readonly object[]): Promise<string> {
  const head = {
    ...{ espalier: 'tenant-1', tenantId: own, displayName: 'Contoso', moveId: crypto.randomUUID() },
    ...{ generation: 1, schema: await appliedMigration(scene.database.sql) },
  };
  async function* parts(): AsyncGenerator<string> {
    yield `${JSON.stringify({ part: 'rows', table, count: rows.length })}\n${JSON.stringify(rows)}`;
    yield `${JSON.stringify({ part: 'end' })}\n${JSON.stringify({ [table]: rows.length })}`;
  }
  const lines: string[] = [];
  for await (const line of sealFile(fileKey, head, parts())) lines.push(Buffer.from(line).toString());
  return lines.join('');
}

const moveIn = (body: string, key: string) =>
  call(`${scene.gateway.admin}/api/v1/tenants/${own}/move-in`, {
    method: 'POST',
    ca: scene.trust,
    headers: {
      authorization: `Bearer ${key}`,
      'content-type': 'application/octet-stream',
      'x-espalier-file-key': fileKey,
    },
    body,
  });

const ofForeign = async () =>
  (await scene.database.sql`select * from history where tenant_id = ${foreign}`).length;

it('is refused where a row is of another tenant, and writes nothing', async () => {
  const [tenant] = await scene.database.sql<{ row: object }[]>`
    select to_json(t) as row from tenants t where tenant_id = ${foreign}`;
  const [entry] = await scene.database.sql<{ row: object }[]>`
    select to_json(h) as row from history h where tenant_id = ${foreign} limit 1`;
  const before = await ofForeign();
  for (const [table, row] of [
    ['tenants', { ...tenant!.row, tenant_id: crypto.randomUUID() }],
    ['history', { ...entry!.row, sequence: 4_000 }],
  ] as const) {
    const { json, status } = await moveIn(await forged(table, [row]), bootstrapKey);
    expect([table, status, json.detail]).toEqual([table, 400, expect.stringContaining('another tenant')]);
  }
  expect(await ofForeign()).toBe(before);
  expect(await scene.database.sql`select tenant_id from tenants`).toEqual([{ tenant_id: foreign }]);
});

it('and every step of a move are refused to an admin of single tenants: a file holds secrets in clear to its key', async () => {
  const given = { name: 'bound', role: 'admin', tenants: [own, foreign] };
  const { key } = (await scene.api('POST', '/keys', given)).json;
  expect((await moveIn(await forged('tenants', []), key)).status).toBe(403);
  const path = `/tenants/${foreign}/move-out`;
  // What is relayed goes to the address with the credentials of its callers.
  const relay = { to: 'https://new.example', until: '2100-01-01T00:00:00Z' };
  for (const [method, at, body] of [
    ['POST', path],
    ['DELETE', path],
    ['GET', `${path}/file`],
    ['PUT', `${path}/relay`, relay],
    ['DELETE', `${path}/relay`],
  ] as const)
    expect([at, method, (await scene.api(method, at, body, key)).status]).toEqual([at, method, 403]);
  expect((await scene.api('GET', path, undefined, key)).status).toBe(200);
});
