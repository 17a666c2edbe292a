import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ChainedRow, historyColumns, historyHash } from '../../src/store/history.ts';
import { bootstrapKey, connectTenant, type Scene, startScene } from '../harness/gateway.ts';
import { type HistoryReader, readHistoryOf } from '../harness/history.ts';
import { call } from '../harness/http.ts';

/** The chains of the history, whole and broken: contract section 8, `/history/verify`; docs/history.md. */
describe('chains of the history', () => {
  let scene: Scene;
  let reader: HistoryReader;
  let tenantId: string;
  let otherId: string;
  const verify: HistoryReader['verify'] = (key) => reader.verify(key);

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          { displayName: 'Contoso', instances: [{ name: 'one', macs: 0 }] },
          { displayName: 'Fabrikam', instances: [{ name: 'other', macs: 0 }] },
        ],
      },
    });
    reader = readHistoryOf(scene);
    [tenantId, otherId] = scene.world.tenants.map((one) => one.tenantId) as [string, string];
    await connectTenant(scene, tenantId);
    await connectTenant(scene, otherId);
  });
  afterAll(() => scene?.close());

  it('writes a change and its entry together or not at all', async () => {
    const { sql } = scene.database;
    const before = await reader.operatorRows();
    await sql`alter table history add constraint refused check (reason is distinct from 'refuse this') not valid`;
    const answer = await reader.send(
      'PATCH',
      `/tenants/${otherId}`,
      { displayName: 'Half' },
      { 'x-espalier-reason': 'refuse this' },
    );
    expect(answer.status).toBe(500);
    expect((await scene.api('GET', `/tenants/${otherId}`)).json.displayName).toBe('Fabrikam');
    expect(await reader.operatorRows()).toBe(before);
    await sql`alter table history drop constraint refused`;
  });

  it('keeps one chain whole when many write at the same time', async () => {
    const before = await reader.operatorRows();
    const statuses = await Promise.all(
      Array.from({ length: 20 }, async (_, at) => {
        const path = `/tenants/${otherId}/${at % 2 === 0 ? 'pause' : 'resume'}`;
        return (await scene.api('POST', path)).status;
      }),
    );
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(await reader.operatorRows()).toBe(before + 20);
    expect((await verify()).ok).toBe(true);
  });

  it('holds no name that no database can hold as it was given', async () => {
    const path = `/tenants/${otherId}`;
    const answer = await call(`${scene.gateway.admin}/api/v1${path}`, {
      method: 'PATCH',
      ca: scene.trust,
      headers: { authorization: `Bearer ${bootstrapKey}`, 'content-type': 'application/json' },
      body: '{"displayName":"half \\ud800 pair"}',
    });
    expect([answer.status, answer.json.errors[0].field]).toEqual([400, 'displayName']);
    expect((await verify()).ok).toBe(true);
  });

  it('says of a chain that it is whole, and where it is not', async () => {
    const { sql } = scene.database;
    const before = await reader.rows();
    const whole = await verify();
    expect(whole.ok).toBe(true);
    // The gateway may add an entry of its own meanwhile.
    expect(whole.entries).toBeGreaterThanOrEqual(before);
    expect(whole.entries).toBeLessThanOrEqual(await reader.rows());
    const last = (
      await reader.entries({ filter: `tenantId==${otherId}`, sort: 'sequence:desc', 'page-size': '1' })
    )[0]!.sequence;
    const brokenAt = async (change: () => Promise<unknown>): Promise<unknown> => {
      await sql`drop table if exists kept_history, kept_heads`;
      await sql`create table kept_history as table history`;
      await sql`create table kept_heads as table history_heads`;
      await change();
      const { brokenAt: found, ok } = await verify();
      expect(ok).toBe(found === undefined);
      await sql`truncate history, history_heads`;
      await sql`insert into history table kept_history`;
      await sql`insert into history_heads table kept_heads`;
      expect((await verify()).ok).toBe(true);
      return found && `${found.tenantId === otherId ? '' : found.tenantId}${found.fault} ${found.sequence}`;
    };
    const columns = [
      `recorded_at = recorded_at + interval '1 second'`,
      `author_kind = 'user'`,
      `author_id = 'x'`,
      `author = 'x'`,
      `action = 'x'`,
      `object_kind = 'x'`,
      `object_id = 'x'`,
      `object_name = 'x'`,
      `before = '{}'`,
      `after = '{}'`,
      `reason = 'x'`,
      `request_id = 'x'`,
      `source = 'x'`,
      `approved_by = 'x'`,
      `previous_hash = 'x'`,
      `hash = 'x'`,
    ];
    for (const column of columns)
      expect(
        await brokenAt(() =>
          sql.unsafe(`update history set ${column} where tenant_id = '${otherId}' and sequence = 2`),
        ),
        column,
      ).toBe('changed 2');
    const at = (sequence: number) => sql`tenant_id = ${otherId} and sequence = ${sequence}`;
    expect(await brokenAt(() => sql`delete from history where ${at(2)}`)).toBe('missing 2');
    expect(await brokenAt(() => sql`delete from history where ${at(1)}`)).toBe('missing 1');
    expect(await brokenAt(() => sql`delete from history where ${at(last)}`)).toBe(`missing ${last}`);
    expect(await brokenAt(() => sql`delete from history where tenant_id = ${otherId}`)).toBe('missing 1');
    expect(await brokenAt(() => sql`delete from history_heads where tenant_id = ${otherId}`)).toBe(
      'unexpected 1',
    );
    const put = (sequence: number) => sql`
      insert into history select tenant_id, ${sequence}, recorded_at, author_kind, author_id, author, action, object_kind,
        object_id, object_name, before, after, reason, request_id, source, approved_by, previous_hash, hash
      from history where ${at(2)}`;
    expect(await brokenAt(() => put(last + 1))).toBe(`unexpected ${last + 1}`);
    expect(await brokenAt(() => put(0))).toBe('unexpected 0');
    expect(
      await brokenAt(async () => {
        await sql`update history set sequence = -1 where ${at(2)}`;
        await sql`update history set sequence = 2 where ${at(3)}`;
        await sql`update history set sequence = 3 where ${at(-1)}`;
      }),
    ).toBe('changed 2');
    // The head as it was two entries ago, with the entries since and with them gone in part.
    const back = () => sql`
      update history_heads set sequence = ${last - 2}, hash = (select hash from history where ${at(last - 2)})
      where tenant_id = ${otherId}`;
    expect(await brokenAt(back)).toBe(`unexpected ${last - 1}`);
    expect(await brokenAt(() => sql`update history_heads set hash = 'x' where tenant_id = ${otherId}`)).toBe(
      `changed ${last}`,
    );
    // A retention that is only pretended: the entries are there still, or their hash is another.
    const trimmed = (hash: string) => sql`
      update history_heads set trimmed_sequence = 1, trimmed_hash = ${hash} where tenant_id = ${otherId}`;
    expect(await brokenAt(() => trimmed('x'))).toBe('unexpected 1');
    expect(
      await brokenAt(async () => {
        await trimmed('x');
        await sql`delete from history where ${at(1)}`;
      }),
    ).toBe('changed 2');
    const bound = (
      await scene.api('POST', '/keys', { name: 'verifier', role: 'viewer', tenants: [tenantId] })
    ).json;
    await sql`update history set reason = 'x' where ${at(2)}`;
    expect((await verify(bound.key)).ok).toBe(true);
    expect((await verify()).ok).toBe(false);
    await sql`update history set reason = null where ${at(2)}`;
    expect((await verify()).ok).toBe(true);
  });

  it('does not show a chain that was made anew as a whole, but an end that was held elsewhere does', async () => {
    const { sql } = scene.database;
    const end = async () =>
      (await reader.entries({ filter: `tenantId==${otherId}`, sort: 'sequence:desc', 'page-size': '1' }))[0]!;
    const held = await end();
    const chain = await sql<ChainedRow[]>`
      select ${historyColumns(sql)} from history where tenant_id = ${otherId} order by sequence`;
    let hash = '';
    for (const row of chain) {
      const forged = { ...row, author: 'somebody else' };
      const next = await historyHash(hash, forged);
      await sql`
        update history set author = ${forged.author}, previous_hash = ${hash}, hash = ${next}
        where tenant_id = ${otherId} and sequence = ${row.sequence}`;
      hash = next;
    }
    await sql`update history_heads set hash = ${hash} where tenant_id = ${otherId}`;
    expect((await verify()).ok).toBe(true);
    expect((await end()).id).toBe(held.id);
    expect((await end()).hash).not.toBe(held.hash);
  });
});
