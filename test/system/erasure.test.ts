import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  connectTenant,
  type Scene,
  sendWebhook,
  startScene,
} from '../harness/gateway.ts';

/** `…/erasures`: what is kept of one person goes, and the history proves it and is whole. */
describe('erasing a person', () => {
  let scene: Scene;
  let tenantId: string;
  let berlin: AddedInstance;
  let person: { deviceId: string; userId: string; jamfComputerId: number };
  let other: { deviceId: string };

  const erase = (body: unknown, query = '') =>
    scene.api('POST', `/tenants/${tenantId}/erasures${query}`, body);
  const verified = async () => (await scene.api('GET', '/history/verify')).json;

  /** Tables with a row in which one of these texts stands, with how many. */
  async function tablesWith(...texts: readonly string[]): Promise<Record<string, number>> {
    const { sql } = scene.database;
    const tables = await sql<{ name: string }[]>`
      select relname as name from pg_class where relkind in ('r', 'p') and relnamespace = current_schema()::regnamespace
        and not relispartition order by 1`;
    const found: Record<string, number> = {};
    for (const { name } of tables) {
      const [row] = await sql<{ n: number }[]>`
        select count(*) as n from ${sql(name)} t
        where exists (select from unnest(${texts as string[]}::text[]) as one where position(lower(one) in lower(t::text)) > 0)`;
      if (row!.n > 0) found[name] = row!.n;
    }
    return found;
  }

  beforeAll(async () => {
    scene = await startScene({
      world: { clouds: ['public'], tenants: [{ instances: [{ name: 'berlin', macs: 3 }] }] },
      environment: { ESPALIER_CHECK_IN_SECONDS: '0' },
    });
    tenantId = scene.world.tenants[0]!.tenantId;
    berlin = (await connectTenant(scene, tenantId)).get('berlin')!;
    const [first, second] = scene.world.fleet.truth();
    person = { deviceId: first!.deviceId, userId: first!.userId, jamfComputerId: first!.jamfComputerId };
    other = { deviceId: second!.deviceId };
    for (const { jamfComputerId } of scene.world.fleet.truth())
      await sendWebhook(scene, berlin, jamfComputerId);
    await eventually(async () => {
      const [row] = await scene.database.sql`select count(*) as n from reports where state = 'verified'`;
      expect(row?.n).toBe(3);
    });
    const placed = await scene.api('PUT', `/tenants/${tenantId}/devices/${person.deviceId}`, {
      instanceId: berlin.id,
      jamfComputerId: person.jamfComputerId,
      reason: `asked for by the user of ${person.deviceId}`,
    });
    expect(placed.status).toBe(200);
    const refreshed = await scene.api('POST', `/tenants/${tenantId}/devices/${other.deviceId}/refresh`);
    expect(refreshed.status).toBe(202);
  });
  afterAll(() => scene?.close());

  it('409 while an instance names a device of the person, and nothing is erased', async () => {
    const before = await tablesWith(person.deviceId, person.userId);
    expect(Object.keys(before)).toEqual(expect.arrayContaining(['claims', 'history', 'reports', 'timeline']));
    const answer = await erase({ userId: person.userId });
    expect(answer.status).toBe(409);
    expect(answer.json.detail).toContain(`computer ${person.jamfComputerId} of instance ${berlin.id}`);
    expect(await tablesWith(person.deviceId, person.userId)).toEqual(before);
  });

  it('400 without anybody, 404 for somebody of whom nothing is kept', async () => {
    expect((await erase({})).status).toBe(400);
    expect((await erase({ userId: crypto.randomUUID() })).status).toBe(404);
    expect((await erase({ deviceIds: [crypto.randomUUID()] })).status).toBe(404);
  });

  it('nothing but a tombstone is left of a person whose Mac is gone, and the chain is whole', async () => {
    const { sql } = scene.database;
    scene.world.fleet.deleteComputer(scene.world.fleet.findByDevice(person.deviceId)!);
    await sendWebhook(scene, berlin, person.jamfComputerId);
    await eventually(async () => {
      const changed = await sql`
        update computers set next_try_at = now(), not_found_since = now() - interval '2 minutes'
        where jamf_computer_id = ${person.jamfComputerId} and not_found_since is not null returning 1`;
      expect(changed).toHaveLength(1);
    });
    await eventually(async () => {
      const [report] = await sql`
        select content::jsonb ->> 'managed' as managed, due_since, next_try_at from reports where device_id = ${person.deviceId}`;
      expect(report).toEqual({ managed: 'false', due_since: null, next_try_at: null });
    });
    const [known] = await sql<{ udid: string; serial: string }[]>`
      select udid, serial_number as serial from computers where jamf_computer_id = ${person.jamfComputerId}`;
    const everything = [person.deviceId, person.userId, known!.udid, known!.serial];
    const entries = (await verified()).entries as number;

    const would = await erase({ userId: person.userId }, '?dry-run=true');
    expect(would).toMatchObject({
      status: 200,
      json: { dryRun: true, deviceIds: [person.deviceId], historyEntries: 1 },
    });
    expect(await tablesWith(...everything)).toHaveProperty('reports');

    const erased = await erase({ userId: person.userId });
    expect(erased).toMatchObject({
      status: 200,
      json: {
        dryRun: false,
        deviceIds: [person.deviceId],
        rows: { reports: 1, computers: 1 },
        historyEntries: 1,
        proof: { sequence: expect.any(Number) },
      },
    });
    expect(await tablesWith(...everything)).toEqual({ device_tombstones: 1 });
    expect(await verified()).toEqual({ ok: true, entries: entries + 1 });
    const [proof] = (await scene.api('GET', '/history?filter=action==person.erase')).json.results;
    expect(proof).toMatchObject({
      sequence: erased.json.proof.sequence,
      hash: erased.json.proof.hash,
      objectId: erased.json.proof.erasureId,
      after: { devices: 1, entries: [{ hash: expect.any(String) }] },
    });
    const [entry] = (await scene.api('GET', '/history?filter=action==device.place')).json.results;
    expect(entry).toMatchObject({
      objectId: '',
      before: null,
      after: null,
      reason: null,
      hash: proof.after.entries[0].hash,
    });
    expect(Date.parse(entry.erasedAt)).toBeGreaterThan(0);
    expect(Object.keys(await tablesWith(other.deviceId))).toEqual(
      expect.arrayContaining(['history', 'reports']),
    );
  });

  it('an entry that is emptied without an erasure counts as changed', async () => {
    const { sql } = scene.database;
    const [entry] = await sql<{ sequence: number }[]>`
      update history set object_id = '', after = null, erased_at = now()
      where tenant_id = ${tenantId} and action = 'device.refresh' returning sequence`;
    expect(await verified()).toMatchObject({
      ok: false,
      brokenAt: { tenantId, sequence: entry!.sequence, fault: 'changed' },
    });
  });
});
