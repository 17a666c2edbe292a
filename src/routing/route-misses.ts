import { LRUCache } from 'lru-cache';
import type { RouteName, RouteReader, VersionedRoute } from './route-reader.ts';

/**
 * Routes that are asked for and not in memory: asked for once however many wait, several in one query, and again when a
 * change of theirs was heard of while the query was under way.
 */
export interface RouteMisses {
  ask(tenantId: string, deviceId: string): Promise<VersionedRoute | undefined>;
  /** Looked for within the last second and not there. */
  isAbsent(tenantId: string, deviceId: string): boolean;
  routeChanged(tenantId: string, deviceId: string): void;
  tenantChanged(tenantId: string): void;
  allChanged(): void;
  /** Whether a change of the tenant's routes matters here. */
  concerns(tenantId: string): boolean;
}

export interface RouteMissesOptions {
  readonly reader: Pick<RouteReader, 'read'>;
  readonly now: () => number;
  /** A route as the database has it, of which no change was heard since it was asked for. */
  readonly found: (name: RouteName, route: VersionedRoute) => void;
}

/** Names in one query: 80 thousand a second come out of 64 (docs/route-cache.md). */
const namesPerQuery = 128;
/** Queries under way, of the process's twenty connections. */
const queriesAtOnce = 4;
/** A stranger with a token may ask for devices that are not there, again and again. */
const absentForMs = 1_000;
const mostAbsent = 50_000;

interface Asked extends RouteName {
  readonly name: string;
  readonly answer: Promise<VersionedRoute | undefined>;
  readonly settle: (route: VersionedRoute | undefined) => void;
  readonly fail: (error: unknown) => void;
  /** A change was heard of since the query under way was sent. */
  again: boolean;
}

export function createRouteMisses({ found, now, reader }: RouteMissesOptions): RouteMisses {
  const asked = new Map<string, Asked>();
  const absent = new LRUCache<string, number>({ max: mostAbsent });
  let waiting: Asked[] = [];
  let queries = 0;
  let scheduled = false;
  const nameOf = (tenantId: string, deviceId: string): string => `${tenantId}/${deviceId}`;

  const finish = (one: Asked, route: VersionedRoute | undefined): void => {
    asked.delete(one.name);
    if (route) found(one, route);
    else absent.set(one.name, now());
    one.settle(route);
  };
  const query = async (batch: readonly Asked[]): Promise<void> => {
    for (const one of batch) one.again = false;
    try {
      const routes = await reader.read(batch);
      for (const [index, one] of batch.entries())
        if (one.again) waiting.push(one);
        else finish(one, routes[index]);
    } catch (error) {
      for (const one of batch) {
        asked.delete(one.name);
        one.fail(error);
      }
    }
  };
  const send = (): void => {
    scheduled = false;
    while (waiting.length > 0 && queries < queriesAtOnce) {
      const batch = waiting.slice(0, namesPerQuery);
      waiting = waiting.slice(namesPerQuery);
      queries += 1;
      void query(batch).finally(() => {
        queries -= 1;
        send();
      });
    }
  };
  /** Who misses in the same turn of the loop shares a query. */
  const schedule = (): void => {
    if (scheduled) return;
    scheduled = true;
    queueMicrotask(send);
  };
  return {
    ask: (tenantId, deviceId) => {
      const name = nameOf(tenantId, deviceId);
      const underWay = asked.get(name);
      if (underWay) return underWay.answer;
      const { promise, reject, resolve } = Promise.withResolvers<VersionedRoute | undefined>();
      const one: Asked = {
        tenantId,
        deviceId,
        name,
        answer: promise,
        settle: resolve,
        fail: reject,
        again: false,
      };
      asked.set(name, one);
      waiting.push(one);
      schedule();
      return promise;
    },
    isAbsent: (tenantId, deviceId) => {
      const atMs = absent.get(nameOf(tenantId, deviceId));
      return atMs !== undefined && now() - atMs < absentForMs;
    },
    routeChanged: (tenantId, deviceId) => {
      const name = nameOf(tenantId, deviceId);
      absent.delete(name);
      const underWay = asked.get(name);
      if (underWay) underWay.again = true;
    },
    tenantChanged: (tenantId) => {
      // Rare, and after it the tenant's routes are asked for anew anyhow.
      absent.clear();
      for (const underWay of asked.values()) if (underWay.tenantId === tenantId) underWay.again = true;
    },
    allChanged: () => {
      absent.clear();
      for (const underWay of asked.values()) underWay.again = true;
    },
    concerns: (tenantId) => {
      if (absent.size > 0) return true;
      for (const underWay of asked.values()) if (underWay.tenantId === tenantId) return true;
      return false;
    },
  };
}
