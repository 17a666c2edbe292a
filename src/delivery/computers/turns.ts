import { ChurningMap } from '../../churn.ts';
import { monotonicMs } from '../../clock.ts';
import type { JamfClient } from '../../jamf/client.ts';
import type { JamfFailure } from '../../jamf/failure.ts';
import type { Readers } from '../../store/computers/readers.ts';
import type { Sql } from '../../store/database.ts';
import {
  type Instance,
  type InstanceDirectory,
  type InstanceRef,
  instanceKey,
} from '../../store/instances/instance.ts';
import { isReached, type Reach } from '../../store/instances/reach.ts';
import { inScope, type TenantScope } from '../../store/tenant-scope.ts';
import type { Log } from '../../telemetry/log.ts';
import { type Backoff, backoffSeconds } from '../stage/backoff.ts';

/**
 * Polls and reconciliations share this: an instance's turn comes when its row says so, is taken by the process that may
 * read from it, and a few of them run side by side, so that a slow instance stops no other.
 */

export interface FeedOptions {
  readonly sql: Sql;
  readonly scope?: TenantScope | undefined;
  readonly log: Log;
  readonly instances: InstanceDirectory;
  readonly clientOf: (instance: Instance) => JamfClient;
  readonly readers: Readers;
  /** What `readers` reach. */
  readonly reach?: Reach | undefined;
  /** The holder of `readers`: an instance that another process reads from is passed over. */
  readonly holder: string;
  readonly backoff: Backoff;
  /**
   * Failures in a row by feed and instance, of this process only: another one that takes a failing instance over begins
   * with a short wait, once.
   */
  readonly failures: Map<string, number>;
}

/** End of a turn: done, broken off (the next process goes on with its rest), or failed. */
export type TurnEnd = 'done' | 'broken-off' | JamfFailure;

export interface Feed<Row extends InstanceRef> {
  readonly name: 'poll' | 'reconcile' | 'learn';
  readonly atOnce: number;
  /** Instances whose turn it is, that are within reach and that no other process reads from, the longest waiting first. */
  readonly due: (limit: number) => Promise<readonly Row[]>;
  /** `mayGoOn` is to be asked before each request. */
  readonly turn: (row: Row, instance: Instance, mayGoOn: () => Promise<boolean>) => Promise<TurnEnd>;
  /** Puts the instance's next turn off. */
  readonly putOff: (row: Row, error: string, seconds: number) => Promise<void>;
}

export interface FeedRunner {
  /** Starts the turns for which there is room; does not wait for their end. */
  runDue(): Promise<void>;
  /** For how long no turn has been under way, in milliseconds. */
  idleMs(): number;
  /** Starts no more and waits for those under way, which end with the request that they are at. */
  stop(): Promise<void>;
}

/** Anything between nine tenths and eleven tenths: instances that were added together do not stay together. */
export const jittered = (seconds: number): number => seconds * (0.9 + 0.2 * Math.random());

export function runFeed<Row extends InstanceRef>(feed: Feed<Row>, options: FeedOptions): FeedRunner {
  const { backoff, failures, instances, log, readers } = options;
  const failuresKey = (row: Row): string => `${feed.name}/${instanceKey(row)}`;
  const underWay = new ChurningMap<string, Promise<void>>();
  let endedAtMs = monotonicMs();
  let stopped = false;

  const putOff = async (row: Row, error: string, retryAfterSeconds = 0): Promise<void> => {
    const key = failuresKey(row);
    const attempts = (failures.get(key) ?? 0) + 1;
    failures.set(key, attempts);
    const seconds = Math.max(retryAfterSeconds, backoffSeconds(attempts, backoff));
    const { instanceId, tenantId } = row;
    log.warn(`${feed.name}.failed`, { tenantId, instanceId, error, attempts, seconds });
    await feed.putOff(row, error.slice(0, 2_000), seconds);
  };

  const take = async (row: Row): Promise<void> => {
    const { instanceId, tenantId } = row;
    const instance = await instances.instance(tenantId, instanceId);
    if (!instance) return;
    const mayGoOn = async (): Promise<boolean> => {
      if (stopped || !(await readers.hold([row])).has(instanceKey(row))) return false;
      const now = await instances.instance(tenantId, instanceId);
      return now?.enabled === true && !now.paused;
    };
    const end = await feed.turn(row, instance, mayGoOn);
    if (end === 'broken-off') return;
    if (end === 'done') {
      failures.delete(failuresKey(row));
      return;
    }
    const error = `${end.failure}: ${end.detail}`;
    await instances.recordExchange(tenantId, instanceId, error);
    await putOff(row, error, end.retryAfterSeconds);
  };

  const start = (row: Row): void => {
    const key = instanceKey(row);
    const turn = take(row)
      .catch((error: unknown) => putOff(row, String(error)))
      // The database is away: the turn is due as before.
      .catch((error: unknown) => log.warn(`${feed.name}.put-off-failed`, { error }))
      .finally(() => {
        underWay.delete(key);
        endedAtMs = monotonicMs();
      });
    underWay.set(key, turn);
  };

  return {
    runDue: async () => {
      const room = feed.atOnce - underWay.size;
      if (room <= 0 || stopped) return;
      const due = await feed.due(feed.atOnce);
      const waiting = due.filter((row) => !underWay.has(instanceKey(row))).slice(0, room);
      const held = await readers.hold(waiting);
      if (!stopped) for (const row of waiting) if (held.has(instanceKey(row))) start(row);
    },
    idleMs: () => (underWay.size > 0 ? 0 : monotonicMs() - endedAtMs),
    stop: async () => {
      stopped = true;
      await Promise.all(underWay.values());
    },
  };
}

/** The condition on `instance_reading` (alias `r`) under which this process may read from an instance now. */
export const readable = ({ holder, reach, scope, sql }: FeedOptions) => sql`
  ${inScope(sql, scope, sql`r.tenant_id`)} and (r.reader_owner is null or r.reader_owner = ${holder} or r.reader_until < now())
  and exists (
    select 1 from instances i join tenants t on t.tenant_id = i.tenant_id
    where i.tenant_id = r.tenant_id and i.instance_id = r.instance_id and i.enabled and not i.paused
      and t.connection_state <> 'disconnecting' and ${isReached(sql, reach)})`;
