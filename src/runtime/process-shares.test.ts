import { describe, expect, it } from 'vitest';
import { loadConfig } from './config.ts';
import { countProcesses, shareOfMachine } from './process-shares.ts';

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
      connections: 3_334,
      connectionsPerAddress: 1_334,
      databaseConnections: 20,
      routeCacheEntries: 333_334,
    }));
  it('is never less than what a process needs', () =>
    expect(
      shareOfMachine(
        { connections: 1, connectionsPerAddress: 1, databaseConnections: 24, routeCacheEntries: 0 },
        8,
      ),
    ).toEqual({ connections: 1, connectionsPerAddress: 1, databaseConnections: 16, routeCacheEntries: 0 }));
});
