import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase, type Sql } from '../../src/store/database.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  callerToken,
  connectTenant,
  type Scene,
  sendWebhook,
  startScene,
} from '../harness/gateway.ts';
import type { call } from '../harness/http.ts';
import { type OwnPostgres, startOwnPostgres } from '../harness/own-postgres.ts';
import { type Sent, startTraffic } from '../harness/steady-traffic.ts';

/** Contract section 7, "database away", and section 11, "known devices during an outage". */
const boundMs = 2_000;

describe('while the database is away', () => {
  const dir = mkdtempSync(join(tmpdir(), 'espalier-outage-'));
  let scene: Scene;
  let database: OwnPostgres;
  let sql: Sql;
  let tenantId: string;
  let berlin: AddedInstance;
  let token: string;
  let deviceId: string;

  beforeAll(async () => {
    database = await startOwnPostgres(dir);
    sql = openDatabase(database.url, { connections: 1, applicationName: 'test' });
    scene = await startScene({
      world: { clouds: ['public'], tenants: [{ instances: [{ name: 'berlin', macs: 2 }] }] },
      environment: { ESPALIER_LOG_LEVEL: 'info' },
    });
    await scene.startOn({ url: database.url, sql, drop: () => sql.end() });
    [tenantId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string];
    berlin = (await connectTenant(scene, tenantId)).get('berlin')!;
    token = await callerToken(scene, tenantId);
    const [mac] = scene.world.fleet.truth();
    deviceId = mac!.deviceId;
    await sendWebhook(scene, berlin, mac!.jamfComputerId);
    await eventually(async () => expect((await device(deviceId)).status).toBe(200));
    await eventually(async () => {
      const [row] = await sql<
        { told: number }[]
      >`select count(*) as told from reports where confirmed_revision > 0`;
      expect(row?.told).toBe(1);
    });
  }, 120_000);
  afterAll(async () => {
    await database?.thaw();
    await database?.start();
    await scene?.close();
    await sql?.end({ timeout: 2 });
    await database?.stop('fast');
    rmSync(dir, { recursive: true, force: true });
  }, 120_000);

  const device = (id: string) =>
    scene.data(`/t/${tenantId}/devices/${id}/compliance`, { headers: { authorization: `Bearer ${token}` } });
  const ops = async (path: string) => {
    const answer = await fetch(`${scene.gateway.ops}${path}`);
    await answer.text();
    return { status: answer.status, headers: Object.fromEntries(answer.headers), json: undefined };
  };
  /** Of computers that nobody has heard of: each leaves a row behind. */
  let nextComputer = 1_000_000;
  const accepted = new Set<number>();
  const kept = async (answer: Promise<Awaited<ReturnType<typeof call>>>, id: number) => {
    const got = await answer;
    if (got.status === 202) accepted.add(id);
    return got;
  };
  const kinds = {
    webhook: () => {
      nextComputer += 1;
      return kept(sendWebhook(scene, berlin, nextComputer), nextComputer);
    },
    push: () => {
      nextComputer += 1;
      return kept(
        scene.data(`/jamf/${berlin.id}/inventory`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'x-api-key': berlin.key },
          body: JSON.stringify({ id: String(nextComputer), general: { reportDate: '2026-01-01T00:00:00Z' } }),
        }),
        nextComputer,
      );
    },
    known: () => device(deviceId),
    unknown: () => device(crypto.randomUUID()),
    enroll: () => scene.data(`/t/${tenantId}/enroll?deviceId=${deviceId}`),
    remediate: () => scene.data(`/t/${tenantId}/remediate?deviceId=${deviceId}`),
    'landing of a stranger': () => scene.data(`/t/${crypto.randomUUID()}/enroll`),
    notification: () =>
      scene.data(`/t/${tenantId}/notifications`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ value: [{ clientState: 'unknown', subscriptionId: crypto.randomUUID() }] }),
      }),
    consent: () => scene.data(`/microsoft/consent?state=${crypto.randomUUID()}&tenant=${tenantId}`),
    admin: () => scene.api('GET', '/tenants'),
    'admin write': () => scene.api('PATCH', `/tenants/${tenantId}`, { displayName: 'Renamed' }),
    export: () => scene.api('GET', `/tenants/${tenantId}/devices/export`),
    metrics: () => ops('/metrics'),
    ready: () => ops('/health/ready'),
    live: () => ops('/health/live'),
  };
  const always: Readonly<Record<string, number>> = {
    ...{ known: 200, enroll: 302, remediate: 200, metrics: 200, ready: 200, live: 200 },
  };
  const needsDatabase = Object.keys(kinds).filter((kind) => always[kind] === undefined);

  const describeSent = ({ json, kind, ms, status, turn }: Sent): string =>
    `${kind} ${turn}: ${status} after ${Math.round(ms)} ms ${JSON.stringify(json)?.slice(0, 200)}`;

  /** Traffic over an outage that `begin` makes and `end` ends, and everything the contract says of it. */
  async function expectOutage(forMs: number, begin: () => Promise<void>, end: () => Promise<void>) {
    const logged = scene.gateway.output().length;
    const traffic = startTraffic(kinds, 700);
    await wait(2_000);
    // A heartbeat touches the row of a tenant, and a poll that of an instance, just before it.
    await sql`update tenants set last_heartbeat_at = now() where tenant_id = ${tenantId}`;
    await sql`update instances set last_seen_at = now(), name = name || '' where tenant_id = ${tenantId}`;
    await wait(600);
    await sql`update tenants set last_heartbeat_at = now() where tenant_id = ${tenantId}`;
    const awayMs = performance.now();
    await begin();
    const goneMs = performance.now();
    await wait(forMs);
    const endMs = performance.now();
    await end();
    const backMs = performance.now();
    await wait(boundMs + 2_000);
    const sent = await traffic.stop();

    const slow = sent.filter(({ ms }) => ms >= boundMs).map(describeSent);
    expect(slow).toEqual([]);
    const dark = sent.filter(({ kind, status }) => always[kind] !== undefined && status !== always[kind]);
    expect(dark.map(describeSent)).toEqual([]);
    // A stream that had begun with 200 cannot say anything else any more.
    const cutOff = ({ atMs, kind, status }: Sent) => status === 0 && kind === 'export' && atMs < goneMs;
    const broken = sent.filter(
      (one) => (one.status === 0 && !cutOff(one)) || (one.status >= 500 && one.status !== 503),
    );
    expect(broken.map(describeSent)).toEqual([]);
    const during = sent.filter(({ atMs }) => atMs > goneMs && atMs < endMs);
    for (const kind of needsDatabase) {
      const answers = during.filter((one) => one.kind === kind);
      expect(answers.length).toBeGreaterThan(3);
      for (const one of answers) {
        expect(one.status, describeSent(one)).toBe(503);
        expect(Number(one.headers['retry-after']), describeSent(one)).toBeGreaterThan(0);
      }
    }
    const after = sent.filter(({ atMs }) => atMs > backMs + boundMs);
    const ill = after.filter(({ status }) => status >= 500);
    expect(ill.map(describeSent)).toEqual([]);
    expect(new Set(after.map(({ kind }) => kind)).size).toBe(Object.keys(kinds).length);

    const events = scene.gateway
      .output()
      .slice(logged)
      .split('\n')
      .filter((line) => /"level":"(?:warn|error)"|store\.available/.test(line))
      // Each is about a notification that this test made up.
      .filter((line) => !line.includes('"event":"notification.rejected"'))
      .map((line) => JSON.parse(line) as { event: string; failures?: number });
    const named = (event: string) => events.filter((line) => line.event === event);
    expect(named('store.unavailable')).toHaveLength(1);
    expect(named('store.available')).toHaveLength(1);
    expect(named('store.available')[0]?.failures).toBeGreaterThan(10);
    expect(events.length, JSON.stringify(events)).toBeLessThan(15);
    return { awayMs, sent };
  }

  async function expectAccepted(): Promise<void> {
    expect(accepted.size).toBeGreaterThan(5);
    const rows = await sql<{ id: number }[]>`
      select jamf_computer_id as id from computers where tenant_id = ${tenantId}`;
    const there = new Set(rows.map(({ id }) => id));
    expect([...accepted].filter((id) => !there.has(id))).toEqual([]);
  }

  it('stopped for 30 s under traffic: every answer within 2 s, known devices served, nothing accepted lost', async () => {
    await expectOutage(
      30_000,
      () => database.stop('fast'),
      () => database.start(),
    );
    await expectAccepted();
  }, 120_000);

  it('standing still with its connections open: the same', async () => {
    await expectOutage(6_000, database.freeze, database.thaw);
    await expectAccepted();
  }, 90_000);

  it('the process still ends in good order', async () => {
    await database.stop('immediate');
    await wait(1_000);
    const began = performance.now();
    expect(await scene.gateway.stop()).toBe(0);
    expect(performance.now() - began).toBeLessThan(20_000);
  }, 60_000);
});
