import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { device, r } from '../../src/admin/devices/device.ts';
import { readRoutePages } from '../../src/admin/devices/transfer/read-routes.ts';
import { exportLot, listLot } from '../../src/limits.ts';
import { openDatabase, type Sql } from '../../src/store/database.ts';
import { createTurns, type Turns } from '../../src/untrusted/turns.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

/** Turns of the event loop are counted, not time: each piece of work takes the millisecond that it may by a clock that it moves. */
describe('an export and lists beside each other', () => {
  const tenantId = '5b6cb3e1-4b1e-4ab1-9fc5-0a8a3a4a8a01';
  const instanceId = '5b6cb3e1-4b1e-4ab1-9fc5-0a8a3a4a8a02';
  const routes = 12_000;
  let database: TestDatabase;
  const clients: Sql[] = [];
  const open = (): Sql => {
    const client = openDatabase(database.url, { connections: 1, applicationName: 'bulk-turns' });
    clients.push(client);
    return client;
  };

  beforeAll(async () => {
    database = await createTestDatabase();
    const { sql } = database;
    await sql`insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing)
      values (${tenantId}, 'public', 'x', 'device-compliance', 'cloud-connector', '{}')`;
    await sql`insert into instances (tenant_id, instance_id, name, url, api_client_id, compliance)
      values (${tenantId}, ${instanceId}, 'berlin', 'https://berlin.example', 'x', '{}')`;
    await sql`insert into routes (tenant_id, device_id, instance_id, jamf_computer_id, rule, version)
      select ${tenantId}, gen_random_uuid(), ${instanceId}, n, 'only-claim', 1 from generate_series(1, ${routes}::int) n`;
  });
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.end({ timeout: 1 })));
    await database?.drop();
  });

  /** Turns whose work is told, each of which holds the loop for as long as it may. */
  function watchedTurns() {
    let nowMs = 0;
    let inTurn = 0;
    const seen = { most: 0, pieces: 0, loopTurns: 0 };
    const turns = createTurns(() => nowMs);
    const watched: Turns = {
      work: (key) => {
        const work = turns.work(key);
        return {
          end: work.end,
          turn: async () => {
            await work.turn();
            inTurn += 1;
            seen.pieces += 1;
            nowMs += 1;
          },
          isOver: work.isOver,
        };
      },
    };
    let goesOn = true;
    const look = (): void => {
      seen.loopTurns += 1;
      seen.most = Math.max(seen.most, inTurn);
      inTurn = 0;
      nowMs += 0.5;
      if (goesOn) setImmediate(look);
    };
    setImmediate(look);
    const end = () => {
      goesOn = false;
      return seen;
    };
    return { turns: watched, end };
  }

  it('have one lot at a time, and leave the loop four turns of half a millisecond after each', async () => {
    const { end, turns } = watchedTurns();
    const exported = async (): Promise<number> => {
      let lines = 0;
      const wanted = { tenantId, filter: undefined, format: 'ndjson' as const };
      for await (const page of readRoutePages(open(), wanted, turns.work('exports')))
        lines += page.split('\n').length - 1;
      return lines;
    };
    const listed = async (page: number): Promise<number> => {
      const asked = { page, 'page-size': 2_000 };
      return (await device.page({ sql: open(), turns }, asked, eq(r.tenantId, tenantId))).rows.length;
    };
    expect(await Promise.all([exported(), listed(0), listed(1), listed(2)])).toEqual([
      routes,
      ...[2_000, 2_000, 2_000],
    ]);
    const { loopTurns, most, pieces } = end();
    expect(pieces).toBe(routes / exportLot + (3 * 2_000) / listLot);
    expect(most).toBe(1);
    expect(loopTurns).toBeGreaterThanOrEqual(4 * (pieces - 1));
  });
});
