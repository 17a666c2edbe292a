import { exportsAtOnce, importsAtOnce } from '../limits.ts';

/**
 * Shares ESPALIER_DATABASE_CONNECTIONS, the number of connections that one process may open, among its database
 * clients. docs/settings.md has the same table.
 */
export interface ConnectionBudget {
  /** Intake, calls, delivery: whatever waits for the disk. */
  readonly durable: number;
  /** The admin API: it does not wait for customers' requests, nor they for a list. */
  readonly operators: number;
  /** Connections for delivery's writes that need not wait for the disk. */
  readonly relaxed: number;
  /** At the same time, each with a connection of its own. */
  readonly imports: number;
  readonly exports: number;
}

/** One that watches whether the database is there, two that look for changes and hear of them, one that hears of work. */
const watching = 4;
/** One fills the cache of routes after a start. */
const filling = 1;
/** For the clients, so that each has one and the intake leaves one to others. */
const minOfClients = 5;
/** One part in so many of what is left is the relaxed client's. */
const relaxedShare = 5;
const operatorsShare = 6;

/** With one import and one export at a time. */
export const minDatabaseConnections = watching + filling + 2 + minOfClients;
/** Four processes fit into the 97 connections that PostgreSQL's own default leaves to ordinary roles. */
export const defaultDatabaseConnections = 24;

export function connectionBudget(connections: number): ConnectionBudget {
  const spare = connections - minDatabaseConnections;
  const exports = Math.min(exportsAtOnce, 1 + spare);
  const imports = Math.min(importsAtOnce, 1 + Math.max(0, spare - (exports - 1)));
  const left = connections - watching - filling - imports - exports;
  const relaxed = Math.max(1, Math.round(left / relaxedShare));
  const operators = Math.max(1, Math.round(left / operatorsShare));
  return { durable: left - relaxed - operators, exports, imports, operators, relaxed };
}

/** One part in so many of the durable client is left to look-ups of keys and to delivery, whatever instances send. */
const othersShare = 4;
/** One part in so many of the intake's is for tenants whose rows are locked: each may hold a connection while it waits. */
const apartShare = 3;

/** The most of the durable client's connections that webhooks and pushes of all tenants hold at the same time. */
export interface IntakeConnections {
  readonly shared: number;
  /** Those of tenants whose rows are locked. */
  readonly apart: number;
}

export function intakeConnections(durable: number): IntakeConnections {
  const most = durable - Math.ceil(durable / othersShare);
  const apart = Math.max(1, Math.floor(most / apartShare));
  return { shared: Math.max(1, most - apart), apart };
}
