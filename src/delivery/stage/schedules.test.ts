import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Lane, LaneShare } from '../../store/due-rows.ts';
import { createLanes, type LaneLimits, type Lanes, laneKey } from './schedules.ts';

const laneOf = (n: number, background = false): Lane => ({ tenantId: `t${n}`, background });
const all = (): number => Number.MAX_SAFE_INTEGER;

/** A claim that finds what there is: of each lane its share or what is left. */
function take(lanes: Lanes, shares: readonly LaneShare[], left: Map<string, number>): Lane[] {
  const rows = shares.flatMap(({ lane, limit }) => {
    const some = Math.min(limit, left.get(laneKey(lane)) ?? 0);
    left.set(laneKey(lane), (left.get(laneKey(lane)) ?? 0) - some);
    return Array.from({ length: some }, () => lane);
  });
  lanes.claimed(shares, rows);
  return rows;
}

const limits: fc.Arbitrary<LaneLimits> = fc
  .record({ rows: fc.integer({ min: 4, max: 600 }), share: fc.integer({ min: 1, max: 100 }) })
  .map(({ rows, share }) => ({ rows, laneRows: Math.max(1, Math.floor((rows * share) / 100)) }));

describe('fairness', () => {
  it('serves lanes of three rows within a few claims, whatever a lane of a million has', () => {
    fc.assert(
      fc.property(limits, fc.integer({ min: 1, max: 300 }), (bounds, count) => {
        const lanes = createLanes(bounds);
        const left = new Map([[laneKey(laneOf(0)), 1_000_000]]);
        lanes.note(laneOf(0), 0);
        for (let n = 1; n <= count; n += 1) {
          left.set(laneKey(laneOf(n)), 3);
          lanes.note(laneOf(n), 0);
        }
        // 64 lanes at most have a part in one claim; a part is at least one row.
        const perClaim = Math.min(bounds.rows, 64);
        const bound = 3 * Math.ceil((count + 1) / perClaim) + 3;
        for (let claim = 0; claim < bound; claim += 1) lanes.ended(take(lanes, lanes.pick(1, all), left));
        for (let n = 1; n <= count; n += 1) expect(left.get(laneKey(laneOf(n)))).toBe(0);
      }),
    );
  });

  it('leaves room for others beside a lane that hangs', () => {
    const lanes = createLanes({ rows: 40, laneRows: 10 });
    const left = new Map([
      [laneKey(laneOf(0)), 1_000],
      [laneKey(laneOf(1)), 3],
    ]);
    lanes.note(laneOf(0), 0);
    expect(take(lanes, lanes.pick(1, all), left)).toHaveLength(10);
    lanes.note(laneOf(1), 1);
    expect(take(lanes, lanes.pick(1, all), left)).toEqual([laneOf(1), laneOf(1), laneOf(1)]);
  });

  it('serves what can wait behind what is fresh, and with a quarter of the rows at most', () => {
    const lanes = createLanes({ rows: 40, laneRows: 40 });
    const left = new Map([
      [laneKey(laneOf(0)), 1_000],
      [laneKey(laneOf(1, true)), 1_000],
    ]);
    lanes.note(laneOf(0), 0);
    lanes.note(laneOf(1, true), 0);
    expect(lanes.pick(1, all).every(({ lane }) => !lane.background)).toBe(true);
    left.set(laneKey(laneOf(0)), 0);
    expect(take(lanes, lanes.pick(1, all), left)).toHaveLength(0);
    expect(take(lanes, lanes.pick(1, all), left)).toHaveLength(10);
    expect(lanes.pick(1, all)).toEqual([]);
  });
});

describe('a claim', () => {
  it('does not overrule what was noted while it ran', () => {
    const lanes = createLanes({ rows: 8, laneRows: 8 });
    lanes.note(laneOf(1), 0);
    const shares = lanes.pick(1, all);
    lanes.note(laneOf(1), 1);
    lanes.claimed(shares, []);
    expect(lanes.pick(1, all)).toHaveLength(1);
    lanes.claimed(lanes.pick(1, all), []);
    expect(lanes.pick(1, all)).toEqual([]);
    expect(lanes.nextMs()).toBeUndefined();
  });

  it('waits for its time', () => {
    const lanes = createLanes({ rows: 8, laneRows: 8 });
    lanes.note(laneOf(1), 50);
    lanes.note(laneOf(1), 70);
    expect(lanes.pick(49, all)).toEqual([]);
    expect(lanes.nextMs()).toBe(50);
    expect(lanes.pick(50, all)).toEqual([{ lane: laneOf(1), limit: 8 }]);
  });

  it('names no time that has come while nothing can be taken', () => {
    const lanes = createLanes({ rows: 1, laneRows: 1 });
    lanes.note(laneOf(1), 0);
    take(lanes, lanes.pick(1, all), new Map([[laneKey(laneOf(1)), 1]]));
    lanes.note(laneOf(2), 2);
    expect(lanes.pick(3, all)).toEqual([]);
    expect(lanes.nextMs()).toBeUndefined();
  });

  it.each([2, 4, 8, 64])(
    'has one probe of a half-open circuit in work, with %d rows of a lane',
    (laneRows) => {
      const lanes = createLanes({ rows: 256, laneRows });
      lanes.note(laneOf(1), 0);
      const probe = take(
        lanes,
        lanes.pick(1, () => 1),
        new Map([[laneKey(laneOf(1)), 9]]),
      );
      expect(probe).toHaveLength(1);
      lanes.note(laneOf(1), 0);
      expect(lanes.pick(1, () => 1)).toEqual([]);
      lanes.ended(probe);
      expect(lanes.pick(1, () => 1)).toHaveLength(1);
    },
  );
});

type Step =
  | { readonly step: 'note'; readonly lane: number; readonly background: boolean; readonly inMs: number }
  | { readonly step: 'claim'; readonly found: number; readonly others: number; readonly may: number }
  | { readonly step: 'end'; readonly share: number }
  | { readonly step: 'pass'; readonly ms: number };

const lane = fc.integer({ min: 0, max: 5 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ step: fc.constant('note' as const), lane, background: fc.boolean(), inMs: fc.nat(20) }),
  fc.record({
    step: fc.constant('claim' as const),
    found: fc.integer({ min: 0, max: 100 }),
    others: fc.nat(2),
    may: fc.constantFrom(0, 1, 5, 1_000_000),
  }),
  fc.record({ step: fc.constant('end' as const), share: fc.integer({ min: 0, max: 100 }) }),
  fc.record({ step: fc.constant('pass' as const), ms: fc.nat(20) }),
);

describe('bounds', () => {
  it('are kept whatever happens', () => {
    fc.assert(
      fc.property(limits, fc.array(step, { maxLength: 80 }), (bounds, steps) => {
        const lanes = createLanes(bounds);
        let nowMs = 0;
        let inWork: Lane[] = [];
        const count = (wanted: (one: Lane) => boolean): number => inWork.filter(wanted).length;
        const claim = ({ found, may, others }: Extract<Step, { step: 'claim' }>): void => {
          const shares = lanes.pick(nowMs, () => may);
          const sum = (some: readonly LaneShare[]): number =>
            some.reduce((total, one) => total + one.limit, 0);
          expect(new Set(shares.map((one) => laneKey(one.lane))).size).toBe(shares.length);
          expect(sum(shares)).toBeLessThanOrEqual(Math.max(0, bounds.rows - inWork.length));
          const background = shares.filter((one) => one.lane.background);
          const backgroundRows = Math.max(1, Math.floor(bounds.rows / 4));
          const free = Math.max(0, backgroundRows - count((one) => one.background));
          expect(sum(background)).toBeLessThanOrEqual(free);
          for (const one of shares) {
            const own = count((row) => laneKey(row) === laneKey(one.lane));
            expect(one.limit).toBeGreaterThan(0);
            expect(one.limit + own).toBeLessThanOrEqual(Math.min(bounds.laneRows, may));
          }
          // Others of an open message come beside the shares, of any lane.
          const rows = [
            ...shares.flatMap((one) =>
              Array.from({ length: Math.floor((one.limit * found) / 100) }, () => one.lane),
            ),
            ...Array.from({ length: shares.length > 0 ? others : 0 }, () => laneOf(9, true)),
          ];
          lanes.claimed(shares, rows);
          inWork = [...inWork, ...rows];
        };
        const end = (share: number): void => {
          const ended = inWork.slice(0, Math.ceil((inWork.length * share) / 100));
          inWork = inWork.slice(ended.length);
          lanes.ended(ended);
        };
        for (const one of steps) {
          if (one.step === 'note') lanes.note(laneOf(one.lane, one.background), nowMs + one.inMs);
          else if (one.step === 'claim') claim(one);
          else if (one.step === 'end') end(one.share);
          else nowMs += one.ms;
        }
        // Nothing is left when all has ended and nothing is found any more.
        end(100);
        nowMs += 100;
        for (let more = 0; more < 40; more += 1) lanes.claimed(lanes.pick(nowMs, all), []);
        expect(lanes.pick(nowMs, all)).toEqual([]);
        expect(lanes.nextMs()).toBeUndefined();
      }),
      { numRuns: 300 },
    );
  });
});
