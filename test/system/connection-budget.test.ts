import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { minDatabaseConnections } from '../../src/store/connection-budget.ts';
import { newKey } from '../harness/console.ts';
import {
  type AddedInstance,
  connectTenant,
  type Scene,
  sendWebhook,
  startScene,
} from '../harness/gateway.ts';
import { runCommand } from '../harness/run-espalier.ts';

describe('ESPALIER_DATABASE_CONNECTIONS', () => {
  let scene: Scene;
  let berlin: AddedInstance;
  const budget = minDatabaseConnections;

  beforeAll(async () => {
    scene = await startScene({
      world: { clouds: ['public'], tenants: [{ instances: [{ name: 'berlin', macs: 20 }] }] },
      environment: { ESPALIER_DATABASE_CONNECTIONS: String(budget) },
    });
    berlin = (await connectTenant(scene, scene.world.tenants[0]!.tenantId)).get('berlin')!;
  });
  afterAll(() => scene?.close());

  /** Sessions of the gateway, whose clients are all named after it. */
  const open = async (): Promise<number> => {
    const [row] = await scene.database.sql<{ sessions: number }[]>`
      select count(*)::int as sessions from pg_stat_activity
      where datname = current_database() and application_name like 'espalier%'`;
    return row!.sessions;
  };

  it('is kept under load, exports among it', async () => {
    const { tenantId } = scene.world.tenants[0]!;
    const computers = scene.world.instance('berlin').computers.list();
    // What one credential may have under way is bounded, too.
    const lister = (await newKey(scene, 'viewer')).key;
    let most = 0;
    let working = true;
    const looking = (async () => {
      while (working) {
        most = Math.max(most, await open());
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    for (let round = 0; round < 5; round += 1) {
      const answers = await Promise.all([
        ...computers.map(({ id }) => sendWebhook(scene, berlin, id)),
        ...computers
          .slice(0, 8)
          .map(() => scene.api('GET', `/tenants/${tenantId}/devices`, undefined, lister)),
        // With so few connections there is one at a time.
        scene.api('GET', `/tenants/${tenantId}/devices/export`),
      ]);
      for (const { status } of answers) expect([200, 202]).toContain(status);
    }
    working = false;
    await looking;
    expect(most).toBeGreaterThan(4);
    expect(most).toBeLessThanOrEqual(budget);
  }, 60_000);

  it('is compared with what the server allows by doctor', async () => {
    // The sessions that are open stay, and a superuser's are not bound by the limit: so only doctor's reading is seen here.
    const environment = { ...scene.environment, DATABASE_URL: scene.database.url };
    const doctor = () => runCommand(['doctor', '--timeout', '2'], { environment });
    expect((await doctor()).stdout).toMatch(/ok +database\.connections .*of \d+ connections in use/);
    const name = new URL(scene.database.url).pathname.slice(1);
    await scene.database.sql.unsafe(`alter database ${name} connection limit ${budget - 1}`);
    expect((await doctor()).stdout).toMatch(/FAIL +database\.connections/i);
  }, 60_000);

  it('that is too small stops the start with a line that says the least', async () => {
    const { code, stderr } = await runCommand(['config'], {
      environment: { ...scene.environment, ESPALIER_DATABASE_CONNECTIONS: '3' },
    });
    expect(code).toBe(2);
    expect(stderr).toContain(`ESPALIER_DATABASE_CONNECTIONS '3' is not a whole number from ${budget} to`);
  });
});
