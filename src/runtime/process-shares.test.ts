import { describe, expect, it } from 'vitest';
import { loadConfig } from './config.ts';
import {
  connectionsProblem,
  countProcesses,
  databaseConnectionsOf,
  shareOfMachine,
} from './process-shares.ts';

const load = (environment: Record<string, string>) => loadConfig({ environment, readFile: () => '' });
const database = {
  DATABASE_URL: 'postgres://db.example.com/espalier',
  ESPALIER_SECRETS_KEY: Buffer.alloc(32, 7).toString('base64'),
};

describe('the number of processes', () => {
  it.each([
    [{ ...database }, 1, 1],
    [{ ...database }, 3, 1],
    [{ ...database }, 4, 3],
    [{ ...database }, 16, 15],
    [{ ...database, ESPALIER_PROCESSES: 'auto' }, 8, 7],
    [{ ...database, ESPALIER_PROCESSES: '2' }, 1, 2],
    [{ ...database, ESPALIER_DATABASE_CONNECTIONS: '24' }, 16, 2],
    [{ ...database, ESPALIER_DATABASE_CONNECTIONS: '12' }, 16, 1],
    [{ ...database, ESPALIER_DATABASE_CONNECTIONS: '48' }, 4, 3],
    [{}, 16, 1],
    [{ ESPALIER_PROCESSES: '4' }, 16, 1],
  ])('of %o on %i cores is %i', async (environment, cores, processes) => {
    const read = await load(environment);
    expect(read.ok && countProcesses(read.config, cores)).toBe(processes);
  });

  it.each(['0', '1.5', '65', 'all', '-1'])('is not %s, which one line says', async (value) => {
    const read = await load({ ...database, ESPALIER_PROCESSES: value });
    expect(read).toMatchObject({
      ok: false,
      faults: [
        {
          variable: 'ESPALIER_PROCESSES',
          problem: `'${value}' is neither 'auto' nor a whole number from 1 to 64`,
          example: '3',
        },
      ],
    });
  });
});

describe('connections to the database', () => {
  it('that are too few for so many processes stop the start, which one line says', async () => {
    const read = await load({
      ...database,
      ESPALIER_PROCESSES: '3',
      ESPALIER_DATABASE_CONNECTIONS: '35',
    });
    expect(read).toMatchObject({
      ok: false,
      faults: [
        {
          variable: 'ESPALIER_DATABASE_CONNECTIONS',
          problem: "'35' are too few for 3 processes (ESPALIER_PROCESSES): each needs 12",
          example: '36',
        },
      ],
    });
  });

  it('that became too few for the processes that are there are said to be', () => {
    expect(connectionsProblem(24, 3)).toContain("'24' are too few for 3 processes");
    expect([connectionsProblem(24, 2), connectionsProblem(undefined, 64)]).toEqual([undefined, undefined]);
  });

  it.each([
    [undefined, 1, 24],
    [undefined, 2, 12],
    [undefined, 7, 12],
    [36, 3, 12],
    [100, 3, 33],
    [12, 1, 12],
  ])('of which %s are allowed for %i processes are %i for each', (connections, processes, each) =>
    expect(databaseConnectionsOf(connections, processes)).toBe(each),
  );
});

describe('the share of a process', () => {
  const machine = {
    connections: 10_000,
    connectionsPerAddress: 4_000,
    databaseConnections: 60,
    routeCacheEntries: 1_000_000,
  };
  it('is the whole for one', () => expect(shareOfMachine(machine, 1)).toEqual(machine));
  it('is an equal part for each of several', () =>
    expect(shareOfMachine(machine, 3)).toEqual({
      connections: 3_333,
      connectionsPerAddress: 1_333,
      databaseConnections: 20,
      routeCacheEntries: 333_333,
    }));
  it('is never less than what a process needs', () =>
    expect(
      shareOfMachine(
        { connections: 1, connectionsPerAddress: 1, databaseConnections: undefined, routeCacheEntries: 0 },
        8,
      ),
    ).toEqual({ connections: 1, connectionsPerAddress: 1, databaseConnections: 12, routeCacheEntries: 0 }));
});
