import { ofKind, simulation, test } from '../mutation.ts';

/** Something is done or said twice. */
export const double = ofKind('double', [
  {
    name: 'a message goes again under a new id',
    file: 'src/delivery/reports/message.ts',
    found: 'messageId: first.messageId ?? options.newId(),',
    replacement: 'messageId: options.newId(),',
    noticedBy: simulation('delivery', 1, 20),
  },
  {
    name: 'a message is put together again in another order',
    file: 'src/delivery/reports/message.ts',
    found: 'const ordered = [...rows].sort(byDevice);',
    replacement: 'const ordered = [...rows].sort((a, b) => byDevice(b, a));',
    noticedBy: simulation('delivery', 1, 40),
  },
  {
    name: 'a computer that somebody reads is leased by another process',
    file: 'src/store/computers/leases.ts',
    found: 'and (c.lease_until is null or c.lease_until < now())',
    replacement: '',
    noticedBy: test('test/system/computer-store.test.ts'),
  },
  {
    name: 'a report that somebody tells is leased by another process',
    file: 'src/store/reports/leases.ts',
    found: 'and (r.lease_until is null or r.lease_until < now())\n        order by r.next_try_at',
    replacement: 'order by r.next_try_at',
    noticedBy: test('test/conformance/report-store.test.ts', 'reports in PostgreSQL'),
  },
  {
    name: 'the others of an open message are leased although somebody has them',
    file: 'src/store/reports/leases.ts',
    found: 'where r.message_open and (r.lease_until is null or r.lease_until < now())',
    replacement: 'where r.message_open',
    noticedBy: test('test/conformance/report-store.test.ts', 'reports in PostgreSQL'),
  },
  {
    name: 'the same state is told again',
    file: 'src/store/reports/set-reports.ts',
    found: 'where reports.content_hash <> excluded.content_hash or reports.read_again',
    replacement: 'where true or reports.read_again',
    noticedBy: test('test/conformance/report-store.test.ts', 'reports in PostgreSQL'),
  },
  {
    name: 'two processes read from one instance',
    file: 'src/store/computers/readers.ts',
    found: 'or r.reader_until < now()',
    replacement: 'or true',
    noticedBy: test('test/system/readers.test.ts'),
  },
  {
    name: 'a POST that may have been done is sent again',
    file: 'src/outbound/node-upstream-pool.ts',
    found: "call.body === undefined && (call.method === 'GET' || call.method === 'HEAD')",
    replacement: 'call.body === undefined',
    noticedBy: test('src/outbound/node-upstream-connection.test.ts'),
  },
  {
    name: 'a call for which there is no connection is tried without end',
    file: 'src/outbound/node-upstream-pool.ts',
    found: 'exchange.attempts === 1 &&',
    replacement: 'exchange.attempts < 99 &&',
    noticedBy: test('src/outbound/node-upstream-failures.test.ts'),
  },
  {
    name: 'a call that a new connection broke is sent again',
    file: 'src/outbound/node-upstream-pool.ts',
    found: "(failure.kind === 'reset' && stale)",
    replacement: "failure.kind === 'reset'",
    noticedBy: test('src/outbound/node-upstream-connection.test.ts'),
  },
  {
    name: 'a request that is in work is begun again',
    file: 'src/store/idempotency-keys.ts',
    found: 'or k.status is null and k.busy_until <= now() and k.request_hash',
    replacement: 'or k.status is null and k.request_hash',
    noticedBy: test('test/system/idempotency.test.ts', 'of many at once one is carried out'),
  },
  {
    name: 'one ResyncTimestamp is acted on with every heartbeat',
    file: 'src/store/tenants/heartbeat.ts',
    found: ' and resync_timestamp is distinct from ${timestamp}`',
    replacement: '`',
    noticedBy: test('test/system/connection.test.ts', 'acts once per distinct ResyncTimestamp'),
  },
]);
