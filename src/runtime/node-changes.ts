/**
 * Hearing of changes in this process: polls the feed in time, keeps what is remembered true by it, preloads the
 * routes, and reports to the others how far this process is.
 */

import { hostname } from 'node:os';
import { within } from '../deadline.ts';
import { newId } from '../ids.ts';
import type { PackedRouteLookup } from '../routing/lookup.ts';
import { countRoutes, preloadRoutes } from '../routing/preload.ts';
import { RouteCache } from '../routing/route-cache.ts';
import { createRouteReader } from '../routing/route-reader.ts';
import type { Breaker } from '../store/breaker.ts';
import { type ChangeFeed, createChangeFeed, type Poll } from '../store/change-feed.ts';
import { createChangeSource, listenToChanges, notifyOfChanges } from '../store/change-source.ts';
import { openDatabase, type Sql } from '../store/database.ts';
import { recordProcess, removeProcess } from '../store/gateway-processes.ts';
import type { InstanceDirectory } from '../store/instances/instance.ts';
import { type Assignments, createAssignments } from '../store/operators.ts';
import type { CachePolicy } from '../store/row-cache.ts';
import type { TenantDirectory } from '../store/tenants/tenant.ts';
import type { Log } from '../telemetry/log.ts';
import type { Config } from './config.ts';

const pollMs = 500;
/** Many notifications in a row become one poll. */
const pollNotSoonerMs = 50;
/** A poll that hangs for longer is given up with its connection. */
const pollTimeoutMs = 5_000;
const notifyAfterMs = 30;
const pruneEveryMs = 60_000;
const recordMs = 1_000;
/** Seen by others at least this often. */
const recordEveryMs = 5_000;
const preloadAgainMs = 10_000;
/** The bindings of operators, which the feed does not tell of: a few rows. */
const assignmentsMs = 2_000;
const preloadStatementMs = 15 * 60_000;

export interface ChangesParts {
  readonly url: string;
  readonly sql: Sql;
  readonly breaker: Breaker;
  readonly log: Log;
  readonly config: Pick<Config, 'routeCacheEntries' | 'routePreload' | 'snapshotMaxAgeSeconds'>;
  readonly onLookup: (result: 'hit' | 'miss' | 'unknown') => void;
  /** False for a process that answers no device calls: it neither preloads nor counts among those that do. */
  readonly serves: boolean;
}

export interface NodeChanges {
  readonly feed: ChangeFeed;
  readonly policy: CachePolicy;
  readonly routes: PackedRouteLookup & Pick<RouteCache, 'outageSize' | 'snapshot'>;
  /** The bindings of Entra's operators, for when the database cannot be asked. */
  readonly assignments: Assignments;
  /** Routes were written and committed by this process: the others are notified soon. */
  readonly routesChanged: () => void;
  /** Age of what is served from memory while the database does not answer; undefined: nothing can be served. */
  readonly degradedSeconds: () => number | undefined;
  /**
   * Milliseconds since all that this process remembers was last known to be current; undefined: that is not known now, or
   * not everything was read yet.
   */
  readonly knownForMs: () => number | undefined;
  start(listeners: {
    readonly tenants: TenantDirectory;
    readonly instances: InstanceDirectory;
    /** A move began, ended or was changed. */
    readonly onMove: () => void;
  }): void;
  stop(): Promise<void>;
  /** Its client, whose connection nobody waits for; another one after an outage. */
  readonly client: () => Sql;
  /** Lets operators see that this process still serves, and soon will not. */
  readonly tellDraining: () => void;
}

/** A clock that does not jump when somebody sets the machine's. */
const now = (): number => performance.now();

/** A client of its own, so that a poll waits for nobody; made anew when it hangs or after the database was away. */
function createListening(parts: ChangesParts, wake: () => void) {
  const { breaker } = parts;
  const open = (): Sql =>
    openDatabase(parts.url, { connections: 1, applicationName: 'espalier-changes', breaker });
  let sql = open();
  let source = createChangeSource(sql);
  let listening = false;
  const discard = (): void => {
    const old = sql;
    sql = open();
    source = createChangeSource(sql);
    listening = false;
    old.end({ timeout: 0 }).catch((error: unknown) => parts.log.debug('changes.closing', { error }));
  };
  return {
    source: {
      poll: async (since: string | undefined, max: number): Promise<Poll> => {
        try {
          const found = await within(source.poll(since, max), pollTimeoutMs, () => {
            throw new Error('the poll took too long');
          });
          if (!listening) {
            listening = true;
            listenToChanges(sql, wake).catch((error: unknown) =>
              parts.log.debug('changes.not-listening', { error }),
            );
          }
          return found;
        } catch (error) {
          discard();
          throw error;
        }
      },
      prune: (seenBy: string | undefined) => createChangeSource(parts.sql).prune(seenBy),
    },
    client: () => sql,
    close: () => sql.end({ timeout: 1 }),
  };
}

/** Reads all tenants and instances in the background, again whenever everything was forgotten. */
function createRowPreloading({ log, serves }: ChangesParts, feed: ChangeFeed) {
  let directories: readonly Pick<TenantDirectory, 'preload' | 'unreadForMs'>[] = [];
  let due = serves;
  let running: Promise<void> | undefined;
  let notBeforeMs = 0;
  const preload = async (): Promise<void> => {
    for (const directory of directories) await directory.preload();
  };
  return {
    of: (...preloaded: typeof directories): void => {
      directories = preloaded;
    },
    /** True once all were read since the last time that everything was forgotten. */
    isDone: (): boolean => !due && running === undefined,
    unreadForMs: (): number => Math.max(0, ...directories.map((directory) => directory.unreadForMs())),
    /** Called after a poll. */
    turn: (): void => {
      if (!due || running || !feed.started || now() < notBeforeMs) return;
      due = false;
      running = preload()
        .catch((error: unknown) => {
          due = true;
          notBeforeMs = now() + preloadAgainMs;
          log.warn('rows.preload-failed', { error });
        })
        .finally(() => {
          running = undefined;
        });
    },
    again: (): void => {
      due = serves;
    },
    stop: async (): Promise<void> => {
      due = false;
      await running;
    },
  };
}

/** Fills the cache in the background, again whenever everything was forgotten. */
function createPreloading(parts: ChangesParts, cache: RouteCache, feed: ChangeFeed) {
  const { breaker, config, log, url } = parts;
  const wanted = parts.serves && config.routePreload === 'auto' && config.routeCacheEntries > 0;
  let due = wanted;
  let notBeforeMs = 0;
  let running: Promise<void> | undefined;
  let stopping = false;

  const preload = async (): Promise<void> => {
    const sql = openDatabase(url, {
      connections: 1,
      applicationName: 'espalier-preload',
      statementTimeoutMs: preloadStatementMs,
      breaker,
    });
    const beganMs = now();
    try {
      const count = await countRoutes(sql, config.routeCacheEntries + 1);
      if (count > config.routeCacheEntries) {
        const reason = "more than this process's part of ESPALIER_ROUTE_CACHE_ENTRIES";
        log.info('routes.not-preloaded', { reason, entries: config.routeCacheEntries });
        return;
      }
      const preloading = cache.beginPreload(await createRouteReader(sql).births(), count);
      try {
        const routes = await preloadRoutes(sql, (...route) => preloading.take(...route), {
          stopped: () => stopping || preloading.stopped,
        });
        log.info('routes.preloaded', { routes, seconds: Math.round(now() - beganMs) / 1_000 });
      } finally {
        preloading.end();
      }
    } finally {
      sql.end({ timeout: 0 }).catch((error: unknown) => log.debug('routes.preload-closing', { error }));
    }
  };
  return {
    /** Nothing is to be read, or all was. */
    isDone: (): boolean => !due && running === undefined,
    /** Called after a poll. */
    turn: (): void => {
      if (!due || running || stopping || !feed.started || now() < notBeforeMs) return;
      due = false;
      running = preload()
        .catch((error: unknown) => {
          due = true;
          notBeforeMs = now() + preloadAgainMs;
          if (!stopping) log.warn('routes.preload-failed', { error });
        })
        .finally(() => {
          running = undefined;
        });
    },
    again: (): void => {
      due = wanted;
    },
    stop: async (): Promise<void> => {
      stopping = true;
      await running;
    },
  };
}

/** This process's line for `routes/convergence`. */
function createProcessRecorder(parts: ChangesParts, cache: RouteCache, feed: ChangeFeed) {
  const processId = newId();
  let name = `${hostname()}/${process.pid}`;
  let noted = { heard: -1, atMs: Number.NEGATIVE_INFINITY };
  return {
    turn: async (): Promise<void> => {
      const { heard, position } = feed;
      if (!parts.serves || position === undefined) return;
      if (heard === noted.heard && now() - noted.atMs < recordEveryMs) return;
      noted = { heard, atMs: now() };
      await recordProcess(parts.sql, {
        ...{ processId, name },
        snapshot: position.snapshot,
        cachedRoutes: cache.size,
      });
    },
    tellDraining: (): void => {
      name = `${name} (draining)`;
      noted = { heard: noted.heard, atMs: Number.NEGATIVE_INFINITY };
    },
    stop: async (): Promise<void> => {
      if (parts.serves && noted.heard >= 0) await removeProcess(parts.sql, processId);
    },
  };
}

/** Runs `work` again and again, `ms` after it ended; `hurry` makes the next turn sooner. */
function repeat(ms: number, work: () => Promise<void>) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let running: Promise<void> | undefined;
  let hurried = false;
  let stopped = false;
  const schedule = (inMs: number): void => {
    clearTimeout(timer);
    if (!stopped) timer = setTimeout(run, inMs);
  };
  const run = (): void => {
    hurried = false;
    running = work().finally(() => {
      running = undefined;
      schedule(hurried ? pollNotSoonerMs : ms);
    });
  };
  schedule(0);
  return {
    hurry: (): void => {
      if (hurried) return;
      hurried = true;
      if (!running) schedule(pollNotSoonerMs);
    },
    stop: async (): Promise<void> => {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}

/** Notifies the others that routes changed: many changes in one notification, beside their transactions (design D3). */
function createNotifying(sql: Sql, log: Log) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const notify = (): void => {
    timer = undefined;
    notifyOfChanges(sql).catch((error: unknown) => log.debug('changes.not-told', { error }));
  };
  return {
    soon: (): void => {
      timer ??= setTimeout(notify, notifyAfterMs);
    },
    stop: (): void => clearTimeout(timer),
  };
}

export function createNodeChanges(parts: ChangesParts): NodeChanges {
  const { config, log, sql } = parts;
  const maxAgeMs = config.snapshotMaxAgeSeconds * 1_000;
  let hurry: () => void = () => undefined;
  const listening = createListening(parts, () => hurry());
  const feed = createChangeFeed({ source: listening.source, log, now });
  const cache = new RouteCache({
    reader: createRouteReader(sql),
    feed,
    entries: parts.serves ? config.routeCacheEntries : 0,
    maxAgeMs,
    isAway: () => parts.breaker.isAway,
    now,
    onLookup: parts.onLookup,
  });
  const preloading = createPreloading(parts, cache, feed);
  const rows = createRowPreloading(parts, feed);
  const assignments = createAssignments(sql);
  const recording = createProcessRecorder(parts, cache, feed);
  const notifying = createNotifying(sql, log);
  let quiet = false;
  const poll = async (): Promise<void> => {
    try {
      await feed.poll();
      if (quiet) log.info('changes.heard-again');
      quiet = false;
      rows.turn();
      preloading.turn();
      cache.sweep();
    } catch (error) {
      if (!quiet) log.warn('changes.not-heard', { error });
      quiet = true;
    }
  };
  const turning = (name: string, work: () => Promise<void>) => () =>
    work().catch((error: unknown) => log.debug(`${name}.failed`, { error }));
  let loops: readonly { readonly stop: () => Promise<void> }[] = [];
  return {
    feed,
    policy: { feed, maxAgeMs, isAway: () => parts.breaker.isAway },
    routes: cache,
    assignments,
    routesChanged: notifying.soon,
    client: listening.client,
    tellDraining: recording.tellDraining,
    degradedSeconds: () => {
      const silentMs = feed.silentMs();
      const serves = cache.servesOutage || feed.isResumed;
      return serves && silentMs < maxAgeMs ? silentMs / 1_000 : undefined;
    },
    knownForMs: () =>
      !parts.breaker.isAway && rows.isDone() && preloading.isDone()
        ? Math.max(feed.silentMs(), rows.unreadForMs(), assignments.readForMs())
        : undefined,
    start: ({ instances, onMove, tenants }) => {
      rows.of(tenants, instances);
      feed.subscribe({
        apply: (changes) => {
          for (const change of changes) {
            if (change.kind === 'tenant') tenants.forget(change.tenantId);
            if (change.kind === 'move') onMove();
            if (change.kind === 'instance') instances.forget(change.tenantId, change.instanceId);
          }
        },
        forget: () => {
          tenants.forgetAll();
          instances.forgetAll();
          rows.again();
          preloading.again();
        },
      });
      feed.subscribe(cache.listener);
      const polling = repeat(pollMs, poll);
      hurry = polling.hurry;
      loops = [
        polling,
        repeat(recordMs, turning('processes', recording.turn)),
        repeat(pruneEveryMs, turning('changes.prune', feed.prune)),
        ...(parts.serves ? [repeat(assignmentsMs, turning('assignments', assignments.read))] : []),
      ];
    },
    stop: async () => {
      notifying.stop();
      await Promise.all([...loops.map((loop) => loop.stop()), preloading.stop(), rows.stop()]);
      await recording.stop().catch((error: unknown) => log.debug('processes.not-removed', { error }));
      await listening.close();
    },
  };
}
