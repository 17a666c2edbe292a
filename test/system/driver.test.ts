import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import postgres from 'postgres';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createAuthority } from '../../src/simulator/authority.ts';
import { openDatabase, type Sql } from '../../src/store/database.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { type DatabaseDoor, openDoor, showing } from '../harness/database-door.ts';
import { eventually } from '../harness/eventually.ts';

/** A query that meets a dying connection may fail once; it must not hang, or fail for ever. */
const again = async <T>(query: () => PromiseLike<T>): Promise<T> => {
  for (let turn = 0; ; turn += 1) {
    try {
      return await query();
    } catch (error) {
      if (turn >= 20) throw error;
    }
  }
};

/** What patches/ changes in the driver (docs/upstream/postgres.md): a restart must neither end the process nor mix transactions. */
describe('the database client', () => {
  let database: TestDatabase;
  let sql: Sql;
  beforeAll(async () => {
    database = await createTestDatabase();
    sql = openDatabase(database.url, { connections: 1, applicationName: 'store-test' });
    await sql`create table written (what text)`;
  });
  afterAll(async () => {
    await sql.end({ timeout: 1 });
    await database.drop();
  });

  const cut = (): Promise<unknown> => database.sql`
    select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'store-test'`;

  it('runs nothing of a transaction whose connection was lost on the connection that follows', async () => {
    let rest: Promise<unknown> = Promise.resolve();
    const lost = sql.begin((tx) => {
      rest = (async () => {
        await tx`insert into written values ('before')`;
        await cut();
        await tx`select 1`.catch(() => undefined);
        // The one connection of this client is a new one by now, and another's.
        await again(() => sql`insert into written values ('another')`);
        await tx`insert into written values ('after')`;
      })();
      return rest;
    });
    await expect(lost).rejects.toThrow(/CONNECTION_CLOSED|terminating/);
    await expect(rest).rejects.toThrow(/CONNECTION_CLOSED|terminating/);
    expect(await sql`select what from written order by what`).toEqual([{ what: 'another' }]);
  });

  it('leaves nothing of a query in the old generation', () => {
    const program = join(import.meta.dirname, 'young-closures.ts');
    const found = execFileSync(process.execPath, ['--allow-natives-syntax', program, database.url], {
      encoding: 'utf8',
    });
    expect(JSON.parse(found)).toEqual({ asMade: [true, true], asSent: [true, true], inTransaction: true });
  });

  it('writes again after a connection that was lost while it was about to write', async () => {
    for (let turn = 0; turn < 20; turn += 1) {
      const queries = Promise.allSettled(Array.from({ length: 5 }, () => sql`select 1`));
      await cut();
      await queries;
    }
    expect(await again(() => sql`select 1 as one`)).toEqual([{ one: 1 }]);
  });

  it('answers an error, and lives on, when a lost connection is asked', async () => {
    const reserved = await sql.reserve();
    await cut();
    await expect(reserved`select pg_sleep(0.2)`).rejects.toThrow();
    await expect(reserved`select 1`).rejects.toThrow();
    await Promise.all([1, 2, 3].map(() => again(() => sql`select 1`)));
    expect(await again(() => sql`select 1 as one`)).toEqual([{ one: 1 }]);
  });
});

/** Messages of PostgreSQL's protocol 3 from a server. */
function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(body.byteLength + 4, 1);
  return Buffer.concat([head, body]);
}
const authenticated = message('R', Buffer.alloc(4));
const ready = message('Z', Buffer.from('I'));
const parameter = (name: string, value: string): Buffer => message('S', Buffer.from(`${name}\0${value}\0`));

/** Lets everybody in, and leaves what comes after that to `next`. */
const admitting =
  (next: (socket: Socket) => void, parameters: readonly Buffer[] = []) =>
  (socket: Socket): void => {
    socket.once('data', () => {
      socket.write(Buffer.concat([authenticated, ...parameters, ready]));
      socket.once('data', () => next(socket));
    });
  };

describe('the driver and a server that misbehaves', () => {
  let database: TestDatabase;
  let first: DatabaseDoor;
  let second: DatabaseDoor;
  const clients: { end(options: { timeout: number }): Promise<void> }[] = [];
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());
  beforeEach(async () => {
    first = await openDoor();
    second = await openDoor();
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.end({ timeout: 0 })));
    await Promise.all([first.close(), second.close()]);
  });

  /** A client of these doors, tried in their order. */
  function open(doors: readonly DatabaseDoor[], parameters = 'sslmode=disable', connections = 1): Sql {
    const url = new URL(database.url);
    const sql = openDatabase(
      `postgres://${url.username}:${url.password}@${doors.map(({ port }) => `127.0.0.1:${port}`).join(',')}${url.pathname}?${parameters}`,
      { connections, applicationName: 'driver-test', connectTimeoutSeconds: 1 },
    );
    clients.push(sql);
    return sql;
  }

  it('tells its callers when each new connection is closed', async () => {
    await first.meetBy((socket) => socket.once('data', () => socket.destroy()));
    await expect(open([first])`select 1`).rejects.toThrow('CONNECTION_CLOSED');
  });

  it('answers what is asked between the error and the close of a connection', async () => {
    await first.leadTo(database.url);
    const sql = open([first]);
    await sql`select 1`;
    const lost = sql`select pg_sleep(5)`.catch(() => Promise.allSettled([sql`select 1`, sql`select 2`]));
    await eventually(async () => {
      const [row] = await database.sql`
        select count(*)::int as asleep from pg_stat_activity where application_name = 'driver-test' and wait_event = 'PgSleep'`;
      expect(row?.asleep).toBe(1);
    });
    await first.reset();
    expect(await lost).toHaveLength(2);
  });

  it('lives on when a connection closes while it asks for the types of arrays', async () => {
    await first.meetBy(admitting((socket) => socket.destroy()));
    // As Workers do: nothing else is asked before the types are.
    const sql = postgres({ host: '127.0.0.1', port: first.port, ssl: false, max: 1, connect_timeout: 1 });
    clients.push(sql);
    await expect(sql`select 1`).rejects.toThrow('CONNECTION_CLOSED');
  });

  it('tries the next host when one is silent', async () => {
    await first.meetBy(() => undefined);
    await second.leadTo(database.url);
    expect(await open([first, second])`select 1 as one`).toEqual([{ one: 1 }]);
  });

  it('tells its callers when all hosts are away, again and again', async () => {
    await Promise.all([first.close(), second.close()]);
    const sql = open([first, second]);
    await expect(sql`select 1`).rejects.toThrow('ECONNREFUSED');
    await expect(sql`select 1`).rejects.toThrow('ECONNREFUSED');
  });

  it('begins with the first host at each new connection', async () => {
    let met = 0;
    await first.leadTo(database.url);
    await second.meetBy((socket) => {
      met += 1;
      socket.destroy();
    });
    const sql = open([first, second]);
    await sql`select 1`;
    await first.leadTo(database.url);
    // The client has seen the close before it is asked.
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await again(() => sql`select 1 as one`)).toEqual([{ one: 1 }]);
    expect(met).toBe(0);
  });

  it('passes over a standby where it has to write', async () => {
    const standby = [parameter('default_transaction_read_only', 'off'), parameter('in_hot_standby', 'on')];
    await first.meetBy(admitting(() => undefined, standby));
    await second.leadTo(database.url);
    expect(await open([first, second])`select 1 as one`).toEqual([{ one: 1 }]);
  }, 10_000);

  it('writes on a new connection what was about to be written when the old one closed', async () => {
    await first.leadTo(database.url);
    const sql = open([first], 'sslmode=disable', 4);
    const codes = new Set<string>();
    const noted = (query: PromiseLike<unknown>): PromiseLike<unknown> =>
      query.then(undefined, (error: { code: string }) => codes.add(error.code));
    for (let turn = 0; turn < 20; turn += 1) {
      await Promise.all([1, 2, 3, 4].map(() => noted(sql`select pg_sleep(0.01)`)));
      const asleep = sql`select pg_sleep(5)`.catch(() => noted(sql`select 1`));
      await noted(sql`select 1`);
      await first.leadTo(database.url);
      await asleep;
    }
    // A connection that never writes again is given up by this.
    expect([...codes]).not.toContain('CONNECT_TIMEOUT');
  });

  it('compares a certificate with the address where the host is one', async () => {
    const authority = await createAuthority();
    await first.meetBy(showing(await authority.issue(['127.0.0.1'])));
    const file = join(mkdtempSync(join(tmpdir(), 'espalier-driver-')), 'ca.pem');
    writeFileSync(file, authority.certificatePem);
    // TLS stands; the server says nothing more.
    await expect(open([first], `sslmode=verify-full&sslrootcert=${file}`)`select 1`).rejects.toThrow(
      'CONNECT_TIMEOUT',
    );
    rmSync(dirname(file), { recursive: true });
  });

  it('takes nothing that a server says in clear after its consent to TLS', async () => {
    await first.meetBy((socket) => socket.once('data', () => socket.write(Buffer.from('Sinjected'))));
    await expect(open([first], 'sslmode=require')`select 1`).rejects.toThrow('does not offer TLS');
  });

  it('says so when a server does not offer the TLS that was asked for', async () => {
    await first.meetBy((socket) => socket.once('data', () => socket.write('N')));
    await expect(open([first], 'sslmode=require')`select 1`).rejects.toThrow('does not offer TLS');
  });
});
