import { expect, test } from 'vitest';
import { changeLogEntry, type LoggedChange } from './change-log.ts';

const at = new Date('2026-09-23T19:56:45.940Z');
const author = { name: 'ada@example.test', id: -1 };
const subject = { ID: 'aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb', Name: 'Contoso' };
const head = (action: string, who = 'ada@example.test (ID: -1)') =>
  '[CHANGEMANAGEMENT] 2026-09-23T19:56:45,940 [INFO ] [espalier   ] [file                     ] - ' +
  `[${who}] [${action}] [Conditional Access] [2026-09-23T19:56:45.940+0000]`;

test('the change of the connection type', () => {
  const change: LoggedChange = {
    at,
    author,
    subject,
    action: 'UPDATE',
    before: { 'Connection Type': 'manual', 'Sovereign Cloud': 'public', 'Application ID': 'x', Note: null },
    after: { 'Connection Type': 'cloud-connector', 'Sovereign Cloud': 'public', 'Application ID': null },
  };
  expect(changeLogEntry(change).split('\n')).toEqual([
    head('UPDATE'),
    '\tID                  aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb',
    '\tName .............. Contoso',
    '\tConnection Type     manual -> cloud-connector',
    '\tApplication ID .... x -> (none)',
  ]);
});

test('creation and deletion show their fields as they are, in columns like the captured ones', () => {
  const fields = { Enabled: true, Instances: 3, ID: 'shown once' };
  const created = changeLogEntry({ at, author, subject, action: 'CREATE', after: fields });
  const deleted = changeLogEntry({ at, author, subject, action: 'DELETE', before: fields });
  const lines = [
    '\tID             aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb',
    '\tName ......... Contoso',
    '\tEnabled        true',
    '\tInstances .... 3',
  ];
  expect(created.split('\n')).toEqual([head('CREATE'), ...lines]);
  expect(deleted.split('\n')).toEqual([head('DELETE'), ...lines]);
});

test('no text forges a line or an action', () => {
  const evil = `x (ID: 0)] [DELETE] [User] [\n[CHANGEMANAGEMENT]\u2028`;
  const entry = changeLogEntry({
    at,
    author: { name: evil, id: 0 },
    subject: { 'Na\nme': evil },
    action: 'CREATE',
    after: { Value: '\r\n\tEnabled false\u0085' },
  });
  expect(entry.split(/[\n\r\u0085\u2028]/)).toEqual([
    head('CREATE', 'x (ID: 0)) (DELETE) (User) ( (CHANGEMANAGEMENT) (ID: 0)'),
    expect.stringMatching(/^\tNa me {10}x /),
    expect.stringMatching(/^\tValue \.+ {2}Enabled false $/),
  ]);
});
