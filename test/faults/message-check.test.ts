import { describe, expect, it } from 'vitest';
import type { JournalEntry } from '../../src/simulator/journal.ts';
import { checkMessages, triesOf } from './message-check.ts';

/** A check that sees nothing would pass every storm. */
describe('messages that were refused or unclear', () => {
  const tenantId = '11111111-1111-4111-8111-111111111111';
  const startedAt = Date.parse('2026-05-01T00:00:00Z');
  const idOf = (name: string): string => `${name.repeat(8)}-0000-4000-8000-000000000000`;

  /** Seconds since the start; the note says that the service itself has answered. */
  interface Try {
    readonly id: string;
    readonly at: number;
    readonly status: JournalEntry['status'];
    readonly byFault?: boolean;
    readonly delay?: number;
  }
  interface Kept {
    readonly id: string;
    readonly at: number;
    readonly revision: number;
    /** Names of the devices; default: one. */
    readonly of?: readonly string[];
  }

  const entryOf = ({ at, byFault = false, delay = 0, id, status }: Try, index: number): JournalEntry => ({
    sequence: index,
    arrivedAt: new Date(startedAt + at * 1000).toISOString(),
    at: new Date(startedAt + (at + delay) * 1000).toISOString(),
    service: 'intune:public',
    tenant: tenantId,
    method: 'PUT',
    path: `/StatelessPartner/DeviceDataSyncService/DataUploadMessages(guid'${idOf(id)}')?api-version=1.2`,
    status,
    ...(byFault ? {} : { note: { messageId: idOf(id) } }),
  });
  const kindsOf = (tries: readonly Try[], kept: readonly Kept[]): string[] =>
    checkMessages(
      triesOf(tries.map(entryOf)),
      kept.flatMap(({ at, id, of = ['a Mac'], revision }) =>
        of.map((deviceId) => ({
          ...{ messageId: idOf(id), tenantId, deviceId, revision },
          devices: of.length,
          at: startedAt + at * 1000,
        })),
      ),
      startedAt,
    ).map((line) => line.split(' ')[0]!);

  const a = { id: 'a', at: 0, revision: 1 };
  const unclear: readonly (readonly [string, Omit<Try, 'id' | 'at'>])[] = [
    ['429', { status: 429, byFault: true }],
    ['503', { status: 503, byFault: true }],
    ['500 of the service itself', { status: 500 }],
    ['a broken connection', { status: 'reset' }],
    ['a page of HTML', { status: 200, byFault: true }],
  ];

  it.each(unclear)('are sent again after %s', (_, answer) => {
    const first = { id: 'a', at: 1, ...answer };
    expect(kindsOf([first], [a])).toEqual(['left']);
    expect(kindsOf([first, { id: 'a', at: 2, status: 200 }], [a])).toEqual([]);
    // Once more is not enough where that was not clear either.
    expect(kindsOf([first, { id: 'a', at: 2, ...answer }], [a])).toEqual(['left']);
  });

  it.each(unclear)('are not sent under another id after %s', (_, answer) => {
    const first = { id: 'a', at: 1, ...answer };
    const renamed = [first, { id: 'b', at: 3, status: 200 as const }];
    expect(kindsOf(renamed, [a, { id: 'b', at: 2, revision: 1 }])).toEqual(['renamed']);
    // A newer state has a message of its own.
    expect(kindsOf(renamed, [a, { id: 'b', at: 2, revision: 2 }])).toEqual([]);
    // One of several devices goes alone.
    const several = { ...a, of: ['a Mac', 'another'] };
    const alone = [
      { id: 'b', at: 2, revision: 1 },
      { id: 'c', at: 2, revision: 1, of: ['another'] },
    ];
    expect(kindsOf(renamed, [several, ...alone])).toEqual([]);
    expect(kindsOf(renamed, [several, alone[0]!])).toEqual(['left']);
  });

  it('are done with when Intune took or refused them', () => {
    for (const status of [200, 204, 400] as const)
      expect(kindsOf([{ id: 'a', at: 1, status }], [a])).toEqual([]);
    const failedAndReplayed = [a, { id: 'b', at: 9, revision: 2 }];
    expect(kindsOf([{ id: 'a', at: 1, status: 400 }], failedAndReplayed)).toEqual([]);
    // It took longer than the gateway waits: whether it saw the answer is not known.
    expect(kindsOf([{ id: 'a', at: 1, status: 200, delay: 20 }], [a])).toEqual([]);
  });

  it('are stored before they are sent', () => {
    expect(kindsOf([{ id: 'a', at: 1, status: 200 }], [])).toEqual(['unstored']);
    expect(kindsOf([{ id: 'a', at: 1, status: 200 }], [{ ...a, at: 2 }])).toEqual(['unstored']);
    // From before anybody looked.
    expect(kindsOf([{ id: 'a', at: -1, status: 503, byFault: true }], [])).toEqual([]);
  });
});
