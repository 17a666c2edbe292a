import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Breaker } from '../../src/store/breaker.ts';
import { isStoreUnavailable, openBreaker, openDatabase, type Sql } from '../../src/store/database.ts';
import { eventually } from '../harness/eventually.ts';
import { type OwnPostgres, startOwnPostgres } from '../harness/own-postgres.ts';
import { freePort } from '../harness/ports.ts';

/** The client that all of the gateway asks through, over everything that can become of its database. */

/** Contract section 7: answers while the database is away, and all well after its return, both within 2 s. */
const boundMs = 2_000;

interface Client {
  readonly sql: Sql;
  readonly breaker: Breaker;
  readonly heard: string[];
}

const opened: Client[] = [];

function openClient(url: string, connections = 4): Client {
  const breaker = openBreaker(url);
  const sql = openDatabase(url, { connections, applicationName: 'breaker-test', breaker });
  const heard: string[] = [];
  breaker.observe({ away: () => heard.push('away'), back: () => heard.push('back') });
  const client = { sql, breaker, heard };
  opened.push(client);
  return client;
}

afterEach(async () => {
  for (const { breaker, sql } of opened.splice(0)) {
    breaker.close();
    await sql.end({ timeout: 0 });
  }
});

/** What became of it, and after how long. */
async function outcome(work: PromiseLike<unknown>): Promise<{ error: unknown; ms: number }> {
  const began = performance.now();
  try {
    await work;
    return { error: undefined, ms: performance.now() - began };
  } catch (error) {
    return { error, ms: performance.now() - began };
  }
}

/** Every way to ask, each begun now. */
const everyMode = ({ sql }: Client): PromiseLike<unknown>[] => [
  sql`select 1`,
  sql.unsafe('select 1'),
  sql.notify('nobody', ''),
  sql.begin((tx) => tx`select 1`),
  sql.begin('read only', async (tx) => {
    await tx`select 1`;
    return tx`select 2`;
  }),
  sql`copy (select 1) to stdout`.readable(),
  ...Array.from({ length: 20 }, () => sql`select 1`),
];

async function expectRefusals(client: Client): Promise<void> {
  for (const { error, ms } of await Promise.all(everyMode(client).map(outcome))) {
    expect(isStoreUnavailable(error), String(error)).toBe(true);
    expect(ms).toBeLessThan(boundMs);
  }
}

async function expectReturn(client: Client): Promise<void> {
  const began = performance.now();
  while ((await outcome(client.sql`select 1`)).error !== undefined) {
    expect(performance.now() - began).toBeLessThan(boundMs);
    await wait(20);
  }
  expect(await client.sql.begin((tx) => tx`select 2 as two`)).toMatchObject([{ two: 2 }]);
  expect((await Promise.all(Array.from({ length: 20 }, () => client.sql`select 1`))).length).toBe(20);
}

describe('a server of its own', () => {
  const dir = mkdtempSync(join(tmpdir(), 'espalier-breaker-'));
  let server: OwnPostgres;
  let admin: Sql;

  beforeAll(async () => {
    server = await startOwnPostgres(dir);
    admin = openDatabase(server.url, { connections: 2, applicationName: 'breaker-admin' });
    await admin`create table held (id int primary key)`;
    await admin`insert into held values (1)`;
  });
  afterAll(async () => {
    await server.start();
    await admin.end({ timeout: 1 });
    await server.stop('immediate');
    rmSync(dir, { recursive: true, force: true });
  });

  it.each(['fast', 'immediate'] as const)(
    'that is stopped (%s) is refused at once and found again',
    async (mode) => {
      const client = openClient(server.url);
      await Promise.all(everyMode(client));
      const sleeping = outcome(client.sql`select pg_sleep(30)`);
      const inTransaction = outcome(
        client.sql.begin(async (tx) => {
          await tx`insert into held values (2)`;
          await wait(300);
          await tx`select pg_sleep(30)`;
        }),
      );
      await wait(200);
      const stopped = server.stop(mode);
      const inFlight = await Promise.all([sleeping, inTransaction]);
      for (const { error } of inFlight) expect(isStoreUnavailable(error), String(error)).toBe(true);
      await stopped;
      await expectRefusals(client);
      expect(client.breaker.isAway).toBe(true);
      const { ms } = await outcome(client.sql`select 1`);
      expect(ms).toBeLessThan(50);
      await server.start();
      await expectReturn(client);
      expect(client.heard).toEqual(['away', 'back']);
      expect(await client.sql`select id from held`).toMatchObject([{ id: 1 }]);
    },
  );

  it('that stands still is noticed although every connection is open', async () => {
    const client = openClient(server.url);
    await Promise.all(everyMode(client));
    const idle = client.sql.begin(async (tx) => {
      await tx`select 1`;
      await wait(600);
      return tx`select 2`;
    });
    const idleOutcome = outcome(idle);
    await server.freeze();
    await expectRefusals(client);
    expect(client.breaker.isAway).toBe(true);
    expect(isStoreUnavailable((await idleOutcome).error)).toBe(true);
    await wait(1_500);
    const { ms } = await outcome(client.sql`select 1`);
    expect(ms).toBeLessThan(50);
    await server.thaw();
    await expectReturn(client);
    expect(client.heard).toEqual(['away', 'back']);
  });

  it('that ends one session is not away', async () => {
    const client = openClient(server.url);
    await Promise.all(everyMode(client));
    const sleeping = outcome(client.sql`select pg_sleep(2)`);
    const ended = outcome(client.sql`/* to be ended */ select pg_sleep(20)`);
    await eventually(async () => {
      const [row] = await admin<{ ended: number }[]>`
        select count(pg_terminate_backend(pid))::int as ended from pg_stat_activity
        where query like '%to be ended%' and pid <> pg_backend_pid() and state = 'active'`;
      expect(row?.ended).toBe(1);
    });
    expect(isStoreUnavailable((await ended).error)).toBe(true);
    expect((await sleeping).error).toBeUndefined();
    expect(client.heard).toEqual([]);
  });

  it('whose statements are slow, time out or wait for locks is not away', async () => {
    const client = openClient(server.url);
    const patient = openDatabase(server.url, {
      connections: 1,
      applicationName: 'breaker-slow',
      statementTimeoutMs: 700,
      breaker: client.breaker,
    });
    const locker = admin.begin(async (tx) => {
      await tx`select from held for update`;
      await wait(2_500);
    });
    await wait(100);
    const slow = outcome(client.sql`select pg_sleep(2.5)`);
    const locked = outcome(
      client.sql.begin(async (tx) => {
        await tx`set local lock_timeout = 900`;
        await tx`select from held for update`;
      }),
    );
    expect(((await outcome(patient`select pg_sleep(5)`)).error as { code: string }).code).toBe('57014');
    expect(((await locked).error as { code: string }).code).toBe('55P03');
    expect((await slow).error).toBeUndefined();
    await locker;
    await patient.end();
    expect(client.heard).toEqual([]);
  });

  it('whose connections are all in use makes callers wait a bounded time, in their order', async () => {
    const client = openClient(server.url, 2);
    const slow = [1, 2].map(() => client.sql`select pg_sleep(7)`);
    const held = Promise.all(slow);
    await wait(50);
    const waiting = await Promise.all([
      outcome(client.sql`select 1`),
      outcome(client.sql.begin((tx) => tx`insert into held values (77)`)),
    ]);
    for (const { error, ms } of waiting) {
      expect((error as { code: string }).code).toBe('STORE_BUSY');
      expect(isStoreUnavailable(error)).toBe(true);
      expect(ms).toBeGreaterThan(4_000);
    }
    await held;
    expect(client.heard).toEqual([]);
    const single = openClient(server.url, 1);
    const order: number[] = [];
    await Promise.all([
      single.sql`select pg_sleep(0.2)`,
      ...[1, 2, 3].map((n) => single.sql`select 1`.then(() => order.push(n))),
    ]);
    expect(order).toEqual([1, 2, 3]);
    // Given up before it began: it must not begin later.
    expect(await client.sql`select from held where id = 77`).toHaveLength(0);
  });

  it('without a connection to spare is not away', async () => {
    const url = new URL(server.url);
    await admin.unsafe('drop role if exists crowded');
    await admin.unsafe("create role crowded login password 'crowded' connection limit 1");
    url.username = 'crowded';
    url.password = 'crowded';
    const client = openClient(url.href, 3);
    const outcomes = await Promise.all([1, 2, 3].map(() => outcome(client.sql`select pg_sleep(0.3)`)));
    const codes = outcomes.map(({ error }) => (error as { code?: string } | undefined)?.code);
    expect(codes.filter((code) => code === '53300')).toHaveLength(2);
    expect(client.heard).toEqual([]);
  });

  it('goes on telling what is listened for', async () => {
    const client = openClient(server.url);
    const told: string[] = [];
    const { unlisten } = await client.sql.listen('channel_of_the_test', (text) => told.push(text));
    await server.stop('immediate');
    await expectRefusals(client);
    await server.start();
    await expectReturn(client);
    await eventually(async () => {
      await admin.notify('channel_of_the_test', 'after').catch(() => undefined);
      expect(told).toContain('after');
    });
    await unlisten();
  });

  it('that became read-only is asked over new connections, for another one may be the primary', async () => {
    const client = openClient(server.url, 1);
    await client.sql`set default_transaction_read_only = on`;
    const { error } = await outcome(client.sql`insert into held values (3)`);
    expect((error as { code: string }).code).toBe('25006');
    expect(isStoreUnavailable(error)).toBe(true);
    expect((await outcome(client.sql`insert into held values (3)`)).error).toBeUndefined();
    expect(client.heard).toEqual([]);
    await client.sql`delete from held where id = 3`;
  });
});

/** As PostgreSQL says it, after it refused TLS: severity, SQLSTATE and words, then the connection ends. */
const refusing = (code: string, message: string) => (socket: Socket) => {
  socket.once('data', () => {
    socket.write('N');
    socket.once('data', () => socket.end(fatal(code, message)));
  });
};

function fatal(code: string, message: string): Buffer {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C${code}\0M${message}\0\0`);
  const head = Buffer.alloc(5);
  head.write('E');
  head.writeInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
}

describe('in place of a server', () => {
  const servers: Server[] = [];
  const sockets = new Set<Socket>();
  const listenWith = async (onConnection: (socket: Socket) => void): Promise<string> => {
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => sockets.delete(socket));
      onConnection(socket);
    });
    servers.push(server);
    const port = await freePort();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    return `postgres://u:p@127.0.0.1:${port}/d`;
  };
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
    for (const socket of sockets) socket.destroy();
  });

  it.each([
    ['nobody listens', async () => `postgres://u:p@127.0.0.1:${await freePort()}/d`],
    ['there is no such name', async () => 'postgres://u:p@no-such-host.invalid/d'],
    ['connections are reset', () => listenWith((socket) => socket.resetAndDestroy())],
    ['connections are closed', () => listenWith((socket) => socket.end())],
    ['nobody answers', () => listenWith(() => undefined)],
    ['a server is starting', () => listenWith(refusing('57P03', 'the database system is starting up'))],
    ['a server shuts down', () => listenWith(refusing('57P01', 'terminating connection'))],
    ['a pooler has no server', () => listenWith(refusing('08P01', 'server_login_failed'))],
  ])('where %s, everybody is refused in time and then at once', async (_name, urlOf) => {
    const client = openClient(await urlOf());
    await expectRefusals(client);
    expect(client.heard).toEqual(['away']);
    for (let time = 0; time < 3; time += 1) {
      const { ms } = await outcome(client.sql`select 1`);
      expect(ms).toBeLessThan(50);
      await wait(200);
    }
    expect(client.heard).toEqual(['away']);
  });

  it.each([
    ['53300', 'sorry, too many clients already'],
    ['28P01', 'password authentication failed for user "u"'],
    ['3D000', 'database "d" does not exist'],
  ])('a server that refuses with %s is asked again each time, for it is there', async (code, message) => {
    const client = openClient(await listenWith(refusing(code, message)));
    await expectRefusals(client);
    expect(((await outcome(client.sql`select 1`)).error as { code: string }).code).toBe(code);
    expect(client.heard).toEqual([]);
  });
});
