import { afterEach, describe, expect, it } from 'vitest';
import { openDatabase } from '../../src/store/database.ts';
import { sharesSessions } from '../../src/store/pooler.ts';
import { eventually } from '../harness/eventually.ts';
import { connectTenant, type Scene, type SceneOptions, sendWebhook, startScene } from '../harness/gateway.ts';
import { hasPgbouncer, type Pgbouncer, startPgbouncer } from '../harness/pgbouncer.ts';
import { runCommand } from '../harness/run-espalier.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function pooled(scene: Scene, ...settings: readonly string[]): Promise<Pgbouncer> {
  const pooler = await startPgbouncer(scene.database.url, settings);
  closing.push(pooler.close);
  return pooler;
}

async function startWithout(world?: SceneOptions['world']): Promise<Scene> {
  const scene = await startScene(world === undefined ? {} : { world });
  closing.push(scene.close);
  return scene;
}

// Debian's package; .ci/run installs it.
describe.skipIf(!hasPgbouncer() && process.env.CI === undefined)('a pooler before the database', () => {
  it('in session mode, as pgbouncer is by default, carries intake, delivery and notifications', async () => {
    const scene = await startWithout({
      clouds: ['public'],
      tenants: [{ instances: [{ name: 'berlin', macs: 2 }] }],
    });
    const { url } = await pooled(scene);
    await scene.gateway.stop();
    await scene.start({ DATABASE_URL: url });
    const { tenantId } = scene.world.tenants[0]!;
    const berlin = (await connectTenant(scene, tenantId)).get('berlin')!;
    const [computer] = scene.world.instance('berlin').computers.list();
    expect((await sendWebhook(scene, berlin, computer!.id)).status).toBe(202);
    await eventually(async () => {
      const { json } = await scene.api('GET', '/reports?filter=state==verified');
      expect(json.totalCount).toBeGreaterThan(0);
    });
    const { stdout } = await runCommand(['doctor', '--timeout', '2'], {
      environment: { ...scene.environment, DATABASE_URL: url },
    });
    expect(stdout).toMatch(/ok +pooler/);
  }, 90_000);

  it.each(['transaction', 'statement'])(
    'in %s mode is refused at start, and doctor says so',
    async (mode) => {
      const scene = await startWithout();
      const { url } = await pooled(scene, `pool_mode = ${mode}`);
      expect(await sharesSessions(url)).toBe(true);
      const environment = {
        ...scene.environment,
        DATABASE_URL: url,
        ESPALIER_DATA_LISTEN: '127.0.0.1:0',
        ESPALIER_ADMIN_LISTEN: '127.0.0.1:0',
      };
      for (const command of ['serve', 'migrate']) {
        const { code, stderr, stdout } = await runCommand([command], { environment });
        expect(code).toBe(1);
        expect(`${stdout}${stderr}`).toMatch(
          /DATABASE_URL \S+: a pooler gives each transaction another session/,
        );
      }
      const { stdout } = await runCommand(['doctor', '--timeout', '2'], { environment });
      expect(stdout).toMatch(/FAIL +pooler/i);
    },
    90_000,
  );

  it('is recognised with several connections to the server and others at work', async () => {
    const scene = await startWithout();
    const { url } = await pooled(
      scene,
      'pool_mode = transaction',
      'server_round_robin = 1',
      'min_pool_size = 5',
    );
    const others = openDatabase(url, { connections: 4, applicationName: 'others', pooled: true });
    closing.push(() => others.end({ timeout: 1 }));
    let busy = true;
    const work = (async () => {
      while (busy) await Promise.all([1, 2, 3, 4].map(() => others`select pg_sleep(0.001)`));
    })();
    const found = [];
    for (let time = 0; time < 5; time += 1) found.push(await sharesSessions(url));
    busy = false;
    await work;
    expect(found).toEqual([true, true, true, true, true]);
    // The server itself is never taken for one.
    for (let time = 0; time < 5; time += 1) expect(await sharesSessions(scene.database.url)).toBe(false);
  }, 90_000);

  it('in transaction mode carries the client that Workers use, whose transactions set what they need', async () => {
    const scene = await startWithout();
    const name = new URL(scene.database.url).pathname.slice(1);
    await scene.database.sql.unsafe(`alter database ${name} set intervalstyle = 'sql_standard'`);
    await scene.database.sql.unsafe(`alter database ${name} set datestyle = 'German'`);
    await scene.database.sql.unsafe(`alter database ${name} set synchronous_commit = 'off'`);
    const { url } = await pooled(scene, 'pool_mode = transaction');
    const sql = openDatabase(url, { connections: 3, applicationName: 'espalier-worker', pooled: true });
    closing.push(() => sql.end({ timeout: 1 }));
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, at) => sql<{ at: number }[]>`select ${at}::int as at`),
    );
    expect(answers.map(([row]) => row?.at)).toEqual(Array.from({ length: 50 }, (_, at) => at));
    const [moment] = await sql<{ at: Date }[]>`select '2026-11-05T01:02:03Z'::timestamptz as at`;
    expect(moment?.at.toISOString()).toBe('2026-11-05T01:02:03.000Z');
    const inside = await sql.begin(async (tx) => {
      const [row] = await tx<{ interval: string; commit: string; timeout: string; isolation: string }[]>`
        select interval '1 day 2 hours' as interval, current_setting('synchronous_commit') as commit,
          current_setting('statement_timeout') as timeout, current_setting('transaction_isolation') as isolation`;
      return row;
    });
    expect(inside).toEqual({
      interval: '1 day 02:00:00',
      commit: 'on',
      timeout: '30s',
      isolation: 'read committed',
    });
    const [after] = await sql<{ commit: string }[]>`select current_setting('synchronous_commit') as commit`;
    expect(after?.commit).toBe('off');
  }, 60_000);

  it('in transaction mode answers every statement with its own answer, however many are asked at once', async () => {
    const scene = await startWithout();
    const { url } = await pooled(scene, 'pool_mode = transaction', 'default_pool_size = 3');
    const open = () =>
      openDatabase(url, { connections: 2, applicationName: 'espalier-worker', pooled: true });
    const clients = [open(), open(), open()];
    closing.push(async () => void (await Promise.all(clients.map((sql) => sql.end({ timeout: 0 })))));
    // A statement with parameters is described before it is sent; one without goes out at once, maybe just before it.
    const ask = async (sql: (typeof clients)[number], at: number): Promise<unknown[]> => {
      const [[moment], [number], [text], inside] = await Promise.all([
        sql<{ moment: Date }[]>`select now() as moment`,
        sql<{ number: number }[]>`select ${at}::int * ${2}::float8 as number, now() as moment`,
        sql<{ text: string[] }[]>`select array[${`t${at}`}, 'x']::text[] as text`,
        sql.begin(async (tx) => (await tx<{ within: string }[]>`select ${`w${at}`} as within`)[0]?.within),
      ]);
      return [moment?.moment instanceof Date, number?.number, text?.text, inside];
    };
    for (let round = 0; round < 20; round += 1) {
      const asked = clients.flatMap((sql) => [1, 2, 3, 4].map((at) => ask(sql, round * 10 + at)));
      const wanted = clients.flatMap(() =>
        [1, 2, 3, 4].map((at) => round * 10 + at).map((at) => [true, at * 2, [`t${at}`, 'x'], `w${at}`]),
      );
      expect(await Promise.all(asked)).toEqual(wanted);
    }
  }, 60_000);
});
