/** How many processes `serve` has on a machine, and what each of them has of the machine's limits (docs/processes.md). */

import { defaultDatabaseConnections, minDatabaseConnections } from '../store/connection-budget.ts';
import { type Settings, settings } from './settings.ts';

/** Below this the one core that is left to a database, a balancer and the system would be missed. */
const coresForSeveral = 4;

/**
 * With the embedded database there is one process, for that is a server of its own on the same cores. Where the number is left
 * to Espalier, there are no more than the connections to the database suffice for.
 */
export function countProcesses(
  config: Pick<Settings, 'databaseConnections' | 'databaseUrl' | 'processes'>,
  cores: number,
): number {
  if (config.databaseUrl === undefined) return 1;
  if (config.processes !== 'auto') return config.processes;
  if (cores < coresForSeveral) return 1;
  const { databaseConnections = Number.POSITIVE_INFINITY } = config;
  return Math.min(cores - 1, Math.floor(databaseConnections / minDatabaseConnections));
}

type Shared = Pick<
  Settings,
  'connections' | 'connectionsPerAddress' | 'databaseConnections' | 'routeCacheEntries'
>;

/** A limit below the number of processes leaves each of them one; 0 is none. */
export const partOfMachine = (limit: number, processes: number): number =>
  Math.max(Math.min(1, limit), Math.floor(limit / processes));

/** Connections to the database that each of the processes may open; undefined: the setting is unset. */
export const databaseConnectionsOf = (connections: number | undefined, processes: number): number =>
  Math.floor(
    (connections ?? Math.max(defaultDatabaseConnections, processes * minDatabaseConnections)) / processes,
  );

/**
 * Says what is wrong with a number of connections that does not suffice for so many processes. It is asked at a start, and by a
 * process that takes the place of another one, for the number may have become smaller while that of processes stays.
 */
export const connectionsProblem = (connections: number | undefined, processes: number): string | undefined =>
  databaseConnectionsOf(connections, processes) >= minDatabaseConnections
    ? undefined
    : `'${connections}' are too few for ${processes} processes (${settings.processes.name}): each needs ${minDatabaseConnections}`;

/**
 * The configuration of one of several processes. Connections are given to the processes in turn, so equal parts are what an
 * address has anyway.
 */
export function shareOfMachine<T extends Shared>(config: T, processes: number): T {
  if (processes === 1) return config;
  return {
    ...config,
    connections: partOfMachine(config.connections, processes),
    connectionsPerAddress: partOfMachine(config.connectionsPerAddress, processes),
    databaseConnections: databaseConnectionsOf(config.databaseConnections, processes),
    routeCacheEntries: partOfMachine(config.routeCacheEntries, processes),
  };
}
