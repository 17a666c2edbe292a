import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { connectTenant, type GatewayProcess, type Scene, startScene } from '../harness/gateway.ts';

/** One heartbeat per tenant and period, whichever of two processes is alive (contract section 7). */
describe('heartbeat of two processes', () => {
  let scene: Scene;
  let second: GatewayProcess;
  const periodSeconds = 2;
  const periods = 20;
  const kills = 8;

  /** A period that was taken, or given back because nothing had reached Intune; by the database's clock. */
  interface Turn {
    readonly taken: boolean;
    readonly at: Date;
  }
  const turnsOf = (tenantId: string) => scene.database.sql<Turn[]>`
    select taken, at from heartbeat_turns where tenant_id = ${tenantId} order by id`;
  const taken = async (): Promise<number> => {
    const [row] = await scene.database.sql<{ count: number }[]>`
      select count(*)::int as count from heartbeat_turns where taken`;
    return row!.count;
  };
  const callsOf = (tenantId: string): number =>
    scene.world.cloud('public').intune.tenant(tenantId).heartbeatCalls.length;

  /** The table of tenants keeps the last turn only, so a trigger keeps them all. */
  const keepTurns = (): Promise<unknown> =>
    scene.database.sql.unsafe(`
      create table heartbeat_turns (
        id bigint generated always as identity, tenant_id uuid not null, taken boolean not null, at timestamptz not null
      );
      create function keep_turn() returns trigger language plpgsql as $$ begin
        insert into heartbeat_turns (tenant_id, taken, at)
        values (new.tenant_id, new.last_heartbeat_try_at is distinct from old.last_heartbeat_try_at, now());
        return null;
      end $$;
      create trigger keep_turn after update of next_heartbeat_at on tenants for each row execute function keep_turn();`);

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: Array.from({ length: 3 }, (_, index) => ({ instances: [{ name: `i${index}`, macs: 0 }] })),
      },
      environment: { ESPALIER_HEARTBEAT_SECONDS: String(periodSeconds) },
    });
    for (const { tenantId } of scene.world.tenants) await connectTenant(scene, tenantId);
    second = await scene.worker();
    await keepTurns();
  });
  afterAll(async () => {
    await second?.stop();
    await scene?.close();
  });

  it('is sent once in each of twenty periods, with either process killed at random', async () => {
    const before = new Map(scene.world.tenants.map(({ tenantId }) => [tenantId, callsOf(tenantId)]));
    for (let kill = 0; kill < kills; kill += 1) {
      // However slow the machine is, heartbeats go on between two kills; where in a period one falls is left to chance.
      const seen = await taken();
      await eventually(async () => expect(await taken()).toBeGreaterThan(seen), 60_000);
      await new Promise((resolve) => setTimeout(resolve, randomInt(periodSeconds * 1_000)));
      // One of the two is always alive; which one dies is left to chance as well.
      if (randomInt(2) === 0) await scene.restart('kill');
      else {
        await second.kill();
        second = await scene.worker();
      }
    }
    const sentTo = (tenantId: string): number => callsOf(tenantId) - before.get(tenantId)!;
    await eventually(() => {
      for (const { tenantId } of scene.world.tenants)
        expect(sentTo(tenantId)).toBeGreaterThanOrEqual(periods);
    }, 120_000);
    for (const { tenantId } of scene.world.tenants) {
      const turns = await turnsOf(tenantId);
      const early = turns.filter(({ at, taken: isTaken }, index) => {
        const last = turns[index - 1];
        // A tenth of jitter; after a period that was given back the next one comes at once.
        return isTaken && last?.taken && at.getTime() - last.at.getTime() < periodSeconds * 900;
      });
      expect(early, JSON.stringify(turns)).toEqual([]);
      const periodsTaken = turns.filter((turn) => turn.taken).length;
      // One that was taken before the trigger stood may have come after.
      expect(sentTo(tenantId)).toBeLessThanOrEqual(periodsTaken + 1);
      // A process that is killed leaves one period out, and the newest one may be on its way.
      expect(sentTo(tenantId)).toBeGreaterThanOrEqual(periodsTaken - kills - 1);
    }
  }, 400_000);
});
