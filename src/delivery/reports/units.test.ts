import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DueReport } from '../../store/reports/report-row.ts';
import { isOpen, unitsOf } from './units.ts';

const fresh: DueReport = {
  tenantId: 't0',
  deviceId: 'd0',
  instanceId: 'i',
  content: '{}',
  revision: 1,
  confirmedRevision: 0,
  state: 'due',
  messageId: null,
  sentRevision: null,
  sentContent: null,
  messageDevices: null,
  messageAt: null,
  messageOpen: false,
  alone: false,
  readAgain: false,
  retracted: false,
  holdId: null,
  background: false,
  lastUpdateAt: null,
  completedAt: null,
  acceptedAt: null,
  verification: null,
  attempts: 0,
  traceparent: null,
};

const sent = (deviceId: string, messageDevices: number, change: Partial<DueReport> = {}): DueReport => ({
  ...fresh,
  deviceId,
  state: 'sent',
  messageId: 'm',
  sentRevision: 1,
  sentContent: '[]',
  messageDevices,
  messageOpen: true,
  ...change,
});
const ids = (units: readonly (readonly DueReport[])[]) =>
  units.map((rows) => rows.map((row) => row.deviceId));

describe('an open message', () => {
  it('stays whole, whatever schedules and newer states its devices have', () => {
    const rows = [
      sent('a', 3),
      { ...fresh, deviceId: 'x' },
      sent('b', 3, { background: true }),
      sent('c', 3, { revision: 2, state: 'due' }),
    ];
    expect(ids(unitsOf(rows, 2))).toEqual([['a', 'b', 'c'], ['x']]);
  });

  it('of one device gives way to a newer state', () => {
    expect(isOpen(sent('a', 1))).toBe(true);
    expect(isOpen(sent('a', 1, { revision: 2 }))).toBe(false);
    expect(isOpen(sent('a', 1, { messageOpen: false }))).toBe(false);
    const rows = [sent('a', 1, { revision: 2, state: 'due' }), { ...fresh, deviceId: 'x' }];
    expect(ids(unitsOf(rows, 2))).toEqual([['a', 'x']]);
  });
});

describe('what is new', () => {
  it('is cut by bytes as well as by devices', () => {
    const heavy = (deviceId: string): DueReport => ({ ...fresh, deviceId, content: 'x'.repeat(250_000) });
    expect(ids(unitsOf([heavy('a'), heavy('b'), { ...fresh, deviceId: 'c' }], 8))).toEqual([
      ['a'],
      ['b', 'c'],
    ]);
  });

  it('goes alone when it blocked others, and follows what was accepted by message', () => {
    const rows = [
      { ...fresh, deviceId: 'a', alone: true },
      { ...fresh, deviceId: 'b' },
      sent('c', 2, { state: 'accepted', messageOpen: false }),
      sent('d', 2, { state: 'accepted', messageOpen: false }),
      sent('e', 2, { state: 'completed', messageOpen: false }),
    ];
    expect(ids(unitsOf(rows, 8))).toEqual([['c', 'd'], ['a'], ['e'], ['b']]);
  });
});

describe('units of any rows', () => {
  const row = fc.record({
    tenantId: fc.constantFrom('t0', 't1'),
    content: fc.nat(300_000).map((length) => 'x'.repeat(length)),
    revision: fc.integer({ min: 1, max: 2 }),
    state: fc.constantFrom(
      'due' as const,
      'held' as const,
      'sent' as const,
      'accepted' as const,
      'completed' as const,
    ),
    messageId: fc.constantFrom(null, 'm', 'n'),
    sentRevision: fc.constantFrom(null, 1),
    sentContent: fc.constantFrom(null, '[]'),
    messageDevices: fc.integer({ min: 1, max: 3 }),
    messageOpen: fc.boolean(),
    alone: fc.boolean(),
    background: fc.boolean(),
  });
  it('have every row once, of one tenant, and in new messages of one schedule and of bounded size', () => {
    fc.assert(
      fc.property(fc.array(row, { maxLength: 30 }), fc.integer({ min: 1, max: 8 }), (made, maxDevices) => {
        const rows = made.map((change, index): DueReport => {
          // A message is one tenant's.
          const messageId = change.messageId === null ? null : `${change.tenantId}/${change.messageId}`;
          return { ...fresh, ...change, messageId, deviceId: `d${index}` };
        });
        const units = unitsOf(rows, maxDevices);
        expect(units.flatMap((unit) => unit.map((one) => one.deviceId)).sort()).toEqual(
          rows.map((one) => one.deviceId).sort(),
        );
        for (const unit of units) {
          expect(unit.length).toBeGreaterThan(0);
          expect(new Set(unit.map((one) => one.tenantId)).size).toBe(1);
          const [first] = unit;
          if (!first) continue;
          const open = unit.filter(isOpen);
          if (open.length > 0) {
            expect(open).toHaveLength(unit.length);
            expect(new Set(unit.map((one) => one.messageId)).size).toBe(1);
          } else if (first.state !== 'accepted') {
            expect(unit.length).toBeLessThanOrEqual(maxDevices);
            expect(new Set(unit.map((one) => one.background)).size).toBe(1);
            const bytes = unit.reduce((sum, one) => sum + one.content.length, 0);
            expect(unit.length === 1 || bytes <= 400_000).toBe(true);
            if (unit.some((one) => one.alone)) expect(unit).toHaveLength(1);
          }
        }
      }),
    );
  });
});
