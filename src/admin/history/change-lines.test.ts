import { expect, test } from 'vitest';
import type { HistoryRow } from '../../store/history.ts';
import { changeLines } from './change-lines.ts';

const tenantId = 'aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb';
const row: HistoryRow = {
  tenantId,
  sequence: 7,
  recordedAt: new Date('2026-09-23T19:56:45.940Z'),
  authorKind: 'user',
  authorId: 'x',
  author: 'ada@example.test',
  action: 'connection.migrate',
  objectKind: 'connection',
  objectId: tenantId,
  objectName: 'Contoso',
  before: '{"connectionType":"manual","mode":"conditional-access"}',
  after: '{"connectionType":"cloud-connector","mode":"conditional-access"}',
  reason: null,
  requestId: 'r',
  source: '192.0.2.1',
  approvedBy: null,
};
const head = (more: Partial<HistoryRow>): string => changeLines({ ...row, ...more }).split('\n')[0] ?? '';

test('a change of the connection type is what Jamf Pro writes of one (mission M18)', () => {
  expect(changeLines(row).split('\n')).toEqual([
    '[CHANGEMANAGEMENT] 2026-09-23T19:56:45,940 [INFO ] [espalier   ] [file                     ] - ' +
      '[ada@example.test (ID: -1)] [UPDATE] [Conditional Access] [2026-09-23T19:56:45.940+0000]',
    `\tID                  ${tenantId}`,
    '\tName .............. Contoso',
    '\tEvent               connection.migrate',
    '\tConnection Type ... manual -> cloud-connector',
  ]);
});

test('each kind of object has its name, and each action one of four words', () => {
  expect(head({ action: 'instance.create', objectKind: 'instance' })).toContain(
    '[CREATE] [Jamf Pro Instance]',
  );
  expect(head({ action: 'key.delete', objectKind: 'key', authorKind: 'key' })).toContain(
    '(ID: 0)] [DELETE] [API Key]',
  );
  expect(head({ action: 'instance.test', objectKind: 'instance' })).toContain('[READ]');
  expect(head({ action: 'reports.replay', objectKind: 'reports' })).toContain('[UPDATE] [Reports]');
  expect(head({ action: 'x.y', objectKind: 'later-kind' })).toContain('[Later Kind]');
});

test('a result without a before is shown as it is, an object in it as JSON', () => {
  const text = changeLines({
    ...row,
    action: 'instance.test',
    objectKind: 'instance',
    objectId: 'i',
    objectName: null,
    before: null,
    after: '{"ok":false,"failed":["token"]}',
    reason: 'why',
    approvedBy: 'grace',
  });
  expect(
    text
      .split('\n')
      .slice(1)
      .map((line) => line.trim().replace(/ [ .]+/, ' ')),
  ).toEqual([
    'ID i',
    `Tenant ${tenantId}`,
    'Event instance.test',
    'Reason why',
    'Approved By grace',
    'Ok false',
    'Failed ["token"]',
  ]);
});
