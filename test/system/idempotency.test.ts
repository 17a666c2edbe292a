import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { forgetIdempotencyKeys } from '../../src/store/idempotency-keys.ts';
import { eventually } from '../harness/eventually.ts';
import { bootstrapKey, consent, type Scene, startScene } from '../harness/gateway.ts';
import { type Answer, call } from '../harness/http.ts';

/** Idempotency-Key on every write: contract section 8. */
describe('idempotency keys', () => {
  let scene: Scene;
  let tenantId: string;

  beforeAll(async () => {
    scene = await startScene({
      world: { clouds: ['public'], tenants: [{ instances: [{ name: 'berlin', macs: 1 }] }] },
    });
    tenantId = scene.world.tenants[0]!.tenantId;
    await consent(scene, tenantId);
  });
  afterAll(() => scene?.close());

  const send = (
    method: string,
    path: string,
    idempotencyKey: string,
    body?: unknown,
    key = bootstrapKey,
  ): Promise<Answer> =>
    call(`${scene.gateway.admin}/api/v1${path}`, {
      method,
      ca: scene.trust,
      headers: {
        authorization: `Bearer ${key}`,
        'idempotency-key': idempotencyKey,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  const slugOf = (answer: Answer): string => answer.json.type.replace('https://espalier.dev/problems/', '');
  const bound = { name: 'bound', role: 'viewer', tenants: [crypto.randomUUID()] };
  const keysNamed = async (name: string): Promise<number> =>
    (await scene.api('GET', '/keys')).json.results.filter((one: { name: string }) => one.name === name)
      .length;

  it('gives the first answer again, key and all, and does nothing twice', async () => {
    const name = crypto.randomUUID();
    const first = await send('POST', '/keys', 'once', { ...bound, name });
    expect(first.status, first.text).toBe(201);
    expect(first.headers['idempotent-replayed']).toBeUndefined();
    const again = await send('POST', '/keys', 'once', { ...bound, name });
    expect([again.status, again.text]).toEqual([201, first.text]);
    expect(again.headers).toMatchObject({
      'idempotent-replayed': 'true',
      location: first.headers.location,
      'content-type': first.headers['content-type'],
      'x-request-id': first.headers['x-request-id'],
      'cache-control': 'no-store',
    });
    expect(await keysNamed(name)).toBe(1);
  });

  it('keeps the answer sealed', async () => {
    const { json } = await send('POST', '/keys', 'sealed', bound);
    const rows = await scene.database.sql`select * from idempotency_keys where idempotency_key = 'sealed'`;
    expect(rows).toHaveLength(1);
    expect(JSON.stringify(rows)).not.toContain(json.key);
  });

  it('gives an answer without a body and a refusal again too', async () => {
    const { json } = await send('POST', '/keys', 'to-delete', bound);
    const deleted = await send('DELETE', `/keys/${json.id}`, 'delete');
    const again = await send('DELETE', `/keys/${json.id}`, 'delete');
    expect([deleted.status, again.status, again.text]).toEqual([204, 204, '']);
    expect(again.headers['idempotent-replayed']).toBe('true');
    const refused = await send('DELETE', `/keys/${json.id}`, 'delete-once-more');
    expect(refused.status).toBe(404);
    const refusedAgain = await send('DELETE', `/keys/${json.id}`, 'delete-once-more');
    expect([refusedAgain.text, refusedAgain.headers['idempotent-replayed']]).toEqual([refused.text, 'true']);
  });

  it.each([
    ['another body', 'POST', '/keys', { ...bound, name: 'other' }],
    ['another query', 'POST', '/keys?colour=red', bound],
    ['another path', 'POST', '/tenants', bound],
    ['another method', 'PUT', '/keys', bound],
  ])('422 for %s', async (what, method, path, body) => {
    await send('POST', '/keys', `taken ${what}`.replaceAll(' ', '-'), bound);
    const answer = await send(method, path, `taken ${what}`.replaceAll(' ', '-'), body);
    expect([answer.status, slugOf(answer), answer.json.errors[0].field]).toEqual([
      422,
      'idempotency-mismatch',
      'Idempotency-Key',
    ]);
  });

  it("another operator's key of the same text is another key", async () => {
    const admin = { name: 'other admin', role: 'admin', tenants: [tenantId] };
    const { json } = await scene.api('POST', '/keys', admin);
    const name = crypto.randomUUID();
    const own = await send('POST', '/keys', 'shared', { ...bound, name });
    const theirs = await send(
      'POST',
      '/keys',
      'shared',
      { name, role: 'viewer', tenants: [tenantId] },
      json.key,
    );
    expect([own.status, theirs.status]).toEqual([201, 201]);
    expect(theirs.headers['idempotent-replayed']).toBeUndefined();
    expect(await keysNamed(name)).toBe(2);
  });

  it.each([
    ['empty', ''],
    ['with a space', 'a b'],
    ['longer than 255', 'x'.repeat(256)],
    ['not ASCII', 'é'],
  ])('400 for a key that is %s', async (_, key) => {
    const answer = await send('POST', '/keys', key, bound);
    expect([answer.status, answer.json.errors[0].field]).toEqual([400, 'Idempotency-Key']);
  });

  it('is not looked at where nothing is written', async () => {
    const answer = await send('GET', '/keys', 'a b');
    expect(answer.status).toBe(200);
  });

  it('400 on the import, whose body is not held', async () => {
    const answer = await send('POST', `/tenants/${tenantId}/devices/import`, 'import', {});
    expect([answer.status, answer.json.errors[0].code]).toEqual([400, 'IDEMPOTENCY_KEY_NOT_TAKEN']);
  });

  it('409 with Retry-After while the first is in work, also when the lease would be over; then its answer', async () => {
    const held = Promise.withResolvers<void>();
    const locked = Promise.withResolvers<void>();
    const holding = scene.database.sql.begin(async (tx) => {
      await tx`select 1 from tenants where tenant_id = ${tenantId} for update`;
      locked.resolve();
      await held.promise;
    });
    await locked.promise;
    const first = send('POST', `/tenants/${tenantId}/pause`, 'slow');
    const busy = () => scene.database.sql<{ until: Date }[]>`
      select busy_until as until from idempotency_keys where idempotency_key = 'slow' and status is null`;
    await eventually(async () => expect(await busy()).toHaveLength(1));
    const second = await send('POST', `/tenants/${tenantId}/pause`, 'slow');
    expect([second.status, slugOf(second), second.headers['retry-after']]).toEqual([409, 'conflict', '1']);
    const [before] = await busy();
    await eventually(async () => {
      const [now] = await busy();
      expect(now!.until.getTime()).toBeGreaterThan(before!.until.getTime());
    });
    held.resolve();
    await holding;
    const answered = await first;
    expect(answered.status, answered.text).toBe(200);
    const third = await send('POST', `/tenants/${tenantId}/pause`, 'slow');
    expect([third.status, third.text, third.headers['idempotent-replayed']]).toEqual([
      200,
      answered.text,
      'true',
    ]);
    await scene.api('POST', `/tenants/${tenantId}/resume`);
  });

  it('of many at once one is carried out', async () => {
    const name = crypto.randomUUID();
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => send('POST', '/keys', 'storm', { ...bound, name })),
    );
    for (const { status } of answers) expect([201, 409]).toContain(status);
    expect(await keysNamed(name)).toBe(1);
  });

  it('does not keep an answer 5xx', async () => {
    const { sql } = scene.database;
    await sql`alter table tenants rename to tenants_away`;
    const failed = await send('POST', `/tenants/${tenantId}/pause`, 'failing');
    await sql`alter table tenants_away rename to tenants`;
    expect(failed.status).toBe(500);
    const again = await send('POST', `/tenants/${tenantId}/pause`, 'failing');
    expect([again.status, again.headers['idempotent-replayed']]).toEqual([200, undefined]);
    await scene.api('POST', `/tenants/${tenantId}/resume`);
  });

  /** The lease runs out now, and not after twelve seconds. */
  const endLease = (idempotencyKey: string) => scene.database.sql`
    update idempotency_keys set busy_until = now() where idempotency_key = ${idempotencyKey}`;

  it('takes a request up again whose process died, after its lease; never for another body', async () => {
    const { sql } = scene.database;
    const held = Promise.withResolvers<void>();
    const locked = Promise.withResolvers<void>();
    const holding = sql.begin(async (tx) => {
      await tx`lock table api_keys in exclusive mode`;
      locked.resolve();
      await held.promise;
    });
    await locked.promise;
    const name = crypto.randomUUID();
    const body = { ...bound, name };
    const lost = send('POST', '/keys', 'died', body).catch((error: unknown) => error);
    await eventually(async () => {
      const waiting =
        await sql`select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%api_keys%'`;
      expect(waiting).toHaveLength(1);
    });
    await scene.gateway.kill();
    expect(await lost).toBeInstanceOf(Error);
    held.resolve();
    await holding;
    await scene.start();
    expect((await send('POST', '/keys', 'died', body)).status).toBe(409);
    await endLease('died');
    expect((await send('POST', '/keys', 'died', body)).status).toBe(201);
    expect((await send('POST', '/keys', 'died', { ...body, name: 'other' })).status).toBe(422);
    expect(await keysNamed(name)).toBe(1);
  });

  it('an answer that cannot be kept is given all the same; the request is free again after its lease', async () => {
    const { sql } = scene.database;
    await sql`create function refuse() returns trigger language plpgsql as
      $$ begin if new.status is not null then raise exception 'the disk is full'; end if; return new; end $$`;
    await sql`create trigger refuse before update on idempotency_keys for each row execute function refuse()`;
    const name = crypto.randomUUID();
    const body = { ...bound, name };
    const first = await send('POST', '/keys', 'unkept', body);
    await sql`drop trigger refuse on idempotency_keys`;
    expect(first.status, first.text).toBe(201);
    expect(scene.gateway.output()).toContain('idempotency.answer-not-kept');
    expect(scene.gateway.output()).not.toContain(first.json.key);
    expect((await send('POST', '/keys', 'unkept', body)).status).toBe(409);
    await endLease('unkept');
    expect((await send('POST', '/keys', 'unkept', body)).status).toBe(201);
    // As docs/admin-api.md says: the list shows the second one.
    expect(await keysNamed(name)).toBe(2);
  });

  it('forgets after a day; the key is free then', async () => {
    const { sql } = scene.database;
    await send('POST', '/keys', 'old', bound);
    await sql`update idempotency_keys set expires_at = now() - interval '1 second' where idempotency_key = 'old'`;
    const other = await send('POST', '/keys', 'old', { ...bound, name: 'after a day' });
    expect([other.status, other.headers['idempotent-replayed']]).toEqual([201, undefined]);
    await sql`update idempotency_keys set expires_at = now() - interval '1 second' where idempotency_key = 'old'`;
    await forgetIdempotencyKeys(sql);
    expect(await sql`select 1 from idempotency_keys where idempotency_key = 'old'`).toHaveLength(0);
    expect((await sql`select 1 from idempotency_keys`).length).toBeGreaterThan(0);
  });

  it('stands in the document on every write, and nowhere else', async () => {
    const { json } = await scene.api('GET', '/openapi.json');
    for (const [path, item] of Object.entries<Record<string, { parameters?: { $ref?: string }[] }>>(
      json.paths,
    )) {
      for (const [method, { parameters = [] }] of Object.entries(item)) {
        const named = parameters.some(({ $ref }) => $ref === '#/components/parameters/IdempotencyKey');
        const isStreamed = /\/(?:import|move-in)$/.test(path);
        expect([path, method, named]).toEqual([path, method, method !== 'get' && !isStreamed]);
      }
    }
  });
});
