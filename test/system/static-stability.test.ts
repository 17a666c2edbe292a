import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase, type Sql } from '../../src/store/database.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  callerToken,
  connectTenant,
  type Scene,
  startScene,
  webhookBody,
} from '../harness/gateway.ts';
import { type Answer, call } from '../harness/http.ts';
import { type OwnPostgres, startOwnPostgres } from '../harness/own-postgres.ts';

/** Contract section 3, static stability: what a gateway answers that was killed and started without its database. */

const macs = 500;
const atOnce = 25;

const titleOf = (page: string): string | undefined => /<title>(.*?)<\/title>/.exec(page)?.[1];

describe('a gateway that is killed and started while its database is away', () => {
  const dir = mkdtempSync(join(tmpdir(), 'espalier-static-'));
  let scene: Scene;
  let database: OwnPostgres;
  let sql: Sql;
  let tenantId: string;
  let token: string;
  let instances: Map<string, AddedInstance>;
  /** What each device's call was answered with while the database was there. */
  const before = new Map<string, { readonly status: number; readonly text: string }>();
  const pagesBefore = new Map<string, Seen>();

  beforeAll(async () => {
    database = await startOwnPostgres(dir);
    sql = openDatabase(database.url, { connections: 1, applicationName: 'test' });
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          {
            instances: [
              { name: 'berlin', macs, compliantShare: 1 },
              { name: 'paris', macs, compliantShare: 1 },
            ],
          },
          { instances: [{ name: 'oslo', macs: 1 }] },
        ],
      },
      environment: {
        ESPALIER_LOG_LEVEL: 'debug',
        ESPALIER_POLL_SECONDS: '3600',
        ESPALIER_RECONCILE_SECONDS: '86400',
        ESPALIER_UPLOAD_MAX_DEVICES: '50',
      },
    });
    await scene.startOn({ url: database.url, sql, drop: () => sql.end() });
    const [first, second] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string, string];
    tenantId = first;
    instances = new Map([...(await connectTenant(scene, first)), ...(await connectTenant(scene, second))]);
    token = await callerToken(scene, tenantId);
    await importRoutes(first);
    await importRoutes(second);
    await eventually(async () => {
      const [row] = await sql<{ waiting: number }[]>`
        select count(*) as waiting from instance_reading where poll_cursor is null or reconciled_at is null`;
      expect(row?.waiting).toBe(0);
    }, 90_000);
    for (const [deviceId, answer] of await callAll()) before.set(deviceId, answer);
    for (const [name, seen] of await visitAll()) pagesBefore.set(name, seen);
    // What is written at the end has all of it.
    await scene.restart('stop');
    await written();
  }, 300_000);
  afterAll(async () => {
    await database?.start();
    await scene?.close();
    await sql?.end({ timeout: 2 });
    await database?.stop('fast');
    rmSync(dir, { recursive: true, force: true });
  }, 120_000);

  const truthOf = (of: string) => scene.world.fleet.truth().filter((mac) => mac.tenantId === of);

  async function importRoutes(of: string): Promise<void> {
    const rows = truthOf(of).map(({ deviceId, instance, jamfComputerId }) =>
      JSON.stringify({ deviceId, instanceId: instances.get(instance)!.id, jamfComputerId }),
    );
    const answer = await call(`${scene.gateway.admin}/api/v1/tenants/${of}/devices/import`, {
      method: 'POST',
      ca: scene.trust,
      headers: {
        authorization: `Bearer ${scene.environment.ESPALIER_BOOTSTRAP_KEY}`,
        'content-type': 'application/x-ndjson',
      },
      body: rows.join('\n'),
    });
    expect(answer.json).toMatchObject({ accepted: rows.length, rejected: [] });
  }

  const device = (id: string, of = tenantId, by = token) =>
    scene.data(`/t/${of}/devices/${id}/compliance`, { headers: { authorization: `Bearer ${by}` } });

  async function callAll(): Promise<Map<string, { status: number; text: string }>> {
    const answers = new Map<string, { status: number; text: string }>();
    const left = truthOf(tenantId).map(({ deviceId }) => deviceId);
    const work = async (): Promise<void> => {
      for (let id = left.pop(); id !== undefined; id = left.pop()) {
        const { status, text } = await device(id);
        answers.set(id, { status, text });
      }
    };
    await Promise.all(Array.from({ length: atOnce }, work));
    return answers;
  }

  interface Seen {
    readonly status: number;
    readonly location: string | undefined;
    readonly title: string | undefined;
  }

  /** Every kind of page in both languages, for a known Mac of each tenant and for a stranger. */
  async function visitAll(): Promise<Map<string, Seen>> {
    const seen = new Map<string, Seen>();
    for (const { tenantId: of } of scene.world.tenants)
      for (const kind of ['enroll', 'remediate'])
        for (const language of ['en', 'fr'])
          for (const deviceId of [truthOf(of)[0]!.deviceId, undefined]) {
            const path = `/t/${of}/${kind}${deviceId === undefined ? '' : `?deviceId=${deviceId}`}`;
            const answer = await scene.data(path, { headers: { 'accept-language': language } });
            seen.set(`${path} ${language}`, {
              status: answer.status,
              location: answer.headers.location as string | undefined,
              title: titleOf(answer.text),
            });
          }
    return seen;
  }

  /** A Mac's state is in the database alone: its page says so, in the visitor's language. */
  const withoutState = (pages: ReadonlyMap<string, Seen>): Map<string, Seen> =>
    new Map(
      [...pages].map(([name, seen]) => {
        if (!/remediate\?deviceId/.test(name)) return [name, seen];
        const title = name.endsWith(' fr')
          ? 'L’état de ce Mac ne peut pas être affiché maintenant'
          : 'The state of this Mac cannot be shown now';
        return [name, { ...seen, title }];
      }),
    );

  const written = (): Promise<void> =>
    eventually(() => expect(scene.gateway.output()).toContain('"event":"snapshot.written"'), 30_000);
  const lines = (event: string): { readonly [field: string]: unknown }[] =>
    scene.gateway
      .output()
      .split('\n')
      .filter((line) => line.includes(`"event":"${event}"`))
      .map((line) => JSON.parse(line));
  const webhook = (name: string, computer: number): Promise<Answer> => {
    const { id, key } = instances.get(name)!;
    return scene.data(`/jamf/${id}/webhooks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': key },
      body: webhookBody('ComputerInventoryCompleted', computer),
    });
  };
  const push = (name: string): Promise<Answer> => {
    const { id, key } = instances.get(name)!;
    return scene.data(`/jamf/${id}/inventory`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': key },
      body: JSON.stringify({ id: '1', general: { reportDate: '2026-01-01T00:00:00Z' } }),
    });
  };
  const notification = (): Promise<Answer> =>
    scene.data(`/t/${tenantId}/notifications`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ value: [{ clientState: 'unknown', subscriptionId: crypto.randomUUID() }] }),
    });
  const ready = async (): Promise<{ status: number; body: Record<string, unknown> }> => {
    const answer = await fetch(`${scene.gateway.ops}/health/ready`);
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
  const metrics = async (): Promise<string> => (await fetch(`${scene.gateway.ops}/metrics`)).text();
  const gauge = (text: string, name: string): number =>
    Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)`, 'm').exec(text)?.[1]);
  const told = (deviceId: string) =>
    scene.world.cloud('public').intune.device(tenantId, deviceId).history.at(-1)?.complianceStatus;

  async function killWithoutDatabase(): Promise<void> {
    await database.stop('immediate');
    await scene.gateway.kill();
    await scene.start();
  }

  it('answers every known device and landing page as before, also after a second kill', async () => {
    await killWithoutDatabase();
    expect(lines('ready')[0]).toMatchObject({
      degraded: ['database'],
      age: expect.any(Number),
      data: scene.gateway.data,
    });
    expect(lines('snapshot.serves')[0]).toMatchObject({ knownAt: expect.any(String), routes: macs * 2 + 1 });
    for (let time = 0; time < 2; time += 1) {
      const answers = await callAll();
      expect(answers.size).toBe(macs * 2);
      expect(answers).toEqual(before);
      expect(await visitAll()).toEqual(withoutState(pagesBefore));
      await scene.gateway.kill();
      await scene.start();
    }
  }, 300_000);

  it('answers 503 to what needs the database, within 2 s and with a time to come again, and never 202', async () => {
    const asked = [
      () => webhook('berlin', 1),
      () => push('berlin'),
      notification,
      () => device(crypto.randomUUID()),
      () => scene.api('GET', '/tenants'),
      () => scene.api('PATCH', `/tenants/${tenantId}`, { displayName: 'Renamed' }),
    ];
    const retries = new Set<number>();
    for (let turn = 0; turn < 10; turn += 1)
      for (const ask of asked) {
        const began = performance.now();
        const answer = await ask();
        expect(performance.now() - began).toBeLessThan(2_000);
        expect(answer.status, answer.text).toBe(503);
        const after = Number(answer.headers['retry-after']);
        expect(after).toBeGreaterThan(0);
        retries.add(after);
      }
    expect(retries.size).toBeGreaterThan(1);
  }, 60_000);

  it('says so to probes, scrapers and in its log', async () => {
    const { body, status } = await ready();
    expect([status, body]).toEqual([
      200,
      { status: 'ready', degraded: ['database'], age: expect.any(Number) },
    ]);
    expect((await fetch(`${scene.gateway.ops}/health/live`)).status).toBe(200);
    const text = await metrics();
    expect(gauge(text, 'espalier_degraded')).toBe(1);
    expect(gauge(text, 'espalier_snapshot_age_seconds')).toBeGreaterThan(0);
    expect(lines('start.waits-for-the-database')).toHaveLength(1);
  });

  it("serves a device in its own tenant only, and nobody else's token", async () => {
    const [own] = truthOf(tenantId);
    const other = scene.world.tenants[1]!.tenantId;
    const theirs = await callerToken(scene, other);
    expect((await device(own!.deviceId, other, theirs)).status).toBe(503);
    expect((await device(own!.deviceId, tenantId, theirs)).status).toBe(403);
  });

  it('is well when the database is back: what was refused meanwhile is told, and the snapshot is written anew', async () => {
    const [mac] = truthOf(tenantId);
    scene.world.fleet.setCompliant(scene.world.fleet.findByDevice(mac!.deviceId)!, false);
    expect((await webhook(mac!.instance, mac!.jamfComputerId)).status).toBe(503);
    const age = gauge(await metrics(), 'espalier_snapshot_age_seconds');
    await database.start();
    await eventually(async () => expect((await ready()).body).toEqual({ status: 'ready' }), 10_000);
    await eventually(async () => expect((await webhook('berlin', 1)).status).toBe(202), 10_000);
    expect((await device(mac!.deviceId)).status).toBe(200);
    await eventually(() => expect(told(mac!.deviceId)).toBe('notCompliant'), 60_000);
    await eventually(async () => {
      expect(gauge(await metrics(), 'espalier_snapshot_age_seconds')).toBeLessThan(age);
    }, 60_000);
    expect(gauge(await metrics(), 'espalier_degraded')).toBe(0);
    expect(lines('start.asks-instances')).toHaveLength(1);
  }, 180_000);
});
