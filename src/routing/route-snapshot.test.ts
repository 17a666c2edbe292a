import { describe, expect, it } from 'vitest';
import { createRandom } from '../simulator/random.ts';
import type { SnapshotPart } from '../snapshot-part.ts';
import { readGuid } from './guid-words.ts';
import { RouteCache } from './route-cache.ts';
import { createRoutesPart } from './route-snapshot.ts';
import { RouteTable, routeKey } from './route-table.ts';

const id = (kind: number, number: number): string =>
  `${String(kind).padStart(8, '0')}-0000-4000-8000-${String(number).padStart(12, '0')}`;
const tenantOf = (number: number): string => id(1, number);
const deviceOf = (number: number): string => id(2, number);
/** So many places that there are sixteen segments. */
const entries = 1_000_000;

const keyOf = (tenant: number, device: number): Int32Array => {
  const key = routeKey();
  readGuid(tenantOf(tenant), key, 0);
  readGuid(deviceOf(device), key, 4);
  return key;
};
const wordsOf = (guid: string): Int32Array => {
  const words = new Int32Array(4);
  readGuid(guid, words, 0);
  return words;
};

/** The table with what a cache knows of it, and what was restored last. */
function scene() {
  const routes = {
    table: new RouteTable({ entries }),
    births: new Map<string, number>(),
    restored: new RouteTable({ entries }),
    restoredBirths: new Map<string, number>(),
    ageMs: -1,
  };
  const part = createRoutesPart({
    current: () => ({ table: routes.table, births: routes.births }),
    emptyTable: () => new RouteTable({ entries }),
    restore: (table, births, ageMs) => {
      routes.restored = table;
      routes.restoredBirths = births;
      routes.ageMs = ageMs;
    },
  });
  return { part, routes };
}

/** What the writer keeps on disk: records by segment, written again where the stamp is another. */
class Disk {
  readonly segments = new Map<string, { stamp: string | undefined; records: Uint8Array[] }>();

  /** `between` happens wherever the writer lets others work. */
  write(part: SnapshotPart, between: () => void = () => undefined): number {
    let written = 0;
    for (const segment of part.segments()) {
      const { stamp } = segment;
      if (this.segments.get(segment.name)?.stamp === stamp) continue;
      between();
      const records: Uint8Array[] = [];
      for (const record of segment.records()) {
        records.push(Uint8Array.from(record));
        between();
      }
      this.segments.set(segment.name, { stamp, records });
      written += 1;
    }
    return written;
  }

  load(part: SnapshotPart, ageMs = 0): void {
    const restore = part.restore();
    for (const { records } of this.segments.values())
      for (const record of records) {
        // As the loader gives them: somewhere in a buffer that is used again.
        const bytes = Buffer.concat([Buffer.alloc(3), record]).subarray(3);
        restore.take(bytes);
        bytes.fill(0xff);
      }
    restore.finish(ageMs);
  }
}

describe('the routes of a snapshot', () => {
  it('come back, with the births of their tenants', () => {
    const { part, routes } = scene();
    const count = 10_000;
    const instance = (device: number): string => id(3, device % 7);
    for (let device = 0; device < count; device += 1)
      routes.table.put(keyOf(device % 3, device), wordsOf(instance(device)), device + 1, 5);
    routes.births.set(tenantOf(0), Date.parse('2026-01-02T03:04:05.678Z')).set(tenantOf(1), 0);
    const disk = new Disk();
    expect(disk.write(part)).toBe(16);
    disk.load(part, 1_234);
    const { restored } = routes;
    expect(routes.ageMs).toBe(1_234);
    expect(routes.restoredBirths).toEqual(routes.births);
    expect(restored.size).toBe(count);
    for (let device = 0; device < count; device += 1) {
      const key = keyOf(device % 3, device);
      expect(restored.get(key)).toEqual({ instanceId: instance(device), jamfComputerId: device + 1 });
      expect(restored.versionOf(key)).toBe(5);
    }
    expect(restored.get(keyOf(1, 0)), 'the device of another tenant').toBeUndefined();
  });

  it('are written again only where they changed', () => {
    const { part, routes } = scene();
    for (let device = 0; device < 1_000; device += 1)
      routes.table.put(keyOf(1, device), wordsOf(id(3, 1)), device + 1, 1);
    const disk = new Disk();
    disk.write(part);
    expect(disk.write(part)).toBe(0);
    routes.table.get(keyOf(1, 7));
    expect(disk.write(part), 'a look-up is no change').toBe(0);
    routes.table.put(keyOf(1, 7), wordsOf(id(3, 2)), 9, 2);
    expect(disk.write(part)).toBe(1);
    routes.table.remove(keyOf(1, 7));
    expect(disk.write(part)).toBe(1);
    routes.table.put(keyOf(1, 7), wordsOf(id(3, 1)), 1, 3);
    expect(disk.write(part)).toBe(1);
    disk.load(part);
    expect(routes.restored.size).toBe(1_000);
  });

  it('of a dropped tenant are gone with the next write', () => {
    const { part, routes } = scene();
    for (let device = 0; device < 1_000; device += 1)
      routes.table.put(keyOf(device % 2, device), wordsOf(id(3, device % 2)), device + 1, 1);
    const disk = new Disk();
    disk.write(part);
    routes.table.dropTenant(wordsOf(tenantOf(1)));
    disk.write(part);
    const bytes = Buffer.concat([...disk.segments.values()].flatMap(({ records }) => records));
    for (const guid of [tenantOf(1), id(3, 1), deviceOf(1)])
      expect(bytes.includes(Buffer.from(wordsOf(guid).buffer)), guid).toBe(false);
    disk.load(part);
    expect(routes.restored.size).toBe(500);
  });

  it.each([false, true])('of a tenant that was made again meanwhile are those of the new one', (reversed) => {
    const { part, routes } = scene();
    const fill = (instance: number, version: number): void => {
      for (let device = 0; device < 200; device += 1)
        routes.table.put(keyOf(1, device), wordsOf(id(3, instance)), device + 1, version);
    };
    fill(1, 100);
    routes.births.set(tenantOf(1), 1_000);
    const disk = new Disk();
    let written = 0;
    disk.write(part, () => {
      written += 1;
      if (written !== 12) return;
      routes.table.dropTenant(wordsOf(tenantOf(1)));
      fill(2, 1);
      routes.births.set(tenantOf(1), 2_000);
    });
    if (reversed) {
      const segments = [...disk.segments].reverse();
      disk.segments.clear();
      for (const [name, segment] of segments) disk.segments.set(name, segment);
    }
    disk.load(part);
    const targets = Array.from({ length: 200 }, (_, device) => routes.restored.get(keyOf(1, device)));
    const instances = targets.flatMap((target) => target?.instanceId ?? []);
    expect(instances.length).toBeGreaterThan(0);
    expect(instances.length, 'some were in segments that were written before').toBeLessThan(200);
    expect(new Set(instances)).toEqual(new Set([id(3, 2)]));
    expect(routes.restoredBirths.get(tenantOf(1))).toBe(2_000);
  });

  it('in another form are refused', () => {
    const { part, routes } = scene();
    routes.table.put(keyOf(1, 1), wordsOf(id(3, 1)), 1, 1);
    const disk = new Disk();
    disk.write(part);
    const whole = [...disk.segments.values()].map(({ records }) => records).find(({ length }) => length > 1);
    const [names = new Uint8Array(), some = new Uint8Array()] = whole ?? [];
    const taking =
      (...records: Uint8Array[]) =>
      () => {
        const restore = part.restore();
        for (const record of records) restore.take(record);
      };
    const altered = (record: Uint8Array, at: number, word: number): Uint8Array => {
      const words = new Int32Array(Uint8Array.from(record).buffer);
      words[at] = word;
      return new Uint8Array(words.buffer);
    };
    expect(taking(names, some)).not.toThrow();
    expect(taking(some), 'without names').toThrow('another form');
    expect(taking(names.subarray(4), some)).toThrow('another form');
    expect(taking(names, some.subarray(0, -4))).toThrow('another form');
    expect(taking(names, some.subarray(0, -1))).toThrow('cut');
    expect(taking(altered(names, 0, 0x04030201), some), 'of the other byte order').toThrow('another form');
    expect(taking(altered(names, 2, 7), some)).toThrow('another form');
    expect(taking(new Uint8Array(0))).toThrow('another form');
    expect(taking(names, altered(some, 5, 9))).toThrow('unknown tenant');
    expect(taking(names, altered(some, 6, -1))).toThrow('unknown tenant');
  });

  /** Each route comes back as it was at some time of the write, whatever happened between two records. */
  it.each(Array.from({ length: 40 }, (_, index) => index + 1))('are never mixed (seed %i)', (seed) => {
    const random = createRandom(seed);
    const { part, routes } = scene();
    const [tenants, devices, instances] = [4, 60, 5];
    const nameOf = (tenant: number, device: number): string => `${tenant}/${device}`;
    /** By route everything it was during the write; empty text: it was not there. */
    let seen = new Map<string, Set<string>>();
    const now = new Map<string, string>();
    const note = (name: string, state: string): void => {
      if (state === '') now.delete(name);
      else now.set(name, state);
      seen.get(name)?.add(state);
    };
    let version = 0;
    let born = 1;
    const drop = (tenant: number): void => {
      routes.table.dropTenant(wordsOf(tenantOf(tenant)));
      for (let device = 0; device < devices; device += 1) note(nameOf(tenant, device), '');
    };
    const anyTenant = (): number => random.integer(0, tenants - 1);
    const put = (): void => {
      const [tenant, device] = [anyTenant(), random.integer(0, devices - 1)];
      // As the cache does when it first hears when a tenant was created.
      if (!routes.births.has(tenantOf(tenant)) && random.next() < 0.9) {
        drop(tenant);
        routes.births.set(tenantOf(tenant), born);
      }
      // Instances of its own, so that a route of another tenant shows.
      const instanceId = id(3, tenant * 100 + random.integer(0, instances - 1));
      version += 1;
      routes.table.put(keyOf(tenant, device), wordsOf(instanceId), version, version);
      note(nameOf(tenant, device), `${instanceId} ${version}`);
    };
    const remove = (): void => {
      const [tenant, device] = [anyTenant(), random.integer(0, devices - 1)];
      routes.table.remove(keyOf(tenant, device));
      note(nameOf(tenant, device), '');
    };
    /** It is deleted and may be made again, or only dropped because too much of it changed. */
    const end = (): void => {
      const tenant = anyTenant();
      drop(tenant);
      if (random.next() < 0.5) return;
      born += 1;
      routes.births.delete(tenantOf(tenant));
      if (random.next() < 0.5) routes.births.set(tenantOf(tenant), born);
    };
    const change = (): void => {
      const kind = random.next();
      if (kind < 0.7) put();
      else if (kind < 0.9) remove();
      else if (kind < 0.97) end();
      else routes.table.sweep();
    };
    const disk = new Disk();
    for (let write = 0; write < 6; write += 1) {
      for (let step = random.integer(0, write === 0 ? 200 : 6); step > 0; step -= 1) change();
      seen = new Map();
      for (let tenant = 0; tenant < tenants; tenant += 1)
        for (let device = 0; device < devices; device += 1) {
          const name = nameOf(tenant, device);
          seen.set(name, new Set([now.get(name) ?? '']));
        }
      disk.write(part, () => {
        for (let step = random.integer(0, seed % 3); step > 0; step -= 1) change();
      });
      disk.load(part);
      for (let tenant = 0; tenant < tenants; tenant += 1)
        for (let device = 0; device < devices; device += 1) {
          const found = routes.restored.get(keyOf(tenant, device));
          const state = found ? `${found.instanceId} ${found.jamfComputerId}` : '';
          const name = nameOf(tenant, device);
          expect([...(seen.get(name) ?? [])], `write ${write}, ${name}`).toContain(state);
        }
    }
  });
});

describe('a cache that starts from a snapshot', () => {
  const maxAgeMs = 60_000;

  function cacheScene() {
    const state = { nowMs: 0, silentMs: 0, started: true, away: false };
    const cache = new RouteCache({
      reader: {
        read: async (names) => {
          if (state.away) throw new Error('away');
          return names.map(() => undefined);
        },
        births: async () => new Map(),
        changes: async function* () {},
      },
      feed: {
        get started() {
          return state.started;
        },
        silentMs: () => state.silentMs,
      },
      entries,
      maxAgeMs,
      isAway: () => state.away,
      now: () => state.nowMs,
      onLookup: () => undefined,
    });
    return { cache, part: createRoutesPart(cache.snapshot), state };
  }

  /** Two tenants with a route each, restored into a cache that has heard nothing yet, at an age of ten seconds. */
  function restart() {
    const before = cacheScene();
    const preload = before.cache.beginPreload(new Map([1, 2].map((tenant) => [tenantOf(tenant), tenant])), 2);
    for (const tenant of [1, 2]) preload.take(keyOf(tenant, 7), wordsOf(id(3, tenant)), 70 + tenant, 1);
    preload.end();
    const disk = new Disk();
    disk.write(before.part);
    const after = cacheScene();
    Object.assign(after.state, {
      started: false,
      silentMs: Number.POSITIVE_INFINITY,
      away: true,
      nowMs: 5_000,
    });
    disk.load(after.part, 10_000);
    return after;
  }
  const known = { instanceId: id(3, 1), jamfComputerId: 71 };

  it('serves it while the database is away, until it is too old', async () => {
    const { cache, state } = restart();
    expect(cache.servesOutage).toBe(true);
    expect(cache.peek(tenantOf(1), deviceOf(7))).toEqual(known);
    expect(await cache.route(tenantOf(1), deviceOf(7))).toEqual(known);
    expect(cache.peek(tenantOf(2), deviceOf(1)), 'an unknown device').toBeUndefined();
    await expect(cache.route(tenantOf(2), deviceOf(1))).rejects.toThrow('away');
    state.nowMs += 49_999;
    expect(cache.peek(tenantOf(1), deviceOf(7))).toEqual(known);
    state.nowMs += 1;
    expect(cache.peek(tenantOf(1), deviceOf(7))).toBeUndefined();
  });

  it('asks the database as soon as it is there', async () => {
    const { cache, state } = restart();
    state.away = false;
    expect(cache.peek(tenantOf(1), deviceOf(7))).toBeUndefined();
    expect(await cache.route(tenantOf(1), deviceOf(7)), 'it was deleted meanwhile').toBeUndefined();
    state.away = true;
    expect(cache.peek(tenantOf(1), deviceOf(7))).toBeUndefined();
    expect(cache.peek(tenantOf(2), deviceOf(7)), 'of this one nothing new was heard').toBeDefined();
  });

  it('serves no tenant that is another one now', () => {
    const { cache, state } = restart();
    Object.assign(state, { started: true, silentMs: 0, away: false });
    cache.listener.forget();
    cache.beginPreload(new Map([[tenantOf(2), 2]]), 0).end();
    state.away = true;
    expect(cache.peek(tenantOf(1), deviceOf(7))).toBeUndefined();
    expect(cache.peek(tenantOf(2), deviceOf(7))).toBeDefined();
  });
});
