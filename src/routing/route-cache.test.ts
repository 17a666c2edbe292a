import { describe, expect, it } from 'vitest';
import type { Change } from '../store/change-feed.ts';
import { readGuid } from './guid-words.ts';
import { maxChangesPerTenant, RouteCache } from './route-cache.ts';
import type { RouteChange, RouteName, RouteReader, VersionedRoute } from './route-reader.ts';
import { routeKey } from './route-table.ts';

const id = (kind: number, number: number): string =>
  `${String(kind).padStart(8, '0')}-0000-4000-8000-${String(number).padStart(12, '0')}`;
const [tenant, neighbour] = [id(1, 1), id(1, 2)];
const device = (number: number): string => id(2, number);
const route = (number: number, version = number): VersionedRoute => ({
  instanceId: id(3, number),
  jamfComputerId: number,
  version,
  bornAtMs: 1,
});
const target = (number: number) => ({ instanceId: id(3, number), jamfComputerId: number });

/** The cache between a feed that is told what to say and a database whose answers wait to be let go. */
function scene(entries = 1_000) {
  const routes = new Map<string, VersionedRoute>();
  const history: RouteChange[] = [];
  const asked: (readonly RouteName[])[] = [];
  const results: string[] = [];
  const state = { nowMs: 0, silentMs: 0, started: true, away: false };
  let barrier: Promise<void> = Promise.resolve();
  const reader: RouteReader = {
    read: async (names) => {
      asked.push(names);
      if (state.away) throw new Error('away');
      const answer = names.map(({ deviceId, tenantId }) => routes.get(`${tenantId}/${deviceId}`));
      await barrier;
      return answer;
    },
    births: async () =>
      new Map([
        [tenant, 1],
        [neighbour, 1],
      ]),
    changes: async function* (versions) {
      yield history.filter((line) =>
        versions.some(({ tenantId, version }) => line.tenantId === tenantId && line.version === version),
      );
    },
  };
  const cache = new RouteCache({
    reader,
    feed: {
      get started() {
        return state.started;
      },
      silentMs: () => state.silentMs,
    },
    entries,
    maxAgeMs: 60_000,
    isAway: () => state.away,
    now: () => state.nowMs,
    onLookup: (result) => results.push(result),
  });
  return {
    asked,
    cache,
    results,
    routes,
    state,
    put: (number: number, to: VersionedRoute, tenantId = tenant) =>
      routes.set(`${tenantId}/${device(number)}`, to),
    /** Commits a change and returns what the feed says of it. */
    change: (number: number, to: VersionedRoute | undefined, version: number): Change => {
      const name = `${tenant}/${device(number)}`;
      if (to) routes.set(name, to);
      else routes.delete(name);
      history.push({ tenantId: tenant, deviceId: device(number), version, to });
      return { kind: 'routes', tenantId: tenant, version, changes: 1 };
    },
    loseHistory: () => history.splice(0),
    hold: () => {
      const held = Promise.withResolvers<void>();
      barrier = held.promise;
      return held.resolve;
    },
  };
}

describe('routes in memory', () => {
  it('a route is asked for once and then known, by its ids and by their words', async () => {
    const { asked, cache, put, results } = scene();
    put(1, route(1));
    expect(cache.peek(tenant, device(1))).toBeUndefined();
    expect(await cache.route(tenant, device(1))).toMatchObject(target(1));
    expect(cache.peek(tenant, device(1))).toEqual(target(1));
    const key = routeKey();
    readGuid(tenant, key, 0);
    readGuid(device(1), key, 4);
    expect(cache.peekKey(key)).toEqual(target(1));
    expect(cache.peek(neighbour, device(1))).toBeUndefined();
    expect(asked).toHaveLength(1);
    expect(await cache.route(tenant, device(1))).toEqual(target(1));
    expect(results, 'peeking is not counted').toEqual(['miss', 'hit']);
  });

  it('many who miss at once share a query, and those who miss the same an answer', async () => {
    const { asked, cache, put } = scene();
    for (const number of [1, 2, 3]) put(number, route(number));
    await Promise.all([1, 2, 3, 1, 2, 3].map((number) => cache.route(tenant, device(number))));
    expect(asked.map((names) => names.length)).toEqual([3]);
  });

  it('an unknown device is remembered for a second, and found at once when it is named', async () => {
    const { asked, cache, change, results, state } = scene();
    expect(await cache.route(tenant, device(1))).toBeUndefined();
    expect(await cache.route(tenant, device(1))).toBeUndefined();
    expect(asked).toHaveLength(1);
    await cache.listener.apply([change(1, route(1), 1)]);
    expect(await cache.route(tenant, device(1))).toMatchObject(target(1));
    expect(await cache.route(tenant, device(2))).toBeUndefined();
    state.nowMs += 1_000;
    await cache.route(tenant, device(2));
    expect(asked).toHaveLength(4);
    expect(results).toEqual(['unknown', 'unknown', 'miss', 'unknown', 'unknown']);
  });

  it('what changes while it is asked for is asked for again', async () => {
    const { asked, cache, change, hold, put } = scene();
    put(1, route(1));
    const letGo = hold();
    const answer = cache.route(tenant, device(1));
    await Promise.resolve();
    await cache.listener.apply([change(1, route(2), 2)]);
    letGo();
    expect(await answer).toMatchObject(target(2));
    expect(cache.peek(tenant, device(1))).toEqual(target(2));
    expect(asked).toHaveLength(2);
  });

  it('a change replaces what is known, an end removes it, an older one does nothing', async () => {
    const { cache, change, put } = scene();
    put(1, route(5));
    await cache.route(tenant, device(1));
    await cache.listener.apply([change(1, route(4), 4)]);
    expect(cache.peek(tenant, device(1))).toEqual(target(5));
    await cache.listener.apply([change(1, undefined, 4)]);
    expect(cache.peek(tenant, device(1))).toEqual(target(5));
    await cache.listener.apply([change(1, route(6), 6)]);
    expect(cache.peek(tenant, device(1))).toEqual(target(6));
    await cache.listener.apply([change(1, undefined, 7)]);
    expect(cache.peek(tenant, device(1))).toBeUndefined();
  });

  it('changes do not bring in what nobody asked for', async () => {
    const { cache, change, put } = scene();
    put(1, route(1));
    await cache.route(tenant, device(1));
    await cache.listener.apply([change(2, route(2), 2)]);
    expect(cache.size).toBe(1);
  });

  it('a tenant with too many changes is dropped, its neighbour stays', async () => {
    const { cache, put } = scene();
    put(1, route(1));
    put(1, route(9), neighbour);
    await cache.route(tenant, device(1));
    await cache.route(neighbour, device(1));
    const changes = maxChangesPerTenant + 1;
    await cache.listener.apply([{ kind: 'routes', tenantId: tenant, version: 2, changes }]);
    expect(cache.peek(tenant, device(1))).toBeUndefined();
    expect(cache.peek(neighbour, device(1))).toEqual(target(9));
    expect(cache.sweep()).toBe(false);
    expect(cache.size).toBe(1);
  });

  it('a tenant whose history is gone when its changes are read is dropped', async () => {
    const { cache, change, loseHistory, put } = scene();
    put(1, route(1));
    await cache.route(tenant, device(1));
    const said = change(1, route(2), 2);
    loseHistory();
    await cache.listener.apply([said]);
    expect(cache.peek(tenant, device(1))).toBeUndefined();
    expect(await cache.route(tenant, device(1))).toMatchObject(target(2));
  });

  it('without the feed nothing is kept, and what is kept is not served for longer than allowed', async () => {
    const { asked, cache, put, state } = scene();
    put(1, route(1));
    state.started = false;
    await cache.route(tenant, device(1));
    expect(cache.size).toBe(0);
    state.started = true;
    await cache.route(tenant, device(1));
    state.silentMs = 59_999;
    expect(cache.peek(tenant, device(1))).toEqual(target(1));
    state.silentMs = 60_000;
    expect(cache.peek(tenant, device(1))).toBeUndefined();
    await cache.route(tenant, device(1));
    expect(asked).toHaveLength(3);
  });

  it('a preload takes in neither what changed meanwhile nor what is older, and stops when all is forgotten', async () => {
    const { cache, change, put } = scene();
    put(3, route(8));
    await cache.route(tenant, device(3));
    const preload = cache.beginPreload(new Map([[tenant, 1]]), 10);
    const take = (number: number, version: number): void => {
      const [key, instance] = [routeKey(), new Int32Array(4)];
      readGuid(tenant, key, 0);
      readGuid(device(number), key, 4);
      readGuid(id(3, version), instance, 0);
      preload.take(key, instance, version, version);
    };
    await cache.listener.apply([change(2, route(9), 9)]);
    for (const number of [1, 2, 3]) take(number, 5);
    expect(cache.peek(tenant, device(1))).toEqual(target(5));
    expect(cache.peek(tenant, device(2))).toBeUndefined();
    expect(cache.peek(tenant, device(3))).toEqual(target(8));
    cache.listener.forget();
    expect(preload.stopped).toBe(true);
    take(1, 5);
    expect(cache.size).toBe(0);
    preload.end();
  });

  it('a failing database fails those who miss, and nobody who comes later', async () => {
    const { cache, put, routes } = scene();
    put(1, route(1));
    const get = routes.get.bind(routes);
    routes.get = () => {
      throw new Error('away');
    };
    await expect(cache.route(tenant, device(1))).rejects.toThrow('away');
    routes.get = get;
    expect(await cache.route(tenant, device(1))).toMatchObject(target(1));
  });

  it("a tenant's first change after its routes were asked for, a heartbeat's say, forgets none of them", async () => {
    const { cache, put, state } = scene();
    put(1, route(1));
    await cache.route(tenant, device(1));
    await cache.listener.apply([{ kind: 'tenant', tenantId: tenant }]);
    state.away = true;
    expect(cache.peek(tenant, device(1))).toEqual(target(1));
  });

  it('the routes of a tenant that was deleted and made again are those of the new one', async () => {
    const { cache, put } = scene();
    put(1, route(1, 9));
    put(2, route(2, 9));
    await cache.route(tenant, device(1));
    put(2, { ...route(3, 1), bornAtMs: 2 });
    expect(await cache.route(tenant, device(2))).toMatchObject(target(3));
    expect(cache.peek(tenant, device(1))).toBeUndefined();
  });

  it('what everybody forgot serves an outage that comes before it was read anew, and nothing else', async () => {
    const { cache, change, put, routes, state } = scene();
    for (const number of [1, 2, 3, 4]) put(number, route(number));
    for (const number of [1, 2, 3, 4]) await cache.route(tenant, device(number));
    cache.listener.forget();
    expect(cache.peek(tenant, device(1))).toBeUndefined();
    expect(cache.servesOutage).toBe(true);
    // Heard of, or looked for, after everything was forgotten.
    await cache.listener.apply([
      { kind: 'tenant', tenantId: tenant },
      change(2, route(7), 7),
      change(3, undefined, 8),
    ]);
    routes.delete(`${tenant}/${device(4)}`);
    expect(await cache.route(tenant, device(4))).toBeUndefined();
    expect(cache.peek(tenant, device(1))).toBeUndefined();
    state.away = true;
    expect(cache.peek(tenant, device(1))).toEqual(target(1));
    expect(await cache.route(tenant, device(1))).toEqual(target(1));
    expect(cache.peek(tenant, device(2))).toEqual(target(7));
    for (const number of [3, 4]) expect(cache.peek(tenant, device(number))).toBeUndefined();
    // Before anybody knows that the database is away.
    cache.listener.forget();
    expect(await cache.route(tenant, device(1))).toEqual(target(1));
    state.nowMs += 60_000;
    expect(cache.peek(tenant, device(1))).toBeUndefined();
    cache.sweep();
    expect(cache.servesOutage).toBe(false);
  });
});
