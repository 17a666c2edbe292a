import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatGuid, readGuid, readLowerGuidBytes } from './guid-words.ts';
import type { RouteKey } from './route-segment.ts';
import { isOlderVersion, RouteTable, routeKey } from './route-table.ts';

const guidOf = (group: number, number: number): string =>
  `${String(group).padStart(8, '0')}-0000-4000-8000-${number.toString(16).padStart(12, '0')}`;

function keyOf(tenant: number, device: number): RouteKey {
  const key = routeKey();
  readGuid(guidOf(1, tenant), key, 0);
  readGuid(guidOf(2, device), key, 4);
  return key;
}

function instanceOf(number: number): Int32Array {
  const words = new Int32Array(4);
  readGuid(guidOf(3, number), words, 0);
  return words;
}

const target = (instance: number, jamfComputerId: number) => ({
  instanceId: guidOf(3, instance),
  jamfComputerId,
});

describe('GUIDs as words', () => {
  it('text and bytes give the same words, and the text comes back in lower case', () => {
    fc.assert(
      fc.property(fc.uuid(), fc.boolean(), (guid, upper) => {
        const [one, other] = [new Int32Array(4), new Int32Array(6)];
        const text = upper ? guid.toUpperCase() : guid;
        expect(readGuid(text, one, 0)).toBe(true);
        const bytes = Buffer.from(`/t/${text}/`, 'latin1');
        expect(readLowerGuidBytes(bytes, 3, other, 2)).toBe(text === guid);
        if (text === guid) expect([...other.subarray(2)]).toEqual([...one]);
        expect(formatGuid(one, 0)).toBe(guid);
      }),
    );
  });

  it('whatever is no GUID is refused, also one with a character changed', () => {
    const words = new Int32Array(4);
    const good = '0123abcd-0123-4bcd-8123-0123456789ab';
    for (const bad of ['', good.slice(1), `${good}0`, good.replaceAll('-', 'a'), `-${good.slice(1)}`])
      expect(readGuid(bad, words, 0)).toBe(false);
    const pattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
    fc.assert(
      fc.property(fc.nat(35), fc.nat(0x1ff), (position, code) => {
        const text = good.slice(0, position) + String.fromCharCode(code) + good.slice(position + 1);
        expect(readGuid(text, words, 0)).toBe(pattern.test(text));
        if (code < 256)
          expect(readLowerGuidBytes(Buffer.from(text, 'latin1'), 0, words, 0)).toBe(
            pattern.test(text) && text === text.toLowerCase(),
          );
      }),
    );
    expect(readLowerGuidBytes(Buffer.from(good.slice(0, 35)), 0, words, 0)).toBe(false);
  });
});

interface Whole {
  readonly does: 'clear' | 'sweep' | 'reserve';
}

type Step =
  | {
      readonly does: 'put';
      readonly tenant: number;
      readonly device: number;
      readonly instance: number;
      readonly computer: number;
      readonly version: number;
    }
  | { readonly does: 'get' | 'remove'; readonly tenant: number; readonly device: number }
  | { readonly does: 'drop'; readonly tenant: number }
  | Whole;

const tenant = fc.nat(3);
const device = fc.nat(200);
const put = fc.record({
  does: fc.constant('put' as const),
  tenant,
  device,
  instance: fc.nat(5),
  computer: fc.integer({ min: 1, max: 2_147_483_647 }),
  version: fc.nat(50),
});
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 12, arbitrary: put },
    {
      weight: 4,
      arbitrary: fc.record({ does: fc.constantFrom('get' as const, 'remove' as const), tenant, device }),
    },
    { weight: 1, arbitrary: fc.record({ does: fc.constant('drop' as const), tenant }) },
    {
      weight: 1,
      arbitrary: fc.record({ does: fc.constantFrom('clear' as const, 'sweep' as const, 'reserve' as const) }),
    },
  ),
  { maxLength: 600 },
);

interface Known {
  readonly instance: number;
  readonly computer: number;
  readonly version: number;
}

/** The same step on the table and on a Map. */
function take(table: RouteTable, map: Map<string, Known>, step: Step): void {
  if (step.does === 'clear') {
    table.clear();
    map.clear();
  } else if (step.does === 'sweep') {
    table.sweep();
  } else if (step.does === 'reserve') {
    table.reserve(300);
  } else if (step.does === 'drop') {
    table.dropTenant(keyOf(step.tenant, 0));
    for (const name of [...map.keys()]) if (name.startsWith(`${step.tenant}/`)) map.delete(name);
  } else if ('device' in step) {
    const name = `${step.tenant}/${step.device}`;
    const key = keyOf(step.tenant, step.device);
    if (step.does === 'put') {
      table.put(key, instanceOf(step.instance), step.computer, step.version);
      const known = map.get(name);
      if (!known || known.version <= step.version) map.set(name, step);
    } else if (step.does === 'remove') {
      table.remove(key);
      map.delete(name);
    }
  }
}

describe('the packed route table', () => {
  it('holds what a Map holds, whatever is done to it', { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(steps, fc.integer(), (taken, seed) => {
        const table = new RouteTable({ entries: 10_000, seed: [seed, 7] });
        const map = new Map<string, Known>();
        for (const step of taken) take(table, map, step);
        expect(table.size).toBe(map.size);
        const wrong: string[] = [];
        for (let one = 0; one <= 3; one += 1)
          for (let other = 0; other <= 200; other += 1) {
            const known = map.get(`${one}/${other}`);
            const key = keyOf(one, other);
            const found = table.get(key);
            const same =
              table.versionOf(key) === known?.version &&
              found?.jamfComputerId === known?.computer &&
              found?.instanceId === (known && guidOf(3, known.instance));
            if (!same) wrong.push(`${one}/${other}`);
          }
        expect(wrong).toEqual([]);
        while (table.sweep());
        expect(table.size).toBe(map.size);
      }),
      { numRuns: 25 },
    );
  });

  it('of a full table nothing wrong comes back, and never more than its bound', () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 0, max: 40 }), (taken, entries) => {
        const table = new RouteTable({ entries });
        const map = new Map<string, Known>();
        for (const step of taken) {
          take(table, map, step);
          expect(table.size).toBeLessThanOrEqual(entries);
        }
        for (const [name, known] of map) {
          const [one, other] = name.split('/').map(Number);
          const found = table.get(keyOf(one ?? 0, other ?? 0));
          // An entry that went and came again may be older than the newest put; both stood once.
          if (found) expect(known).toBeDefined();
        }
      }),
      { numRuns: 25 },
    );
  });

  it('what is used stays while others come and go', { timeout: 60_000 }, () => {
    const table = new RouteTable({ entries: 100 });
    for (let one = 0; one < 10; one += 1) table.put(keyOf(0, one), instanceOf(1), one + 1, 1);
    for (let other = 100; other < 2_000; other += 1) {
      for (let one = 0; one < 10; one += 1) expect(table.get(keyOf(0, one))).toEqual(target(1, one + 1));
      table.put(keyOf(0, other), instanceOf(2), other, 1);
    }
    expect(table.size).toBe(100);
  });

  it('many segments: every route is found, at no more than 64 bytes each', { timeout: 60_000 }, () => {
    const entries = 150_000;
    const table = new RouteTable({ entries });
    for (let one = 0; one < entries; one += 1)
      table.put(keyOf(one % 7, one), instanceOf(one % 11), one + 1, 1);
    expect(table.size).toBe(entries);
    expect(table.bytes / entries).toBeLessThanOrEqual(64);
    for (let one = 0; one < entries; one += 997)
      expect(table.get(keyOf(one % 7, one))).toEqual(target(one % 11, one + 1));
    table.dropTenant(keyOf(3, 0));
    while (table.sweep());
    for (let one = 0; one < entries; one += 997)
      expect(table.get(keyOf(one % 7, one))).toEqual(one % 7 === 3 ? undefined : target(one % 11, one + 1));
  });

  it('versions go on past 2^32', () => {
    expect(isOlderVersion(1, 2)).toBe(true);
    expect(isOlderVersion(2 ** 32 - 1, 2 ** 32 + 1)).toBe(true);
    expect(isOlderVersion(2 ** 32 + 1, 2 ** 32 - 1)).toBe(false);
    const table = new RouteTable({ entries: 10 });
    table.put(keyOf(0, 0), instanceOf(1), 1, 2 ** 32 - 1);
    table.put(keyOf(0, 0), instanceOf(2), 2, 2 ** 32 + 3);
    table.put(keyOf(0, 0), instanceOf(1), 1, 2 ** 32 - 1);
    expect(table.get(keyOf(0, 0))).toEqual(target(2, 2));
  });
});
