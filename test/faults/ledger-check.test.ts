import { describe, expect, it } from 'vitest';
import { defaultEntityTypes } from '../../src/simulator/microsoft/entity-types.ts';
import { createUploadLedger } from '../../src/simulator/microsoft/upload-ledger.ts';
import { createLedgerCheck } from './ledger-check.ts';

/** A check that sees nothing would pass every storm. */
describe('what the ledger must never show', () => {
  const deviceId = '33333333-3333-4333-8333-333333333333';
  const startedAt = Date.parse('2026-05-01T00:00:00Z');

  /** Seconds since the start all over; `says` is the Mac's version. */
  interface Message {
    readonly id: string;
    readonly at: number;
    readonly says: number;
    /** Default: `at`. */
    readonly updated?: number;
    readonly takenLaterBy?: number;
    readonly again?: boolean;
  }
  function check(
    messages: readonly Message[],
    more: { crashes?: number[]; failed?: string[]; refused?: [string, number][] } = {},
  ) {
    const ledger = createUploadLedger();
    for (const { again = false, at, id, says, takenLaterBy = 0, updated = at } of messages) {
      const entity = {
        EntityType: 1,
        DeviceId: deviceId,
        LastUpdateTime: new Date(startedAt + updated * 1000).toISOString(),
        OsVersion: `15.${says}`,
      };
      const arrivedAt = startedAt + at * 1000;
      const times = { arrivedAt, takenAt: arrivedAt + takenLaterBy * 1000, again };
      ledger.take({ messageId: id, entities: [entity] }, times, defaultEntityTypes);
    }
    for (const [id, at] of more.refused ?? []) ledger.refuse(id, startedAt + at * 1000);
    const made = createLedgerCheck({
      ledgers: [ledger],
      crashes: () => (more.crashes ?? []).map((at) => startedAt + at * 1000),
      hasFailed: (id) => more.failed?.includes(id) ?? false,
    });
    made.look();
    const { violations } = made;
    const { duplicatesAfterContradiction, duplicatesAfterCrash, duplicatesUnexplained, resends } =
      made.counts();
    const duplicates = [duplicatesAfterCrash, duplicatesAfterContradiction, duplicatesUnexplained];
    return { kinds: violations.map(({ kind }) => kind), resends, duplicates };
  }
  const fine = { kinds: [], resends: 0, duplicates: [0, 0, 0] };

  it('nothing where each message is newer', () => {
    expect(
      check([
        { id: 'a', at: 1, says: 1 },
        { id: 'b', at: 2, says: 2 },
      ]),
    ).toEqual(fine);
  });

  it('a later message without a later LastUpdateTime', () => {
    const later = { id: 'b', at: 2, says: 2, updated: 1 };
    expect(check([{ id: 'a', at: 1, says: 1 }, later]).kinds).toEqual(['order']);
  });

  it('an older version with a later LastUpdateTime', () => {
    expect(
      check([
        { id: 'a', at: 1, says: 2 },
        { id: 'b', at: 2, says: 1 },
      ]).kinds,
    ).toEqual(['backwards']);
  });

  it('nothing where a fault lets a request be overtaken', () => {
    const [newer, older] = [
      { id: 'b', at: 2, says: 2 },
      { id: 'a', at: 1, says: 1, takenLaterBy: 9 },
    ];
    expect(check([newer, older])).toEqual(fine);
  });

  it('a resend that says something else, and counts those that do not', () => {
    const first = { id: 'a', at: 1, says: 1 };
    const again = { ...first, at: 3, updated: 1, again: true };
    expect(check([first, again])).toEqual({ ...fine, resends: 1 });
    expect(check([first, { ...again, says: 2 }]).kinds).toContain('resend');
  });

  it('a duplicate that no crash explains', () => {
    const twice = [
      { id: 'a', at: 1, says: 1 },
      { id: 'b', at: 50, says: 1 },
    ];
    const unexplained = { kinds: ['duplicate'], duplicates: [0, 0, 1] };
    expect(check(twice)).toMatchObject(unexplained);
    // Too long before the second, before the first, after both.
    expect(check(twice, { crashes: [10, -5, 60] })).toMatchObject(unexplained);
    expect(check(twice, { crashes: [30] })).toMatchObject({ kinds: [], duplicates: [1, 0, 0] });
  });

  it('no fault in a duplicate of what Intune contradicted or undid', () => {
    const twice = [
      { id: 'a', at: 1, says: 1 },
      { id: 'b', at: 50, says: 1 },
    ];
    const contradicted = { kinds: [], duplicates: [0, 1, 0] };
    expect(check(twice, { refused: [['a', 20]] })).toMatchObject(contradicted);
    expect(check(twice, { failed: ['a'] })).toEqual(fine);
    // Refused first and taken later: the refusal explains no second message.
    expect(check(twice, { refused: [['a', 0]] }).kinds).toEqual(['duplicate']);
  });
});
