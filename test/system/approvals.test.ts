import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { settleApprovals } from '../../src/store/approvals.ts';
import { eventually } from '../harness/eventually.ts';
import { addInstance, bootstrapKey, consent, type Scene, startScene } from '../harness/gateway.ts';
import { type Answer, call } from '../harness/http.ts';

/** A second person for what touches more than 100 devices: contract sections 3 and 8. */
describe('approvals', () => {
  let scene: Scene;
  let tenantId: string;
  let otherId: string;
  let berlin: string;
  let paris: string;
  let ann: { id: string; key: string };
  let ben: { id: string; key: string };
  let operator: { id: string; key: string };
  let viewer: { id: string; key: string };
  let stranger: { id: string; key: string };

  beforeAll(async () => {
    scene = await startScene({
      environment: { ESPALIER_APPROVALS: 'on' },
      world: {
        clouds: ['public'],
        tenants: [
          {
            instances: [
              { name: 'berlin', macs: 1 },
              { name: 'paris', macs: 1 },
            ],
          },
          { instances: [{ name: 'oslo', macs: 1 }] },
        ],
      },
    });
    [tenantId, otherId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string, string];
    await consent(scene, tenantId);
    await consent(scene, otherId);
    berlin = (await addInstance(scene, tenantId, 'berlin')).id;
    paris = (await addInstance(scene, tenantId, 'paris')).id;
    ann = await newKey('ann', 'admin', [tenantId]);
    ben = await newKey('ben', 'admin', [tenantId]);
    operator = await newKey('operator', 'operator', [tenantId]);
    viewer = await newKey('viewer', 'viewer', [tenantId]);
    stranger = await newKey('stranger', 'admin', [otherId]);
  });
  afterAll(() => scene?.close());

  const newKey = async (name: string, role: string, tenants: string[]) =>
    (await scene.api('POST', '/keys', { name, role, tenants })).json as { id: string; key: string };
  const slugOf = (answer: Answer): string => answer.json.type.replace('https://espalier.dev/problems/', '');
  const at = (path: string) => `/tenants/${tenantId}${path}`;
  const approve = (id: string, key = ben.key, body?: object) =>
    scene.api('POST', `/approvals/${id}/approve`, body, key);
  const reject = (id: string, key = ben.key, body?: object) =>
    scene.api('POST', `/approvals/${id}/reject`, body, key);
  const read = async (id: string, key = viewer.key) =>
    (await scene.api('GET', `/approvals/${id}`, undefined, key)).json;
  const historyOf = (id: string) => scene.database.sql<
    { action: string; author: string; reason: string | null; source: string | null }[]
  >`
    select action, author, reason, source from history where object_kind = 'approval' and object_id = ${id}
    order by sequence`;
  /** Waits: its id. */
  const asked = (answer: Answer): string => {
    expect(answer.status, answer.text).toBe(202);
    return answer.json.approvalId;
  };

  /** Devices with routes and settled reports; those of `claimant` are claimed by it too. */
  const seed = async (count: number, instanceId = berlin, tenant = tenantId, claimant?: string) => {
    const { sql } = scene.database;
    const ids = Array.from({ length: count }, () => crypto.randomUUID());
    await sql`
      insert into routes (tenant_id, device_id, instance_id, jamf_computer_id, rule, version)
      select ${tenant}, id, ${instanceId}, 1000 + place, 'only-claim', 1
      from unnest(${ids}::uuid[]) with ordinality as ids(id, place)`;
    await sql`
      insert into reports (tenant_id, device_id, content, content_hash, instance_id, confirmed_revision, state, due_since)
      select ${tenant}, id, '{}', 'seeded', ${instanceId}, 1, 'completed', null from unnest(${ids}::uuid[]) as ids(id)`;
    if (claimant !== undefined)
      await sql`
        insert into claims (tenant_id, device_id, instance_id, jamf_computer_id)
        select ${tenant}, id, ${claimant}, 5000 + place from unnest(${ids}::uuid[]) with ordinality as ids(id, place)`;
  };
  const clear = async () => {
    const { sql } = scene.database;
    await sql`delete from moves`;
    await sql`delete from claims`;
    await sql`delete from reports`;
    await sql`delete from routes`;
    await sql`update approvals set state = 'rejected' where state = 'waiting'`;
  };
  const disconnect = (key = ann.key, body: object = {}) => scene.api('POST', at('/disconnect'), body, key);
  const stateOf = async () => (await scene.api('GET', at(''))).json.connectionState;
  const connectAgain = () =>
    scene.database.sql`update tenants set connection_state = 'consented' where tenant_id = ${tenantId}`;

  describe('of a disconnect', () => {
    beforeAll(async () => {
      await clear();
      await seed(101);
    });

    it('answers 202 and does nothing; the same again gets the same approval', async () => {
      const answer = await disconnect();
      const id = asked(answer);
      expect(answer.json).toEqual({
        approvalId: id,
        href: `/api/v1/approvals/${id}`,
        devices: 101,
        expiresAt: expect.any(String),
        state: 'waiting',
      });
      expect(answer.headers.location).toBe(answer.json.href);
      const lifeMs = Date.parse(answer.json.expiresAt) - Date.now();
      expect(lifeMs).toBeGreaterThan(23.9 * 3_600_000);
      expect(lifeMs).toBeLessThanOrEqual(24 * 3_600_000);
      expect(await stateOf()).toBe('consented');
      expect(asked(await disconnect())).toBe(id);
      expect(asked(await disconnect(ben.key))).toBe(id);
      const both = await Promise.all([disconnect(), disconnect()]);
      expect(both.map(asked)).toEqual([id, id]);
      expect(await read(id)).toMatchObject({
        id,
        tenantId,
        state: 'waiting',
        action: 'connection.disconnect',
        devices: 101,
        role: 'admin',
        requestedBy: { kind: 'key', id: ann.id, name: 'key ann', role: 'admin' },
        source: '127.0.0.1',
        decidedBy: null,
        outcome: null,
      });
      const from = async (source: string) =>
        (
          await scene.api('GET', `/approvals?filter=source==${source}`, undefined, viewer.key)
        ).json.results.map((one: { id: string }) => one.id);
      expect(await from('127.0.0.1')).toContain(id);
      expect(await from('192.0.2.1')).toEqual([]);
    });

    it('409 naming the approval for the same with other choices', async () => {
      const id = asked(await disconnect());
      const other = await disconnect(ann.key, { retract: true });
      expect([other.status, slugOf(other), other.json.errors[0].id]).toEqual([409, 'conflict', id]);
    });

    it('a dry run and a refusal do not wait', async () => {
      expect((await scene.api('POST', at('/disconnect?dry-run=true'), {}, ann.key)).status).toBe(200);
      expect((await disconnect(operator.key)).status).toBe(403);
      expect((await scene.api('DELETE', at(''), undefined, ann.key)).status).toBe(409);
    });

    it('tells who asked that another operator has to approve, who may, and how to take it back', async () => {
      const id = asked(await disconnect());
      const own = await approve(id, ann.key);
      expect([own.status, own.json.errors[0].code]).toEqual([403, 'OWN_REQUEST']);
      for (const words of [
        'This is your own request, which another operator has to approve',
        `anybody else with the role admin who may see the tenant ${tenantId}`,
        `espalier approvals approve ${id}`,
        `espalier approvals reject ${id}`,
      ])
        expect(own.json.detail).toContain(words);
      const low = await approve(id, operator.key);
      expect([low.status, low.json.errors[0].code]).toEqual([403, 'FORBIDDEN']);
      expect((await scene.api('POST', `/approvals/${id}/reject`, {}, ann.key)).status).toBe(200);
    });

    it('403 for who asked, for a lower role; 404 for another tenant, as for an unknown one', async () => {
      const id = asked(await disconnect());
      for (const { key } of [ann, operator, viewer]) {
        const answer = await approve(id, key);
        expect([answer.status, slugOf(answer)]).toEqual([403, 'forbidden']);
      }
      for (const [method, verb] of [
        ['GET', ''],
        ['POST', '/approve'],
        ['POST', '/reject'],
      ] as const) {
        const foreign = await scene.api(method, `/approvals/${id}${verb}`, undefined, stranger.key);
        const unknown = await scene.api(
          method,
          `/approvals/${crypto.randomUUID()}${verb}`,
          undefined,
          stranger.key,
        );
        expect([foreign.status, { ...foreign.json, instance: '' }]).toEqual([
          404,
          { ...unknown.json, instance: '' },
        ]);
      }
      expect((await scene.api('GET', '/approvals', undefined, stranger.key)).json.totalCount).toBe(0);
      expect(await stateOf()).toBe('consented');
    });

    it('nothing that a request can carry passes for an approval', async () => {
      const answer = await call(`${scene.gateway.admin}/api/v1${at('/disconnect')}`, {
        method: 'POST',
        ca: scene.trust,
        headers: {
          authorization: `Bearer ${ann.key}`,
          'content-type': 'application/json',
          approved: 'true',
          'x-approved-by': 'key ben',
          'approved-request': '{}',
        },
        body: '{}',
      });
      expect(answer.status).toBe(202);
    });

    it('is carried out as who asked when another one approves; the history has both', async () => {
      const id = asked(await disconnect());
      const answer = await approve(id, ben.key, { reason: 'agreed with the customer' });
      expect(answer.status, answer.text).toBe(200);
      expect(answer.json).toMatchObject({
        state: 'done',
        decidedBy: { kind: 'key', id: ben.id, name: 'key ben' },
        reason: 'agreed with the customer',
        outcome: { status: 200, answer: { connectionState: 'disconnected', devices: 101 }, detail: null },
      });
      expect(await stateOf()).toBe('disconnected');
      expect(await historyOf(id)).toEqual([
        { action: 'approval.request', author: 'key ann', reason: null, source: '127.0.0.1' },
        {
          action: 'approval.approve',
          author: 'key ben',
          reason: 'agreed with the customer',
          source: '127.0.0.1',
        },
        { action: 'approval.carry-out', author: 'key ben', reason: null, source: '127.0.0.1' },
      ]);
      for (const again of [approve, reject]) {
        const late = await again(id);
        expect([late.status, slugOf(late)]).toEqual([409, 'conflict']);
      }
      await connectAgain();
    });

    it('100 devices do not wait', async () => {
      await scene.database.sql`
        delete from reports where device_id = (select device_id from reports limit 1)`;
      expect((await disconnect()).status).toBe(200);
      expect(await stateOf()).toBe('disconnected');
      await connectAgain();
      await seed(1);
    });

    it('a rejected one does nothing; who asked may take it back; asking again makes a new one', async () => {
      const first = asked(await disconnect());
      const rejected = await reject(first, ben.key, { reason: 'not today' });
      expect(rejected.json).toMatchObject({ state: 'rejected', reason: 'not today', outcome: null });
      expect((await approve(first)).status).toBe(409);
      const second = asked(await disconnect());
      expect(second).not.toBe(first);
      expect((await reject(second, operator.key)).status).toBe(403);
      expect((await reject(second, ann.key)).json.state).toBe('rejected');
      expect(await stateOf()).toBe('consented');
    });

    it('fails, and says why, when the key that asked was revoked', async () => {
      const gone = await newKey('gone', 'admin', [tenantId]);
      const id = asked(await disconnect(gone.key));
      await scene.api('DELETE', `/keys/${gone.id}`);
      const { json } = await approve(id);
      expect([json.state, json.outcome.status]).toEqual(['failed', null]);
      expect(json.outcome.detail).toContain('key gone');
      expect(await stateOf()).toBe('consented');
    });

    it('fails with 403 when the role of who asked was lowered, and 404 when the tenant was taken away', async () => {
      const lowered = await newKey('lowered', 'admin', [tenantId]);
      for (const [column, value, status] of [
        ['role', 'operator', 403],
        ['tenant_ids', [otherId], 404],
      ] as const) {
        await scene.database.sql`
          update api_keys set role = 'admin', tenant_ids = ${[tenantId]}::uuid[] where key_id = ${lowered.id}`;
        await new Promise((resolve) => setTimeout(resolve, 1_100));
        const id = asked(await disconnect(lowered.key));
        await scene.database.sql`
          update api_keys set ${scene.database.sql({ [column]: value })} where key_id = ${lowered.id}`;
        const { json } = await approve(id);
        expect([json.state, json.outcome.status, json.outcome.answer.status]).toEqual([
          'failed',
          status,
          status,
        ]);
      }
      expect(await stateOf()).toBe('consented');
    });

    it('fails when more devices came to it than were approved', async () => {
      const id = asked(await disconnect());
      await seed(30);
      const { json } = await approve(id);
      expect([json.state, json.outcome.status]).toEqual(['failed', 409]);
      expect(json.outcome.answer.detail).toContain('131');
      expect(await stateOf()).toBe('consented');
    });

    it('fails with 412 when the object changed since; 412 as well for an approval that was decided meanwhile', async () => {
      const { headers } = await scene.api('GET', at(''));
      const waiting = await call(`${scene.gateway.admin}/api/v1${at('/disconnect')}`, {
        method: 'POST',
        ca: scene.trust,
        headers: {
          authorization: `Bearer ${ann.key}`,
          'content-type': 'application/json',
          'if-match': String(headers.etag),
        },
        body: '{}',
      });
      const id = asked(waiting);
      await scene.api('PATCH', at(''), { displayName: 'Renamed' });
      const stale = await call(`${scene.gateway.admin}/api/v1/approvals/${id}/approve`, {
        method: 'POST',
        ca: scene.trust,
        headers: { authorization: `Bearer ${ben.key}`, 'if-match': '"7"' },
      });
      expect(stale.status).toBe(412);
      const { json } = await approve(id);
      expect([json.state, json.outcome.status]).toEqual(['failed', 412]);
      expect(await stateOf()).toBe('consented');
    });

    it('expires after a day', async () => {
      const { sql } = scene.database;
      const id = asked(await disconnect());
      await sql`update approvals set expires_at = now() - interval '1 second' where approval_id = ${id}`;
      expect((await read(id)).state).toBe('expired');
      const late = await approve(id);
      expect([late.status, late.json.detail]).toEqual([409, expect.stringContaining('expired')]);
      const filtered = await scene.api('GET', '/approvals?filter=state==expired', undefined, viewer.key);
      expect(filtered.json.results.map((one: { id: string }) => one.id)).toContain(id);
      const next = asked(await disconnect());
      expect(next).not.toBe(id);
      await reject(next);
      await settleApprovals(sql);
      await eventually(async () => {
        const actions = (await historyOf(id)).map(({ action }) => action);
        expect(actions).toEqual(['approval.request', 'approval.expire']);
      });
    });
  });

  describe('of a move', () => {
    const percentOf = async (moveId: string) => (await scene.api('GET', at(`/moves/${moveId}`))).json.percent;

    it('planning and shadowing touch nothing; each cut over and the way back of more than 100 wait', async () => {
      await clear();
      await seed(400, berlin, tenantId, paris);
      const body = { from: berlin, to: paris, percent: 50, shadow: false };
      const planned = await scene.api('POST', at('/moves'), body, operator.key);
      expect(planned.status, planned.text).toBe(201);
      const path = at(`/moves/${planned.json.id}`);
      const dry = await scene.api('POST', `${path}/advance?dry-run=true`, {}, operator.key);
      expect(dry.json).toMatchObject({ dryRun: true, state: 'moving', percent: 50 });
      const advanced = await scene.api('POST', `${path}/advance`, {}, operator.key);
      const id = asked(advanced);
      expect(advanced.json.devices).toBe(dry.json.pending);
      expect(await percentOf(planned.json.id)).toBe(0);
      // Two at once carry it out once: another step would be at 100.
      const another = await newKey('another operator', 'operator', [tenantId]);
      const answers = await Promise.all([
        approve(id, another.key),
        approve(id, ben.key),
        approve(id, ben.key),
      ]);
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409]);
      expect(await percentOf(planned.json.id)).toBe(50);
      expect((await read(id)).outcome).toMatchObject({ status: 200, answer: { percent: 50 } });
      await eventually(async () => expect((await scene.api('GET', path)).json.pending).toBe(0));
      const [authored] = await scene.database.sql<{ author: string }[]>`
        select distinct author from route_changes where tenant_id = ${tenantId} and to_instance_id = ${paris}`;
      expect(authored!.author).toBe('key operator');
      const back = asked(await scene.api('POST', `${path}/rollback`, undefined, operator.key));
      expect((await approve(back)).json).toMatchObject({ state: 'done', action: 'move.rollback' });
      await eventually(async () =>
        expect((await scene.api('GET', path)).json.devices).toMatchObject({ moved: 0 }),
      );
    });

    it('a small step does not wait', async () => {
      await clear();
      await seed(400, berlin, tenantId, paris);
      const body = { from: berlin, to: paris, percent: 10, shadow: false };
      const { json } = await scene.api('POST', at('/moves'), body, operator.key);
      const advanced = await scene.api('POST', at(`/moves/${json.id}/advance`), {}, operator.key);
      expect([advanced.status, advanced.json.percent]).toEqual([200, 10]);
    });
  });

  describe('of a delete', () => {
    it('an instance with its devices waits, flags and all', async () => {
      await clear();
      await seed(150, paris);
      const path = at(`/instances/${paris}`);
      expect((await scene.api('DELETE', path, undefined, ann.key)).status).toBe(409);
      const id = asked(await scene.api('DELETE', `${path}?force=true`, undefined, ann.key));
      expect((await read(id)).summary).toContain('paris');
      const other = await scene.api('DELETE', `${path}?force=true&retract=true`, undefined, ann.key);
      expect(other.status).toBe(409);
      expect((await scene.api('GET', path)).json.enabled).toBe(true);
      expect((await approve(id)).json).toMatchObject({
        state: 'done',
        outcome: { status: 200, answer: { dryRun: false, devices: 150, retracted: 0 } },
      });
      expect((await scene.api('GET', path)).status).toBe(404);
    });

    it('what was cut short by the end of the process shows as failed, and is not carried out again', async () => {
      await clear();
      await seed(120);
      const { sql } = scene.database;
      const id = asked(await scene.api('DELETE', at(`/instances/${berlin}?force=true`), undefined, ann.key));
      const held = Promise.withResolvers<void>();
      const locked = Promise.withResolvers<void>();
      const holding = sql.begin(async (tx) => {
        await tx`select 1 from instances where instance_id = ${berlin} for update`;
        locked.resolve();
        await held.promise;
      });
      await locked.promise;
      const lost = approve(id).catch((error: unknown) => error);
      await eventually(async () => expect((await read(id)).state).toBe('approved'));
      expect((await approve(id)).status).toBe(409);
      await scene.gateway.kill();
      expect(await lost).toBeInstanceOf(Error);
      held.resolve();
      await holding;
      expect(
        (await sql`select 1 from approvals where approval_id = ${id} and expires_at > now()`).length,
      ).toBe(1);
      // Its lease is over at once, and not after twelve seconds.
      await sql`update approvals set expires_at = now() where approval_id = ${id}`;
      await scene.start();
      await eventually(async () => expect((await read(id)).state).toBe('failed'), 30_000);
      const { outcome } = await read(id);
      expect([outcome.status, outcome.answer]).toEqual([null, null]);
      expect(outcome.detail).toContain('stopped');
      await eventually(async () => {
        const actions = (await historyOf(id)).map(({ action }) => action);
        expect(actions).toEqual(['approval.request', 'approval.approve', 'approval.interrupted']);
      }, 30_000);
      expect((await approve(id)).status).toBe(409);
      expect((await scene.api('GET', at(`/instances/${berlin}`))).status).toBe(200);
    });

    it('a tenant whose routes ended because its instances were disabled waits all the same', async () => {
      await clear();
      await seed(101);
      await scene.database.sql`delete from routes where tenant_id = ${tenantId}`;
      const answer = await scene.api('DELETE', at(''), undefined, ann.key);
      const id = asked(answer);
      expect(answer.json.devices).toBe(101);
      expect((await reject(id)).json.state).toBe('rejected');
      await clear();
      await seed(60);
      await scene.database.sql`delete from reports where tenant_id = ${tenantId}`;
      await scene.database.sql`
        insert into claims (tenant_id, device_id, instance_id, jamf_computer_id)
        select ${tenantId}, gen_random_uuid(), ${berlin}, 7000 + place from generate_series(1, 41) place`;
      expect(
        (await read(asked(await scene.api('DELETE', at('?force=true'), undefined, ann.key)))).devices,
      ).toBe(101);
    });

    it('a tenant with its devices waits; the approval outlives it', async () => {
      await clear();
      await seed(101);
      const id = asked(await scene.api('DELETE', at('?force=true'), undefined, ann.key));
      expect((await approve(id)).json).toMatchObject({
        state: 'done',
        outcome: { answer: { devices: 101 } },
      });
      expect((await scene.api('GET', at(''))).status).toBe(404);
      expect((await read(id)).state).toBe('done');
    });
  });

  it('lists with paging, sort and filter; an unknown field is named', async () => {
    const list = async (query: string) =>
      (await scene.api('GET', `/approvals?${query}`, undefined, viewer.key)).json;
    const all = await list('page-size=2000&sort=createdAt:asc');
    expect(all.totalCount).toBe(all.results.length);
    const page = await list('page=1&page-size=2&sort=createdAt:asc');
    expect(page.results).toEqual(all.results.slice(2, 4));
    const deletes = await list(`filter=${encodeURIComponent('action==*.delete;state=in=(done,failed)')}`);
    expect(deletes.results.map((one: { action: string }) => one.action).sort()).toEqual([
      'instance.delete',
      'instance.delete',
      'tenant.delete',
    ]);
    const third = `tenantId==${tenantId};createdAt=ge=${all.results[2].createdAt}`;
    expect((await list(`filter=${encodeURIComponent(third)}`)).totalCount).toBe(all.totalCount - 2);
    expect((await list('filter=colour==red')).errors[0].field).toBe('filter');
    expect((await list('sort=colour:asc')).errors[0].field).toBe('sort');
  });

  it('the bootstrap key is one person, and no one any more once an admin key is there', async () => {
    const oslo = (await addInstance(scene, otherId, 'oslo')).id;
    await seed(101, oslo, otherId);
    const ask = () => scene.api('POST', `/tenants/${otherId}/disconnect`, {});
    const id = asked(await ask());
    const own = await approve(id, bootstrapKey);
    expect([own.status, slugOf(own)]).toEqual([403, 'forbidden']);
    expect((await approve(id, stranger.key)).json.state).toBe('done');
    await scene.database.sql`update tenants set connection_state = 'consented' where tenant_id = ${otherId}`;
    const next = asked(await ask());
    const made = await scene.api('POST', '/keys', { name: 'first admin', role: 'admin' });
    const failed = await approve(next, made.json.key);
    expect([failed.json.state, failed.json.outcome.status]).toEqual(['failed', null]);
    expect(failed.json.outcome.detail).toContain('bootstrap');
  });
});
