import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { type DatabaseDoor, openDoor } from '../harness/database-door.ts';
import { eventually } from '../harness/eventually.ts';
import { type GatewayProcess, startProcess } from '../harness/gateway.ts';

/** What processes that share a data directory tell of its snapshot, which one of them writes (docs/snapshot.md). */

let database: TestDatabase;
let door: DatabaseDoor;
const dir = mkdtempSync(join(tmpdir(), 'espalier-snapshot-age-'));
const running: GatewayProcess[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  door = await openDoor();
  await door.leadTo(database.url);
});
afterAll(async () => {
  for (const gateway of running) await gateway.kill();
  await door?.close();
  await database?.drop();
  rmSync(dir, { recursive: true, force: true });
});

async function start(): Promise<GatewayProcess> {
  const url = new URL(database.url);
  url.port = String(door.port);
  const gateway = await startProcess({
    DATABASE_URL: url.href,
    ESPALIER_DATA_DIR: dir,
    ESPALIER_SECRETS_KEY: Buffer.alloc(32, 7).toString('base64'),
    ESPALIER_DATA_LISTEN: '127.0.0.1:0',
    ESPALIER_ADMIN_LISTEN: '127.0.0.1:0',
    ESPALIER_OPS_LISTEN: '127.0.0.1:0',
    ESPALIER_DRAIN_DELAY_SECONDS: '0',
  });
  running.push(gateway);
  return gateway;
}

const ageOf = async ({ ops }: GatewayProcess): Promise<number> => {
  const text = await (await fetch(`${ops}/metrics`)).text();
  return Number(/^espalier_snapshot_age_seconds(?:\{[^}]*\})? (\S+)/m.exec(text)?.[1]);
};

it('the age falls in every process when the database is back', async () => {
  const first = await start();
  await eventually(() => expect(first.output()).toContain('"event":"snapshot.written"'), 30_000);
  await first.kill();
  await door.close();
  const both = [await start(), await start()];
  const falls = async (gateway: GatewayProcess): Promise<void> => {
    let highest = 0;
    await eventually(async () => {
      const age = await ageOf(gateway);
      highest = Math.max(highest, age);
      expect(age, gateway.output()).toBeLessThan(highest);
    }, 60_000);
  };
  const fallen = Promise.all(both.map(falls));
  await door.leadTo(database.url);
  await fallen;
}, 180_000);
