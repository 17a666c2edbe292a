import { ofKind, simulation, test } from '../mutation.ts';

/** Something older counts, or is told, after something newer. */
export const reorder = ofKind('reorder', [
  {
    name: 'LastUpdateTime goes back with the clock',
    file: 'src/delivery/reports/message.ts',
    found: 'Math.max(nowMs, (row.lastUpdateAt?.getTime() ?? 0) + 1)',
    replacement: 'nowMs',
    noticedBy: simulation(1, 40),
  },
  {
    name: 'LastUpdateTime stays where it was when the clock did not move on',
    file: 'src/delivery/reports/message.ts',
    found: '(row.lastUpdateAt?.getTime() ?? 0) + 1',
    replacement: '(row.lastUpdateAt?.getTime() ?? 0)',
    noticedBy: simulation(1, 40),
  },
  {
    name: 'an older record of a computer replaces its claims',
    file: 'src/routing/claims.ts',
    found: 'computer.reportAt.getTime() >= (newest.get(computerKey(computer)) ?? 0)',
    replacement: 'newest.size >= 0',
    noticedBy: test('test/system/claims.test.ts'),
  },
  {
    name: 'the oldest enrolment wins a device',
    file: 'src/routing/rules.ts',
    found: 'time(b.lastEnrolledAt) - time(a.lastEnrolledAt) ||',
    replacement: 'time(a.lastEnrolledAt) - time(b.lastEnrolledAt) ||',
    noticedBy: test('src/routing/rules.test.ts'),
  },
  {
    name: 'an enrolment from before a placement undoes it',
    file: 'src/routing/rules.ts',
    found: 'time(claim.lastEnrolledAt) > placedAt',
    replacement: 'time(claim.lastEnrolledAt) > 0',
    noticedBy: test('src/routing/rules.test.ts'),
  },
  {
    name: 'an older change of a route replaces a newer one in memory',
    file: 'src/routing/route-cache.ts',
    found: 'if (known === undefined || isOlderVersion(version, known)) return;',
    replacement: 'if (known === undefined) return;',
    noticedBy: test('src/routing/route-cache.test.ts'),
  },
  {
    name: 'a state that was replaced meanwhile is stored as the newest',
    file: 'src/delivery/reports/report-store.ts',
    found: 'and r.lease_owner = part.owner and r.revision = part.revision',
    replacement: 'and r.lease_owner = part.owner',
    noticedBy: test('test/conformance/report-store.test.ts', 'reports in PostgreSQL'),
  },
  {
    name: 'writes of one group go in the opposite order',
    file: 'src/store/group-commit.ts',
    found: 'const group = queue.slice(0, end);',
    replacement: 'const group = queue.slice(0, end).reverse();',
    noticedBy: test('src/store/group-commit.test.ts'),
  },
  {
    name: 'an older message of one device is sent again before the newer state',
    file: 'src/delivery/reports/units.ts',
    found: 'row.sentContent !== null && !isReplaced(row)',
    replacement: 'row.sentContent !== null',
    noticedBy: test('src/delivery/reports/units.test.ts'),
  },
  {
    name: 'a newer state overtakes the open message of several devices',
    file: 'src/delivery/reports/units.ts',
    found: 'row.messageDevices === 1 && row.revision !== row.sentRevision',
    replacement: 'row.revision !== row.sentRevision',
    noticedBy: test('src/delivery/reports/units.test.ts'),
  },
]);
