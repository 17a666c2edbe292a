import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Schedule, ScheduleShare } from '../../store/due-rows.ts';
import { createSchedules, type ScheduleLimits, type Schedules, scheduleKey } from './schedules.ts';

const scheduleOf = (n: number, background = false): Schedule => ({ tenantId: `t${n}`, background });
const all = (): number => Number.MAX_SAFE_INTEGER;

/** A lease that finds what there is: of each schedule its share or what is left. */
function take(schedules: Schedules, shares: readonly ScheduleShare[], left: Map<string, number>): Schedule[] {
  const rows = shares.flatMap(({ schedule, limit }) => {
    const some = Math.min(limit, left.get(scheduleKey(schedule)) ?? 0);
    left.set(scheduleKey(schedule), (left.get(scheduleKey(schedule)) ?? 0) - some);
    return Array.from({ length: some }, () => schedule);
  });
  schedules.leased(shares, rows);
  return rows;
}

const limits: fc.Arbitrary<ScheduleLimits> = fc
  .record({ rows: fc.integer({ min: 4, max: 600 }), share: fc.integer({ min: 1, max: 100 }) })
  .map(({ rows, share }) => ({ rows, scheduleRows: Math.max(1, Math.floor((rows * share) / 100)) }));

describe('exhausted schedules', () => {
  const one = scheduleOf(1);
  const leasedOf = (schedules: Schedules, rows: number): boolean =>
    schedules.leased(
      schedules.pick(1, all),
      Array.from({ length: rows }, () => one),
    );

  it('are those that gave less than their share, once nothing of them is in work', () => {
    const schedules = createSchedules({ rows: 40, scheduleRows: 10 });
    schedules.announce(one, 0);
    leasedOf(schedules, 2);
    schedules.ended([one]);
    expect(schedules.exhausted()).toEqual([]);
    schedules.ended([one]);
    expect(schedules.exhausted()).toEqual([one]);
    expect(schedules.exhausted()).toEqual([]);
  });

  it('are not those that may have more, or were announced while the lease ran', () => {
    const schedules = createSchedules({ rows: 40, scheduleRows: 2 });
    schedules.announce(one, 0);
    leasedOf(schedules, 2);
    schedules.ended([one, one]);
    expect(schedules.exhausted()).toEqual([]);
    const shares = schedules.pick(1, all);
    schedules.announce(one, 0);
    schedules.leased(shares, []);
    expect(schedules.exhausted()).toEqual([]);
    leasedOf(schedules, 0);
    expect(schedules.exhausted()).toEqual([one]);
  });
});

describe('a lease', () => {
  const one = scheduleOf(1);
  const two = scheduleOf(2);

  it('took all unless a schedule gave its whole share, or had none', () => {
    const schedules = createSchedules({ rows: 40, scheduleRows: 10 });
    schedules.announce(one, 0);
    expect(schedules.leased(schedules.pick(1, all), [one])).toBe(false);
    schedules.announce(one, 0);
    const shares = schedules.pick(1, all);
    const isMore = schedules.leased(
      shares,
      Array.from({ length: shares[0]?.limit ?? 0 }, () => one),
    );
    expect(isMore).toBe(true);
    const narrow = createSchedules({ rows: 1, scheduleRows: 1, leaseRows: 1 });
    narrow.announce(one, 0);
    narrow.announce(two, 0);
    expect(narrow.leased(narrow.pick(1, all), [])).toBe(true);
    expect(narrow.leased(narrow.pick(1, all), [])).toBe(false);
  });
});

describe('fairness', () => {
  it('serves schedules of three rows within a few leases, whatever a schedule of a million has', () => {
    fc.assert(
      fc.property(limits, fc.integer({ min: 1, max: 300 }), (bounds, count) => {
        const schedules = createSchedules(bounds);
        const left = new Map([[scheduleKey(scheduleOf(0)), 1_000_000]]);
        schedules.announce(scheduleOf(0), 0);
        for (let n = 1; n <= count; n += 1) {
          left.set(scheduleKey(scheduleOf(n)), 3);
          schedules.announce(scheduleOf(n), 0);
        }
        // 64 schedules at most have a part in one lease; a part is at least one row.
        const perLease = Math.min(bounds.rows, 64);
        const bound = 3 * Math.ceil((count + 1) / perLease) + 3;
        for (let lease = 0; lease < bound; lease += 1)
          schedules.ended(take(schedules, schedules.pick(1, all), left));
        for (let n = 1; n <= count; n += 1) expect(left.get(scheduleKey(scheduleOf(n)))).toBe(0);
      }),
    );
  });

  it('leaves room for others beside a schedule that hangs', () => {
    const schedules = createSchedules({ rows: 40, scheduleRows: 10 });
    const left = new Map([
      [scheduleKey(scheduleOf(0)), 1_000],
      [scheduleKey(scheduleOf(1)), 3],
    ]);
    schedules.announce(scheduleOf(0), 0);
    expect(take(schedules, schedules.pick(1, all), left)).toHaveLength(10);
    schedules.announce(scheduleOf(1), 1);
    expect(take(schedules, schedules.pick(1, all), left)).toEqual([
      scheduleOf(1),
      scheduleOf(1),
      scheduleOf(1),
    ]);
  });

  it('serves what can wait behind what is fresh, and with a quarter of the rows at most', () => {
    const schedules = createSchedules({ rows: 40, scheduleRows: 40 });
    const left = new Map([
      [scheduleKey(scheduleOf(0)), 1_000],
      [scheduleKey(scheduleOf(1, true)), 1_000],
    ]);
    schedules.announce(scheduleOf(0), 0);
    schedules.announce(scheduleOf(1, true), 0);
    expect(schedules.pick(1, all).every(({ schedule }) => !schedule.background)).toBe(true);
    left.set(scheduleKey(scheduleOf(0)), 0);
    expect(take(schedules, schedules.pick(1, all), left)).toHaveLength(0);
    expect(take(schedules, schedules.pick(1, all), left)).toHaveLength(10);
    expect(schedules.pick(1, all)).toEqual([]);
  });
});

describe('a lease', () => {
  it('takes no more rows than it may, and the next one goes on', () => {
    const schedules = createSchedules({ rows: 400, scheduleRows: 300, leaseRows: 128 });
    const left = new Map([[scheduleKey(scheduleOf(0)), 1_000]]);
    schedules.announce(scheduleOf(0), 0);
    const lots = [1, 2, 3, 4].map(() => take(schedules, schedules.pick(1, all), left).length);
    // The rest of a schedule that is nearly full is not worth a lease.
    expect(lots).toEqual([128, 128, 0, 0]);
  });

  it('does not overrule what was announced while it ran', () => {
    const schedules = createSchedules({ rows: 8, scheduleRows: 8 });
    schedules.announce(scheduleOf(1), 0);
    const shares = schedules.pick(1, all);
    schedules.announce(scheduleOf(1), 1);
    schedules.leased(shares, []);
    expect(schedules.pick(1, all)).toHaveLength(1);
    schedules.leased(schedules.pick(1, all), []);
    expect(schedules.pick(1, all)).toEqual([]);
    expect(schedules.nextMs()).toBeUndefined();
  });

  it('waits for its time', () => {
    const schedules = createSchedules({ rows: 8, scheduleRows: 8 });
    schedules.announce(scheduleOf(1), 50);
    schedules.announce(scheduleOf(1), 70);
    expect(schedules.pick(49, all)).toEqual([]);
    expect(schedules.nextMs()).toBe(50);
    expect(schedules.pick(50, all)).toEqual([{ schedule: scheduleOf(1), limit: 8 }]);
  });

  it('names no time that has come while nothing can be taken', () => {
    const schedules = createSchedules({ rows: 1, scheduleRows: 1 });
    schedules.announce(scheduleOf(1), 0);
    take(schedules, schedules.pick(1, all), new Map([[scheduleKey(scheduleOf(1)), 1]]));
    schedules.announce(scheduleOf(2), 2);
    expect(schedules.pick(3, all)).toEqual([]);
    expect(schedules.nextMs()).toBeUndefined();
  });

  it.each([2, 4, 8, 64])(
    'has one probe of a half-open circuit in work, with %d rows of a schedule',
    (scheduleRows) => {
      const schedules = createSchedules({ rows: 256, scheduleRows });
      schedules.announce(scheduleOf(1), 0);
      const probe = take(
        schedules,
        schedules.pick(1, () => 1),
        new Map([[scheduleKey(scheduleOf(1)), 9]]),
      );
      expect(probe).toHaveLength(1);
      schedules.announce(scheduleOf(1), 0);
      expect(schedules.pick(1, () => 1)).toEqual([]);
      schedules.ended(probe);
      expect(schedules.pick(1, () => 1)).toHaveLength(1);
    },
  );
});

type Step =
  | {
      readonly step: 'announce';
      readonly schedule: number;
      readonly background: boolean;
      readonly inMs: number;
    }
  | { readonly step: 'lease'; readonly found: number; readonly others: number; readonly may: number }
  | { readonly step: 'end'; readonly share: number }
  | { readonly step: 'pass'; readonly ms: number };

const schedule = fc.integer({ min: 0, max: 5 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ step: fc.constant('announce' as const), schedule, background: fc.boolean(), inMs: fc.nat(20) }),
  fc.record({
    step: fc.constant('lease' as const),
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
        const schedules = createSchedules(bounds);
        let nowMs = 0;
        let inWork: Schedule[] = [];
        const count = (wanted: (one: Schedule) => boolean): number => inWork.filter(wanted).length;
        const lease = ({ found, may, others }: Extract<Step, { step: 'lease' }>): void => {
          const shares = schedules.pick(nowMs, () => may);
          const sum = (some: readonly ScheduleShare[]): number =>
            some.reduce((total, one) => total + one.limit, 0);
          expect(new Set(shares.map((one) => scheduleKey(one.schedule))).size).toBe(shares.length);
          expect(sum(shares)).toBeLessThanOrEqual(Math.max(0, bounds.rows - inWork.length));
          const background = shares.filter((one) => one.schedule.background);
          const backgroundRows = Math.max(1, Math.floor(bounds.rows / 4));
          const free = Math.max(0, backgroundRows - count((one) => one.background));
          expect(sum(background)).toBeLessThanOrEqual(free);
          for (const one of shares) {
            const own = count((row) => scheduleKey(row) === scheduleKey(one.schedule));
            expect(one.limit).toBeGreaterThan(0);
            expect(one.limit + own).toBeLessThanOrEqual(Math.min(bounds.scheduleRows, may));
          }
          // Others of an open message come beside the shares, of any schedule.
          const rows = [
            ...shares.flatMap((one) =>
              Array.from({ length: Math.floor((one.limit * found) / 100) }, () => one.schedule),
            ),
            ...Array.from({ length: shares.length > 0 ? others : 0 }, () => scheduleOf(9, true)),
          ];
          schedules.leased(shares, rows);
          inWork = [...inWork, ...rows];
        };
        const end = (share: number): void => {
          const ended = inWork.slice(0, Math.ceil((inWork.length * share) / 100));
          inWork = inWork.slice(ended.length);
          schedules.ended(ended);
        };
        for (const one of steps) {
          if (one.step === 'announce')
            schedules.announce(scheduleOf(one.schedule, one.background), nowMs + one.inMs);
          else if (one.step === 'lease') lease(one);
          else if (one.step === 'end') end(one.share);
          else nowMs += one.ms;
        }
        // Nothing is left when all has ended and nothing is found any more.
        end(100);
        nowMs += 100;
        for (let more = 0; more < 40; more += 1) schedules.leased(schedules.pick(nowMs, all), []);
        expect(schedules.pick(nowMs, all)).toEqual([]);
        expect(schedules.nextMs()).toBeUndefined();
      }),
      { numRuns: 300 },
    );
  });
});
