import fc from 'fast-check';
import { expect } from 'vitest';
import type { DueReport, Settlement } from '../../src/store/reports/report-row.ts';
import { deviceOf, holderOf, type ReportStoreSubject } from './report-store.conformance.ts';

/** The same calls in any order on both stores: the same answers, the same rows (fast-check prints the seed). */

type Call =
  | { readonly call: 'set'; readonly devices: readonly number[]; readonly version: number }
  | { readonly call: 'lease'; readonly holder: number; readonly background: boolean }
  | { readonly call: 'make-due' | 'background' | 'read-again'; readonly devices: readonly number[] }
  | { readonly call: 'end-leases' }
  | {
      readonly call: 'store';
      readonly holder: number;
      readonly devices: readonly number[];
      readonly message: number;
    }
  | {
      readonly call: 'settle';
      readonly holder: number;
      readonly devices: readonly number[];
      readonly found: Settlement;
      readonly ofSent: boolean;
    }
  | { readonly call: 'regroup' | 'release' | 'renew'; readonly holder: number };

const deviceCount = 4;
const devices = fc.uniqueArray(fc.integer({ min: 1, max: deviceCount }), { minLength: 1 });
const holder = fc.integer({ min: 1, max: 3 });
const optional = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: undefined });
const waiting = fc.record({
  state: optional(fc.constantFrom('due' as const, 'held' as const, 'accepted' as const)),
  reason: optional(fc.constantFrom('some', 'other')),
  waitSeconds: fc.constantFrom(0, 100, 200),
  attempts: fc.integer({ min: 0, max: 5 }),
  messageOpen: optional(fc.boolean()),
  alone: optional(fc.boolean()),
});
const done = fc.record({
  state: fc.constantFrom('completed' as const, 'failed' as const),
  waitSeconds: fc.constant(null),
  attempts: fc.constant(0),
  messageOpen: fc.constant(false),
  verification: optional(fc.constantFrom('pending', 'not-sampled')),
  confirmedRevision: optional(fc.integer({ min: 0, max: 3 })),
});

const call: fc.Arbitrary<Call> = fc.oneof(
  fc.record({ call: fc.constant('set' as const), devices, version: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ call: fc.constant('lease' as const), holder, background: fc.boolean() }),
  fc.record({
    call: fc.constantFrom('make-due' as const, 'background' as const, 'read-again' as const),
    devices,
  }),
  fc.record({ call: fc.constant('end-leases' as const) }),
  fc.record({
    call: fc.constant('store' as const),
    holder,
    devices,
    message: fc.integer({ min: 1, max: 99 }),
  }),
  fc.record({
    call: fc.constant('settle' as const),
    holder,
    devices,
    found: fc.oneof(waiting, done) as fc.Arbitrary<Settlement>,
    ofSent: fc.boolean(),
  }),
  fc.record({ call: fc.constantFrom('regroup' as const, 'release' as const, 'renew' as const), holder }),
);

/** One side, with what each holder believes to have. */
function createSide(subject: ReportStoreSubject, tenantId: string) {
  const leases = new Map<number, DueReport[]>();
  const { store } = subject;
  const held = (by: number, wanted?: readonly number[]): DueReport[] =>
    (leases.get(by) ?? []).filter(
      ({ deviceId }) => wanted === undefined || wanted.some((one) => deviceOf(one) === deviceId),
    );
  const lease = async (by: number, limit: number, background: boolean): Promise<unknown> => {
    const rows = await store.lease(holderOf(by), [{ schedule: { tenantId, background }, limit }]);
    const fresh = new Set(rows.map(({ deviceId }) => deviceId));
    const kept = held(by).filter(({ deviceId }) => !fresh.has(deviceId));
    leases.set(
      by,
      [...kept, ...rows].sort((a, b) => (a.deviceId < b.deviceId ? -1 : 1)),
    );
    return rows
      .map(({ attempts, deviceId, messageOpen, revision, state }) => [
        deviceId,
        revision,
        state,
        attempts,
        messageOpen,
      ])
      .sort();
  };
  const doIt = async (one: Call): Promise<unknown> => {
    switch (one.call) {
      case 'set': {
        const ids = one.devices.map(deviceOf);
        return [...(await subject.set(tenantId, ids, { osVersion: String(one.version) }))].sort();
      }
      case 'lease':
        return lease(one.holder, 100, one.background);
      case 'make-due':
        return subject.makeDue(tenantId, one.devices.map(deviceOf), true);
      case 'background':
        return subject.change(tenantId, deviceOf(one.devices[0]!), { background: true });
      case 'read-again':
        return subject.change(tenantId, deviceOf(one.devices[0]!), { readAgain: true });
      case 'end-leases':
        return subject.endLeases(tenantId);
      case 'store': {
        const at = new Date(Date.UTC(2026, 0, 1) + one.message);
        const rows = held(one.holder, one.devices);
        const messageId = `00000000-0000-4000-b000-${String(one.message).padStart(12, '0')}`;
        const parts = rows.map((row) => ({ row, entities: `["${one.message}"]`, lastUpdateAt: at }));
        return [...(await store.storeMessage(holderOf(one.holder), { messageId, at, parts }))].sort();
      }
      case 'settle': {
        const rows = held(one.holder, one.devices);
        const revision = (row: DueReport) =>
          one.ofSent && row.sentRevision !== null ? { revision: row.sentRevision } : {};
        return store.settle(
          rows.map((row) => ({
            row,
            holder: holderOf(one.holder),
            found: { ...one.found, ...revision(row) },
          })),
        );
      }
      case 'regroup': {
        const row = held(one.holder).find(({ messageOpen }) => messageOpen);
        return row && store.regroup(row, holderOf(one.holder), 100);
      }
      case 'release':
        return store.release(held(one.holder), holderOf(one.holder));
      case 'renew':
        await store.renew(held(one.holder).map((row) => ({ row, holder: holderOf(one.holder) })));
        return undefined;
    }
  };
  return { doIt, rows: () => subject.rows(tenantId) };
}

export const sameRowsInBoth = (first: ReportStoreSubject, second: ReportStoreSubject): Promise<void> =>
  fc.assert(
    fc.asyncProperty(fc.array(call, { minLength: 5, maxLength: 40 }), async (calls) => {
      const one = createSide(first, await first.newTenant());
      const other = createSide(second, await second.newTenant());
      for (const next of calls) {
        expect(await other.doIt(next), next.call).toEqual(await one.doIt(next));
        expect(await other.rows(), next.call).toEqual(await one.rows());
      }
    }),
    { numRuns: Number(process.env.ESPALIER_MODEL_RUNS ?? 40) },
  );
