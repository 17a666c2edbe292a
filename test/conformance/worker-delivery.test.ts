import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sliceLimits } from '../../src/runtime/worker/budget.ts';
import { delivererName } from '../../src/runtime/worker/waker.ts';
import { webSha256 } from '../../src/secrets/sha256.ts';
import { shardOf } from '../../src/store/tenant-scope.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  connectTenant,
  type GatewayProcess,
  type Scene,
  startScene,
  webhookBody,
} from '../harness/gateway.ts';
import { hasPgbouncer, type Pgbouncer, startPgbouncer } from '../harness/pgbouncer.ts';
import { bundleWorker } from './bundles.ts';
import { bindingsLike } from './worker-scene.ts';
import { type RunningWorker, startWorker } from './workerd.ts';

/**
 * Delivery by Durable Objects on workerd, through a Hyperdrive binding and a pooler that gives each transaction another
 * session, as Hyperdrive does; no Node process delivers unless one is started.
 */

const shards = 3;
const periodSeconds = 5;
const tenantCount = 4;

describe('delivery on Workers', () => {
  let scene: Scene;
  let worker: RunningWorker;
  let pooler: Pgbouncer | undefined;
  let node: GatewayProcess | undefined;
  const instances = new Map<string, AddedInstance>();

  const nameOf = (tenantId: string): string =>
    scene.world.tenants.find((tenant) => tenant.tenantId === tenantId)!.instances[0]!;
  const macsOf = (tenantId: string) =>
    scene.world.fleet.truth().filter(({ instance }) => instance === nameOf(tenantId));
  const inOneShard = (one: string, other: string): boolean => shardOf(one, shards) === shardOf(other, shards);
  const delivererOf = (shard: number) => worker.deliverer(delivererName({ shard, of: shards }));

  const bindings = () => ({ ...bindingsLike(scene), ESPALIER_SHARDS: String(shards) });

  const sendWebhook = async (tenantId: string, computer: number): Promise<void> => {
    const { id, key } = instances.get(nameOf(tenantId))!;
    const answer = await worker.fetch(`${scene.environment.ESPALIER_PUBLIC_URL}/jamf/${id}/webhooks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': key },
      body: webhookBody('ComputerInventoryCompleted', computer),
    });
    expect(answer.status, `${answer.text}\n${worker.output()}`).toBe(202);
  };
  const stateOf = async (tenantId: string, deviceId: string): Promise<string | undefined> => {
    const [row] = await scene.database.sql<{ state: string }[]>`
      select state from reports where tenant_id = ${tenantId} and device_id = ${deviceId}`;
    return row?.state;
  };
  const isVerified = (
    tenantId: string,
    mac: { deviceId: string; compliant: boolean | null },
  ): Promise<void> =>
    eventually(async () => {
      expect(await stateOf(tenantId, mac.deviceId), worker.output()).toBe('verified');
      expect(scene.world.directory.tenant(tenantId)!.devices.get(mac.deviceId)!.isCompliant).toBe(
        mac.compliant,
      );
      // A report that is held at first is looked at again only after ESPALIER_HOLD_RECHECK_SECONDS.
    }, 100_000);

  beforeAll(async () => {
    const bundling = bundleWorker();
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: Array.from({ length: tenantCount }, (_, index) => ({
          instances: [{ name: `i${index}`, macs: 3 }],
        })),
      },
      environment: { ESPALIER_HEARTBEAT_SECONDS: String(periodSeconds), ESPALIER_HOLD_RECHECK_SECONDS: '60' },
    });
    for (const { tenantId } of scene.world.tenants)
      for (const [name, added] of await connectTenant(scene, tenantId)) instances.set(name, added);
    await scene.gateway.stop();
    // Debian's package; .ci/run installs it.
    if (hasPgbouncer() || process.env.CI !== undefined)
      pooler = await startPgbouncer(scene.database.url, ['pool_mode = transaction', 'default_pool_size = 5']);
    worker = await startWorker({
      bundle: await bundling,
      bindings: bindings(),
      trust: scene.world.authority.certificatePem,
      hyperdrive: pooler?.url ?? scene.database.url,
      delivers: true,
    });
  }, 120_000);
  afterAll(async () => {
    await node?.stop();
    await worker?.close();
    await pooler?.close();
    await scene?.close();
  });

  it('is woken by a change notification', async () => {
    const [{ tenantId } = { tenantId: '' }] = scene.world.tenants;
    const clientState = 'state of a test';
    await scene.database.sql`
      insert into subscriptions (tenant_id, resource, subscription_id, client_state_hash, state)
      values (${tenantId}, 'users', 'of-a-test', ${await webSha256(clientState)}, 'active')
      on conflict (tenant_id, resource) do update
      set subscription_id = excluded.subscription_id, client_state_hash = excluded.client_state_hash`;
    const notify = (state: string) =>
      worker.fetch(`${scene.environment.ESPALIER_PUBLIC_URL}/t/${tenantId}/notifications`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          value: [{ subscriptionId: 'of-a-test', clientState: state, tenantId, lifecycleEvent: 'missed' }],
        }),
      });
    const deliverer = await delivererOf(shardOf(tenantId, shards));
    // Its object has never been called: it looks by itself only after that.
    expect((await notify('state of a stranger')).status).toBe(202);
    expect((await deliverer.state()).scope).toBeUndefined();
    expect((await notify(clientState)).status).toBe(202);
    await eventually(async () => {
      const [waiting] = await scene.database.sql`
        select count(*)::int as count from directory_changes where tenant_id = ${tenantId}`;
      const { scope: woken } = await deliverer.state();
      expect([woken?.of, waiting], worker.output()).toEqual([shards, { count: 0 }]);
      // A cold isolate on a busy machine takes its time; nothing else would wake it.
    }, 60_000);
  }, 120_000);

  it('takes a webhook to a verified report, woken by it', async () => {
    const [{ tenantId } = { tenantId: '' }] = scene.world.tenants;
    const [mac] = macsOf(tenantId);
    await sendWebhook(tenantId, mac!.jamfComputerId);
    await isVerified(tenantId, mac!);
    const shard = shardOf(tenantId, shards);
    expect(await (await delivererOf(shard)).state()).toMatchObject({ scope: { shard, of: shards } });
  }, 180_000);

  it('lets what hangs delay nobody else, and goes on with it in a later alarm', async () => {
    const [slow, neighbour] = scene.world.tenants
      .filter(({ tenantId }, _, all) =>
        all.some((other) => other.tenantId !== tenantId && inOneShard(other.tenantId, tenantId)),
      )
      .filter(({ tenantId }, _, [first]) => inOneShard(first!.tenantId, tenantId));
    const [hanging] = macsOf(slow!.tenantId).slice(-1);
    const upload = { service: 'intune', tenant: slow!.tenantId, path: 'DataUploadMessages' };
    const uploads = () => scene.world.journal.list(upload).filter(({ method }) => method === 'PUT').length;
    const before = uploads();
    // Longer than a slice.
    scene.world.faults.add({ ...upload, method: 'PUT', delayMs: sliceLimits.sliceMs + 6_000, times: 1 });
    await sendWebhook(slow!.tenantId, hanging!.jamfComputerId);
    await eventually(
      async () => expect(await stateOf(slow!.tenantId, hanging!.deviceId)).toBe('sent'),
      30_000,
    );
    const deliverer = await delivererOf(shardOf(slow!.tenantId, shards));
    const { slices } = await deliverer.state();
    await eventually(async () => expect((await deliverer.state()).slices).toBeGreaterThan(slices), 40_000);
    const [mac] = macsOf(neighbour!.tenantId).slice(-1);
    await sendWebhook(neighbour!.tenantId, mac!.jamfComputerId);
    await eventually(
      async () =>
        expect(await stateOf(neighbour!.tenantId, mac!.deviceId)).toMatch(/^(?:sent|completed|verified)$/),
      20_000,
    );
    expect(await stateOf(slow!.tenantId, hanging!.deviceId)).toBe('sent');
    await isVerified(neighbour!.tenantId, mac!);
    await isVerified(slow!.tenantId, hanging!);
    expect(uploads()).toBe(before + 1);
  }, 240_000);

  it('loses nothing when its objects end at any time', async () => {
    const sent = scene.world.tenants.flatMap(({ tenantId }) =>
      macsOf(tenantId).map((mac) => ({ tenantId, mac })),
    );
    for (const { mac, tenantId } of sent) {
      await sendWebhook(tenantId, mac.jamfComputerId);
      await new Promise((resolve) => setTimeout(resolve, randomInt(300)));
      const deliverer = await delivererOf(randomInt(shards));
      // The call ends with the object.
      await deliverer.abortNow().catch(() => undefined);
    }
    // An alarm that ended with its object comes again, and the cron trigger wakes those whose alarm is lost.
    await worker.scheduled();
    for (const { mac, tenantId } of sent) await isVerified(tenantId, mac);
    const [open] = await scene.database.sql<{ count: number }[]>`
      select count(*)::int as count from computers where wanted_revision > done_revision`;
    expect(open).toEqual({ count: 0 });
  }, 240_000);

  it('sends one heartbeat a tenant and period, also with a Node process beside it', async () => {
    const { sql } = scene.database;
    await sql.unsafe(`
      create table heartbeat_turns (
        id bigint generated always as identity, tenant_id uuid not null, at timestamptz not null);
      create function keep_turn() returns trigger language plpgsql as $$ begin
        if new.last_heartbeat_try_at is distinct from old.last_heartbeat_try_at then
          insert into heartbeat_turns (tenant_id, at) values (new.tenant_id, now());
        end if;
        return null;
      end $$;
      create trigger keep_turn after update of next_heartbeat_at on tenants for each row execute function keep_turn();`);
    const turnsOf = (tenantId: string) => sql<{ at: Date }[]>`
      select at from heartbeat_turns where tenant_id = ${tenantId} order by id`;
    const turns = (atLeast: number): Promise<void> =>
      eventually(async () => {
        for (const { tenantId } of scene.world.tenants)
          expect((await turnsOf(tenantId)).length).toBeGreaterThanOrEqual(atLeast);
      }, 90_000);
    await turns(2);
    node = await scene.worker();
    await turns(5);
    for (const { tenantId } of scene.world.tenants) {
      const times = (await turnsOf(tenantId)).map(({ at }) => at.getTime());
      const gaps = times.slice(1).map((at, index) => at - times[index]!);
      // A tenth of jitter.
      expect(Math.min(...gaps)).toBeGreaterThanOrEqual(periodSeconds * 900);
    }
  }, 240_000);
});
