import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { monotonicMs } from '../../src/clock.ts';
import { createAddressPolicy } from '../../src/outbound/addresses.ts';
import { createNodeSend } from '../../src/outbound/node.ts';
import { createOutgoingProxies } from '../../src/outbound/proxies.ts';
import { type Config, loadConfig } from '../../src/runtime/config.ts';
import { type Budget, createBudget, sliceLimits } from '../../src/runtime/worker/budget.ts';
import { composeDeliverer } from '../../src/runtime/worker/compose-deliverer.ts';
import { createDeliverer } from '../../src/runtime/worker/deliverer.ts';
import { createSlices, sliceBounds } from '../../src/runtime/worker/deliverer-slice.ts';
import { shardOf, type TenantScope } from '../../src/store/tenant-scope.ts';
import { createCounters } from '../../src/telemetry/counters.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { leadingTo, openDoor } from '../harness/database-door.ts';
import { eventually } from '../harness/eventually.ts';
import { connectTenant, type Scene, startScene } from '../harness/gateway.ts';

/** Slices of a shard as a Durable Object runs them, on Node, with a budget that the test ends. */

const tenantCount = 4;
const shards = 3;

describe('a slice of delivery', () => {
  let scene: Scene;
  let config: Config;
  const closing: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: Array.from({ length: tenantCount }, (_, index) => ({
          instances: [
            { name: `i${index}`, macs: 2 },
            // One tenant has as many instances as an object sends requests at a time.
            ...(index === 0 ? ['more', 'most'].map((name) => ({ name, macs: 2 })) : []),
          ],
        })),
      },
      // Each computer is read once when its instance is new.
      environment: { ESPALIER_RECONCILE_SECONDS: '86400', ESPALIER_HOLD_RECHECK_SECONDS: '60' },
    });
    for (const { tenantId } of scene.world.tenants) await connectTenant(scene, tenantId);
    await eventually(async () => {
      const [row] = await scene.database.sql<{ done: number }[]>`
        select count(*)::int as done from computers where wanted_revision = done_revision`;
      expect(row?.done).toBe((tenantCount + 2) * 2);
    });
    await scene.gateway.stop();
    // Delivery is in the test's process here, which does not trust the simulators by itself.
    const trusted = getCACertificates('default');
    setDefaultCACertificates([...trusted, scene.world.authority.certificatePem]);
    closing.push(async () => setDefaultCACertificates(trusted));
    const loaded = await loadConfig({
      environment: { ...scene.environment, ESPALIER_SHARDS: String(shards) },
      readFile: (path) => readFileSync(path, 'utf8'),
    });
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.faults));
    config = loaded.config;
  });
  afterAll(async () => {
    for (const close of closing) await close();
    await scene?.close();
  });

  async function slicesOf(
    scope: TenantScope,
    url = scene.database.url,
    { patienceMs = 20_000, silentMs = sliceBounds.silentMs } = {},
  ) {
    const spent = { over: false };
    const budget: Budget = {
      ...createBudget(sliceLimits, monotonicMs),
      isOver: () => spent.over,
      sinceEndMs: () => Number.POSITIVE_INFINITY,
    };
    const outbound = createNodeSend(createAddressPolicy(config.upstreamAllow), createOutgoingProxies(config));
    const shard = await composeDeliverer({
      ...{ config, scope, budget, counters: createCounters() },
      bindings: { DATABASE_URL: url },
      send: outbound.send,
      log: createLog({ level: 'error', format: 'json', write: () => undefined }),
    });
    closing.push(shard.close, outbound.close);
    const start = () => shard.start(AbortSignal.timeout(patienceMs));
    return { shard, spent, slices: createSlices(start, budget, { ...sliceBounds, silentMs }) };
  }
  const makeDue = (tenantIds = scene.world.tenants.map(({ tenantId }) => tenantId)) => scene.database.sql`
    update computers set wanted_revision = wanted_revision + 1, next_try_at = now(), background = false
    where tenant_id = any(${tenantIds}::uuid[])`;
  const openTenants = async (): Promise<string[]> => {
    const rows = await scene.database.sql<{ tenantId: string }[]>`
      select distinct tenant_id as "tenantId" from computers where wanted_revision > done_revision order by 1`;
    return rows.map(({ tenantId }) => tenantId);
  };

  it('does what is due for its tenants alone, and ends when there is nothing left', async () => {
    for (let shard = 0; shard < shards; shard += 1) {
      const { slices } = await slicesOf({ shard, of: shards });
      await makeDue();
      const others = scene.world.tenants
        .map(({ tenantId }) => tenantId)
        .filter((tenantId) => shardOf(tenantId, shards) !== shard);
      const { nextInMs } = await slices.run();
      expect(await openTenants()).toEqual(others.sort());
      expect(nextInMs).toBeGreaterThan(0);
      expect(slices.delivering()).toBe(false);
    }
  }, 60_000);

  it('goes on without a slice when its budget is used up, and ends in a later one', async () => {
    const { slices, spent } = await slicesOf({ shard: 0, of: 1 });
    await makeDue();
    spent.over = true;
    expect(await slices.run()).toEqual({ nextInMs: 0 });
    expect(slices.delivering()).toBe(true);
    spent.over = false;
    const slice = slices.run();
    expect(slices.wake()).toBe(true);
    await slice;
    expect(await openTenants()).toEqual([]);
    expect(slices.delivering()).toBe(false);
    expect(slices.wake()).toBe(false);
  }, 60_000);

  it('leaves to Node what it does not reach, and comes to rest beside it', async () => {
    const { sql } = scene.database;
    const [own, apart, privateOne] = scene.world.tenants.map(({ tenantId }) => tenantId).sort();
    const before = await sql<{ instanceId: string; secret: string | null; url: string }[]>`
      select instance_id as "instanceId", api_secret_sealed as secret, url from instances`;
    await sql`update instances set ca_certificate = 'x' where tenant_id = ${own!}`;
    await sql`update instances set api_secret_sealed = null, api_secret_ref = 'file:/x' where tenant_id = ${apart!}`;
    await sql`update instances set url = 'https://jamf.internal' where tenant_id = ${privateOne!}`;
    await makeDue();
    const { slices } = await slicesOf({ shard: 0, of: 1 });
    await slices.run();
    expect(slices.delivering()).toBe(false);
    expect(await openTenants()).toEqual([own, apart, privateOne]);
    const untouched = await sql`select 1 from instances where last_error is not null`;
    expect(untouched).toHaveLength(0);
    for (const { instanceId, secret, url } of before)
      await sql`
        update instances set ca_certificate = null, api_secret_ref = null, api_secret_sealed = ${secret}, url = ${url}
        where instance_id = ${instanceId}`;
    await (await slicesOf({ shard: 0, of: 1 })).slices.run();
    expect(await openTenants()).toEqual([]);
  }, 60_000);

  it('leaves a tenant to Node whose own application has its secret in a file', async () => {
    const { sql } = scene.database;
    const [own] = scene.world.tenants.map(({ tenantId }) => tenantId).sort();
    const [before] = await sql`
      update tenants set connection_type = 'manual', application = '{"clientId":"x","ref":"file:/run/secrets/own"}',
        next_heartbeat_at = now() - interval '1 hour' where tenant_id = ${own!} returning *`;
    await sql`
      update reports set state = 'due', revision = revision + 1, next_try_at = now() where tenant_id = ${own!}`;
    const reportsOf = () => sql`select state, attempts from reports where tenant_id = ${own!}`;
    const [waiting] = await reportsOf();
    await makeDue();
    const { slices } = await slicesOf({ shard: 0, of: 1 });
    const { nextInMs } = await slices.run();
    expect(await openTenants()).toEqual([own]);
    expect(await sql`select * from tenants where tenant_id = ${own!}`).toEqual([before]);
    expect(await reportsOf()).toContainEqual(waiting);
    // It does not begin again at once for what it leaves alone.
    expect(nextInMs).toBeGreaterThan(0);
    await sql`
      update tenants set connection_type = 'cloud-connector', application = null where tenant_id = ${own!}`;
    await (await slicesOf({ shard: 0, of: 1 })).slices.run();
    expect(await openTenants()).toEqual([]);
  }, 60_000);

  it('serves the neighbours of a tenant all of whose instances hang', async () => {
    const [slow] = scene.world.tenants;
    const { faults, journal } = scene.world;
    const answered = () =>
      slow!.instances.flatMap((name) =>
        journal.list({ service: `jamf:${name}`, path: 'computers-inventory' }),
      ).length;
    const before = answered();
    // Less than an instance may take to answer.
    const hanging = slow!.instances.map((name) =>
      faults.add({ service: `jamf:${name}`, path: 'computers-inventory', delayMs: 9_000 }),
    );
    expect(hanging).toHaveLength(sliceLimits.atOnce);
    const { slices } = await slicesOf({ shard: 0, of: 1 });
    await makeDue([slow!.tenantId]);
    const slice = slices.run();
    // Its requests are under way before anybody else's.
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    await makeDue();
    await eventually(async () => expect(await openTenants()).toEqual([slow!.tenantId]), 20_000);
    // None of the requests that hung when the neighbours came has been answered.
    expect(answered()).toBe(before);
    for (const { tenantId } of scene.world.tenants.slice(1)) {
      const rows = await scene.database.sql<{ error: string | null }[]>`
        select last_error as error from instances where tenant_id = ${tenantId}`;
      expect(rows.map(({ error }) => error)).toEqual([null]);
    }
    faults.clear();
    await slice;
    expect(await openTenants()).toEqual([]);
  }, 60_000);

  /** The database at an address whose connections may all go silent at once; those that come after are answered. */
  async function silentDatabase() {
    const door = await openDoor();
    closing.push(door.close);
    const open: Socket[] = [];
    await door.meetBy((socket) => {
      open.push(socket);
      leadingTo(scene.database.url)(socket);
    });
    const url = new URL(scene.database.url);
    url.host = `127.0.0.1:${door.port}`;
    return {
      url: url.href,
      silence: () => {
        for (const socket of open.splice(0)) socket.unpipe();
      },
    };
  }

  it('gives up where the database went silent, and ends with its connections', async () => {
    const { silence, url } = await silentDatabase();
    const { shard, slices, spent } = await slicesOf({ shard: 0, of: 1 }, url, { silentMs: 2_000 });
    spent.over = true;
    expect(await slices.run()).toEqual({ nextInMs: 0 });
    silence();
    await makeDue();
    await eventually(
      async () => await expect(slices.run()).rejects.toThrow(/nothing came to an end/),
      10_000,
    );
    expect(slices.delivering()).toBe(false);
    await shard.close();
    expect(await openTenants()).toHaveLength(tenantCount);
  }, 60_000);

  it('opens its connections anew after a silence, and lets an earlier alarm stand', async () => {
    const { silence, url } = await silentDatabase();
    const kept = new Map<string, unknown>();
    let alarmAtMs: number | null = null;
    const storage = {
      get: async <T>(key: string) => kept.get(key) as T | undefined,
      put: async (key: string, value: unknown) => void kept.set(key, value),
      getAlarm: async () => alarmAtMs,
      setAlarm: async (atMs: number) => {
        alarmAtMs = atMs;
      },
    };
    const given = Object.entries(scene.environment).map(([name, value]) => [
      name,
      name.includes('_FILE') ? readFileSync(value, 'utf8') : value,
    ]);
    const bindings = { ...Object.fromEntries(given), ESPALIER_SHARDS: '1', DATABASE_URL: url };
    const deliverer = createDeliverer({ storage }, bindings);
    /** As the platform does, the alarm is gone when it begins. */
    const alarm = async (meanwhile?: number) => {
      alarmAtMs = null;
      const running = deliverer.alarm();
      if (meanwhile !== undefined) alarmAtMs = meanwhile;
      await running;
      return alarmAtMs;
    };
    await makeDue();
    await deliverer.wake({ shard: 0, of: 1 });
    const earlier = Date.now();
    expect(await alarm(earlier)).toBe(earlier);
    expect(await openTenants()).toEqual([]);
    silence();
    await makeDue();
    expect(await alarm()).toBeGreaterThan(earlier);
    expect(await openTenants()).toHaveLength(tenantCount);
    await alarm();
    expect(await openTenants()).toEqual([]);
  }, 120_000);

  it('does not begin without the database, and the next one does', async () => {
    const away = await slicesOf({ shard: 0, of: 1 }, 'postgres://nobody@127.0.0.1:1/none', {
      patienceMs: 1_500,
    });
    await expect(away.slices.run()).rejects.toThrow();
    expect(away.slices.delivering()).toBe(false);
  }, 60_000);
});
