import { beforeEach, describe, expect, it } from 'vitest';
import type { ReportContent } from '../../src/delivery/reports/report.ts';
import type { DueSchedule } from '../../src/store/due-rows.ts';
import type { DueReport, ReportStore, Settlement } from '../../src/store/reports/report-row.ts';
import type { MemoryReport } from '../harness/memory-report-row.ts';

/** How every `ReportStore` behaves, with the setting of reports that belongs to it. */

/** What does not depend on the time of day. */
export type SeenReport = Pick<
  MemoryReport,
  | 'deviceId'
  | 'revision'
  | 'confirmedRevision'
  | 'state'
  | 'reason'
  | 'detail'
  | 'messageId'
  | 'sentRevision'
  | 'sentContent'
  | 'messageDevices'
  | 'messageOpen'
  | 'alone'
  | 'readAgain'
  | 'background'
  | 'attempts'
  | 'verification'
  | 'leaseOwner'
> & {
  readonly leased: boolean;
  /** Whether there is a time since which it is due, and one at which it failed. */
  readonly isDue: boolean;
  readonly isFailed: boolean;
  /** Seconds until the next look, rounded to whole tens; 0 also for the past. */
  readonly nextTry: number | null;
  readonly lastUpdateAt: string | null;
};

export interface ReportStoreSubject {
  readonly store: ReportStore;
  /** What the store said of rows that are due again. */
  readonly due: DueSchedule[];
  set(
    tenantId: string,
    deviceIds: readonly string[],
    content: Partial<ReportContent>,
  ): Promise<ReadonlySet<string>>;
  /** Past the back-off: these are due now, all at the same time or each a little after the one before. */
  makeDue(tenantId: string, deviceIds: readonly string[], together?: boolean): Promise<void>;
  endLeases(tenantId: string): Promise<void>;
  change(
    tenantId: string,
    deviceId: string,
    change: { background?: boolean; readAgain?: boolean },
  ): Promise<void>;
  rows(tenantId: string): Promise<SeenReport[]>;
  /** Of a tenant that nobody has. */
  newTenant(): Promise<string>;
}

export const contentWith = (change: Partial<ReportContent>): ReportContent => ({
  userId: 'u',
  deviceName: 'd',
  osVersion: '1',
  lastCheckInAt: null,
  reportedAt: null,
  managed: true,
  inventoryState: 0,
  verdict: 'compliant',
  ...change,
});

export const instanceId = '00000000-0000-4000-8000-00000000aaaa';
export const deviceOf = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
export const holderOf = (n: number): string => `00000000-0000-4000-9000-${String(n).padStart(12, '0')}`;
const messageOf = (n: number): string => `00000000-0000-4000-a000-${String(n).padStart(12, '0')}`;
const at = new Date('2026-01-05T00:00:00.000Z');

export function reportStoreConformance(name: string, open: () => Promise<ReportStoreSubject>): void {
  describe(`reports in ${name}`, () => {
    let subject: ReportStoreSubject;
    let tenantId: string;
    const [a, b, c] = [deviceOf(1), deviceOf(2), deviceOf(3)];
    const [p, q] = [holderOf(1), holderOf(2)];
    beforeEach(async () => {
      subject = await open();
      tenantId = await subject.newTenant();
      subject.due.length = 0;
    });

    const row = async (deviceId: string): Promise<SeenReport> =>
      (await subject.rows(tenantId)).find((one) => one.deviceId === deviceId)!;
    const lease = (holder: string, limit = 100, background = false): Promise<readonly DueReport[]> =>
      subject.store.lease(holder, [{ schedule: { tenantId, background }, limit }]);
    const idsOf = (rows: readonly DueReport[]): string[] => rows.map(({ deviceId }) => deviceId).sort();
    const storeAs = (holder: string, rows: readonly DueReport[], message = 1): Promise<ReadonlySet<string>> =>
      subject.store.storeMessage(holder, {
        messageId: messageOf(message),
        at,
        parts: rows.map((one) => ({ row: one, entities: '[]', lastUpdateAt: at })),
      });
    const settle = (holder: string, rows: readonly DueReport[], found: Partial<Settlement>): Promise<void> =>
      subject.store.settle(
        rows.map((one) => ({ row: one, holder, found: { waitSeconds: 0, attempts: 0, ...found } })),
      );
    /** Claimed, stored and left open with a back-off. */
    const leaveOpen = async (
      devices: readonly string[],
      waitSeconds = 100,
    ): Promise<readonly DueReport[]> => {
      await subject.set(tenantId, devices, {});
      const rows = await lease(p);
      await storeAs(p, rows);
      const sent = rows.map((one) => ({ ...one, sentRevision: one.revision }));
      await settle(p, sent, { reason: 'unclear', waitSeconds, attempts: 1, messageOpen: true });
      return sent;
    };

    it('leases at most the share of each schedule, the longest due first', async () => {
      const other = await subject.newTenant();
      await subject.set(tenantId, [a, b, c], {});
      await subject.set(other, [a], {});
      await subject.makeDue(tenantId, [b, a, c]);
      const rows = await subject.store.lease(p, [
        { schedule: { tenantId, background: false }, limit: 2 },
        { schedule: { tenantId: other, background: false }, limit: 2 },
      ]);
      expect(
        rows
          .filter((one) => one.tenantId === tenantId)
          .map((one) => one.deviceId)
          .sort(),
      ).toEqual([a, b]);
      expect(rows.filter((one) => one.tenantId === other)).toHaveLength(1);
      expect(idsOf(await lease(q))).toEqual([c]);
      expect(await lease(q)).toEqual([]);
    });

    it('keeps fresh and background schedules apart', async () => {
      await subject.set(tenantId, [a, b], {});
      await subject.change(tenantId, b, { background: true });
      const schedules = (await subject.store.look()).filter(({ schedule }) => schedule.tenantId === tenantId);
      expect(schedules.map(({ dueInMs, schedule }) => [schedule.background, dueInMs]).sort()).toEqual([
        [false, 0],
        [true, 0],
      ]);
      expect(idsOf(await lease(p))).toEqual([a]);
      expect(idsOf(await lease(p, 100, true))).toEqual([b]);
    });

    it('tells of a schedule as long as something of it is due', async () => {
      const dueInMs = async () =>
        (await subject.store.look())
          .filter(({ schedule }) => schedule.tenantId === tenantId)
          .map((one) => one.dueInMs);
      await subject.set(tenantId, [a, b], {});
      const schedule = { tenantId, background: false };
      const [first, second] = [await lease(p, 1), await lease(p, 1)];
      await subject.store.settleSchedules([schedule]);
      expect(await dueInMs(), 'both are in work').toEqual([0]);
      await settle(p, first, { state: 'held', waitSeconds: 60 });
      await settle(p, second, { state: 'completed', waitSeconds: null });
      await subject.store.settleSchedules([schedule]);
      expect((await dueInMs())[0]).toBeGreaterThan(50_000);
    });

    it('gives a row away when its lease has run out, and then heeds only the new holder', async () => {
      await subject.set(tenantId, [a], {});
      const rows = await lease(p);
      await subject.endLeases(tenantId);
      expect(await subject.store.stillHeld(p, rows)).toBe(true);
      expect(idsOf(await lease(q))).toEqual([a]);
      expect(await subject.store.stillHeld(p, rows)).toBe(false);
      expect(await storeAs(p, rows)).toEqual(new Set());
      await settle(p, rows, { state: 'completed', waitSeconds: null });
      await subject.store.release(rows, p);
      expect(await row(a)).toMatchObject({ state: 'due', leaseOwner: q, messageId: null });
    });

    it('renews a lease that ran out when nobody else has taken it', async () => {
      await subject.set(tenantId, [a, b], {});
      const rows = await lease(p);
      await subject.endLeases(tenantId);
      await subject.store.renew(rows.map((one) => ({ row: one, holder: one.deviceId === a ? p : q })));
      expect(idsOf(await lease(q))).toEqual([b]);
    });

    it('keeps tenants apart in every verb, also where their devices have the same ids', async () => {
      const other = await subject.newTenant();
      await subject.set(tenantId, [a, b], { osVersion: '1' });
      await subject.set(other, [a, b], { osVersion: '2' });
      const before = await subject.rows(other);
      const rows = await lease(p);
      expect(rows.map((one) => one.tenantId)).toEqual([tenantId, tenantId]);
      expect(rows.map((one) => JSON.parse(one.content).osVersion)).toEqual(['1', '1']);
      await storeAs(p, rows);
      await subject.store.renew(rows.map((one) => ({ row: one, holder: p })));
      expect(await subject.store.stillHeld(p, rows)).toBe(true);
      await settle(p, rows.slice(0, 1), { state: 'completed', waitSeconds: null });
      await subject.store.release(rows.slice(1), p);
      await subject.set(tenantId, [a, b], { osVersion: '3' });
      expect(await subject.rows(other)).toEqual(before);
    });

    it('takes what one tenant says of a device as nothing that another one said', async () => {
      const other = await subject.newTenant();
      for (const tenant of [tenantId, other]) {
        await subject.set(tenant, [a], {});
        const schedule = { tenantId: tenant, background: false };
        const rows = await subject.store.lease(p, [{ schedule, limit: 1 }]);
        await settle(p, rows, { state: 'completed', waitSeconds: null });
        await subject.change(tenant, a, { readAgain: true });
      }
      await subject.set(tenantId, [a], {});
      expect(await row(a)).toMatchObject({ state: 'completed', readAgain: false });
      expect(await subject.rows(other)).toMatchObject([{ state: 'completed', readAgain: true }]);
    });

    it('gives rows back at once', async () => {
      await subject.set(tenantId, [a], {});
      await subject.store.release(await lease(p), p);
      expect(idsOf(await lease(q))).toEqual([a]);
    });

    it('stores a message without what was replaced or lost, and makes the rest due together', async () => {
      await subject.set(tenantId, [a, b, c], {});
      const rows = await lease(p);
      await subject.set(tenantId, [b], { osVersion: '2' });
      expect(await storeAs(p, rows)).toEqual(new Set([a, c]));
      expect(await row(a)).toMatchObject({
        state: 'sent',
        messageId: messageOf(1),
        messageDevices: 2,
        sentRevision: 1,
        sentContent: '[]',
        messageOpen: true,
        lastUpdateAt: at.toISOString(),
        nextTry: 0,
      });
      expect(await row(b)).toMatchObject({ state: 'due', messageId: null, messageOpen: false, revision: 2 });
    });

    it('leases the others of an open message with it, beyond the share', async () => {
      await leaveOpen([a, b, c], 0);
      expect(idsOf(await lease(q, 1))).toEqual([a, b, c]);
    });

    it('does not bring others that somebody has, until they are regrouped', async () => {
      await leaveOpen([a, b], 0);
      await subject.makeDue(tenantId, [a, b], false);
      const [first] = await lease(p, 1);
      const [second] = await lease(q, 1);
      expect([first?.deviceId, second?.deviceId].sort()).toEqual([a, b]);
      subject.due.length = 0;
      await subject.store.regroup(first!, p, 0);
      expect(subject.due).toContainEqual({ schedule: { tenantId, background: false }, dueInMs: 0 });
      expect(await row(first!.deviceId)).toMatchObject({ leaseOwner: null });
      expect(await row(second!.deviceId)).toMatchObject({ leaseOwner: q, leased: true });
      await subject.store.regroup(second!, q, 0);
      expect(idsOf(await lease(p, 1))).toEqual([a, b]);
    });

    it('settles what was found, and says when it is due again', async () => {
      await subject.set(tenantId, [a, b], {});
      const rows = await lease(p);
      await settle(p, rows, { state: 'held', reason: 'why', detail: 'so', waitSeconds: 100, attempts: 3 });
      expect(await row(a)).toMatchObject({
        state: 'held',
        reason: 'why',
        detail: 'so',
        attempts: 3,
        nextTry: 100,
        leaseOwner: null,
        isDue: true,
      });
      expect(subject.due.map(({ schedule }) => schedule)).toEqual([
        { tenantId, background: false },
        { tenantId, background: false },
      ]);
      expect(subject.due.every(({ dueInMs }) => dueInMs > 95_000 && dueInMs <= 100_000)).toBe(true);
      expect(await lease(p)).toEqual([]);
    });

    it('keeps a newer revision due, and of an older finding only what is history', async () => {
      await subject.set(tenantId, [a], {});
      const rows = await lease(p);
      await storeAs(p, rows);
      await subject.set(tenantId, [a], { osVersion: '2' });
      await settle(p, rows, {
        state: 'completed',
        waitSeconds: null,
        confirmedRevision: 1,
        messageOpen: false,
        verification: 'pending',
      });
      expect(await row(a)).toMatchObject({
        state: 'due',
        revision: 2,
        confirmedRevision: 1,
        nextTry: 0,
        verification: null,
        isDue: true,
        attempts: 0,
      });
    });

    it('is done with what is completed, and due since then when it changes', async () => {
      await subject.set(tenantId, [a], {});
      await settle(p, await lease(p), { state: 'completed', waitSeconds: null, confirmedRevision: 1 });
      expect(await row(a)).toMatchObject({
        state: 'completed',
        nextTry: null,
        isDue: false,
        confirmedRevision: 1,
      });
      await subject.set(tenantId, [a], { osVersion: '2' });
      expect(await row(a)).toMatchObject({ state: 'due', nextTry: 0, isDue: true });
    });

    it('lets a newer state wait behind an open message, with its back-off and its tries', async () => {
      const rows = await leaveOpen([a, b]);
      await subject.set(tenantId, [a], { osVersion: '2' });
      expect(await row(a)).toMatchObject({
        state: 'due',
        revision: 2,
        messageOpen: true,
        nextTry: 100,
        attempts: 1,
      });
      await subject.endLeases(tenantId);
      await subject.makeDue(tenantId, [a, b], true);
      const again = await lease(q);
      expect(idsOf(again)).toEqual([a, b]);
      await settle(q, again, { revision: 1, waitSeconds: 200, attempts: 2, messageOpen: true });
      expect(await row(a)).toMatchObject({ state: 'due', nextTry: 200, attempts: 2, messageOpen: true });
      expect(rows).toHaveLength(2);
    });

    it('tells the newer state at once when the open message is decided', async () => {
      await leaveOpen([a], 0);
      const rows = await lease(q);
      await subject.set(tenantId, [a], { osVersion: '2' });
      await settle(q, rows, { revision: 1, state: 'accepted', waitSeconds: 100, messageOpen: false });
      expect(await row(a)).toMatchObject({ state: 'due', nextTry: 0, attempts: 0, messageOpen: false });
    });

    it('keeps the back-off of a failing target for a newer state', async () => {
      await subject.set(tenantId, [a], {});
      await settle(p, await lease(p), { state: 'due', waitSeconds: 100, attempts: 4 });
      await subject.set(tenantId, [a], { osVersion: '2' });
      expect(await row(a)).toMatchObject({ revision: 2, attempts: 4, nextTry: 100 });
    });

    it('remembers that a report goes alone until told otherwise', async () => {
      await subject.set(tenantId, [a], {});
      await settle(p, await lease(p), { state: 'due', alone: true });
      expect(await row(a)).toMatchObject({ alone: true });
      await settle(p, await lease(p), { state: 'due' });
      expect(await row(a)).toMatchObject({ alone: true });
      await settle(p, await lease(p), { state: 'accepted', alone: false });
      expect(await row(a)).toMatchObject({ alone: false });
    });

    it('knows since when a report is failed, until it is anything else', async () => {
      await subject.set(tenantId, [a], {});
      await settle(p, await lease(p), { state: 'failed', waitSeconds: null });
      expect(await row(a)).toMatchObject({ state: 'failed', isFailed: true, nextTry: null, isDue: true });
      await subject.set(tenantId, [a], { osVersion: '2' });
      expect(await row(a)).toMatchObject({ state: 'due', isFailed: false, nextTry: 0 });
    });

    it('takes the same state as no news, a much later check-in and one to be read again as news', async () => {
      const first = { lastCheckInAt: '2026-01-01T00:00:00.000Z' };
      expect(await subject.set(tenantId, [a, b], first)).toEqual(new Set([a, b]));
      expect(await subject.set(tenantId, [a, b], first)).toEqual(new Set());
      expect(await subject.set(tenantId, [a], { lastCheckInAt: '2026-01-01T01:00:00.000Z' })).toEqual(
        new Set(),
      );
      expect(await subject.set(tenantId, [a], { lastCheckInAt: '2026-01-01T05:00:00.000Z' })).toEqual(
        new Set([a]),
      );
      await subject.change(tenantId, b, { background: true, readAgain: true });
      expect(await subject.set(tenantId, [b], first)).toEqual(new Set([b]));
      expect(await row(b)).toMatchObject({ background: false, readAgain: false, revision: 2 });
    });
  });
}
