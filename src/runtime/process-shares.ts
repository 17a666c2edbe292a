/** How many processes `serve` has on a machine, and what each of them has of the machine's limits (docs/processes.md). */

import { minDatabaseConnections } from '../store/connection-budget.ts';
import type { Config } from './config.ts';

/** Below this the one core that is left to a database, a balancer and the system would be missed. */
const coresForSeveral = 4;

/** With the embedded database there is one process, for that is a server of its own on the same cores. */
export function countProcesses(config: Pick<Config, 'databaseUrl' | 'processes'>, cores: number): number {
  if (config.databaseUrl === undefined) return 1;
  if (config.processes !== 'auto') return config.processes;
  return cores < coresForSeveral ? 1 : cores - 1;
}

type Shared = Pick<Config, 'connections' | 'connectionsPerAddress' | 'databaseConnections' | 'routeCacheEntries'>;

/** Rounded up: a limit below the number of processes leaves each of them one. */
export const partOfMachine = (limit: number, processes: number): number => Math.ceil(limit / processes);

/** Connections to the database that each of the processes may open. */
export const databaseConnectionsOf = (connections: number, processes: number): number =>
  Math.max(minDatabaseConnections, Math.floor(connections / processes));

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
