import { ofKind, simulation, storm, test } from '../mutation.ts';

const pushesAndReads = test('test/system/pushes-and-reads.test.ts');

/** Something that was accepted is forgotten. */
export const lose = ofKind('lose', [
  {
    name: 'webhooks of every fifth computer are answered 202 and thrown away',
    file: 'src/delivery/intake.ts',
    found: '[...new Set(computerIds)].map(',
    replacement: '[...new Set(computerIds)].filter((id) => id % 5 !== 0).map(',
    noticedBy: storm(777),
  },
  {
    name: 'a webhook that comes while its computer is read is forgotten',
    file: 'src/store/computers/leases.ts',
    found: 'next_try_at = case when c.wanted_revision > found.revision then now()',
    replacement: 'next_try_at = case when c.wanted_revision > found.revision then null',
    noticedBy: test('test/system/computer-store.test.ts'),
  },
  {
    name: 'a push stands in for the read that a webhook asked for',
    file: 'src/store/computers/revisions.ts',
    found: 'when computers.wanted_revision > computers.done_revision and computers.needs_instance then',
    replacement: 'when false then',
    noticedBy: pushesAndReads,
  },
  {
    name: 'a webhook after a push that waits asks for no read',
    file: 'src/store/computers/revisions.ts',
    found:
      'read_revision = case when ${pushWaits(sql)} then ${wanted(sql)} else computers.read_revision end,',
    replacement: 'read_revision = computers.read_revision,',
    noticedBy: pushesAndReads,
  },
  {
    name: 'a computer that is postponed is never looked at again',
    file: 'src/store/computers/leases.ts',
    found: "else now() + held.seconds * interval '1 second' end",
    replacement: 'end',
    noticedBy: test('test/system/computer-store.test.ts'),
  },
  {
    name: 'a newer state does not make a report due',
    file: 'src/store/reports/set-reports.ts',
    found: "revision = reports.revision + 1, state = 'due'",
    replacement: 'revision = reports.revision + 1, state = reports.state',
    noticedBy: test('test/conformance/report-store.test.ts', 'reports in PostgreSQL'),
  },
  {
    name: 'what was found of an older revision counts for the newer one',
    file: 'src/store/reports/report-store.ts',
    found: 'state = case when held.newest then coalesce(held.state, r.state) else r.state end',
    replacement: 'state = coalesce(held.state, r.state)',
    noticedBy: test('test/conformance/report-store.test.ts', 'reports in PostgreSQL'),
  },
  {
    name: 'a message that Intune lost counts as told',
    file: 'src/delivery/reports/upload-status.ts',
    found: "state: 'due',\n        reason: 'message-unknown',",
    replacement: "state: 'completed',\n        reason: 'message-unknown',",
    noticedBy: simulation('delivery', 1, 40),
  },
  {
    name: 'of two times at which a schedule is due the earlier one is forgotten',
    file: 'src/delivery/stage/schedules.ts',
    found: 'state.laterMs = Math.min(state.laterMs ?? Number.POSITIVE_INFINITY, dueAtMs);',
    replacement: 'state.laterMs = dueAtMs;',
    noticedBy: test('src/delivery/stage/schedules.test.ts'),
  },
  {
    name: 'changes that could not be applied are not told again',
    file: 'src/store/change-feed.ts',
    found: 'const reason = whyForget(found);',
    replacement: 'const reason = whyForget(found);\n    remember(found);',
    noticedBy: test('src/store/change-feed.test.ts'),
  },
  {
    name: 'a row that is named while it is read is kept as it was',
    file: 'src/store/row-cache.ts',
    found: 'if (reading.again) continue;',
    replacement: '',
    noticedBy: test('src/store/row-cache.test.ts'),
  },
  {
    name: 'a write that fails with its group is not tried alone',
    file: 'src/store/group-commit.ts',
    found: 'if (group.length > 1 && !isStoreUnavailable(error)) return oneByOne(group);',
    replacement: '',
    noticedBy: test('src/store/group-commit.test.ts'),
  },
  {
    name: 'a computer that a poll lists alone is not read',
    file: 'src/store/computers/listed.ts',
    found: '  if (listed.length === 0) return 0;',
    replacement: '  if (listed.length < 2) return 0;',
    noticedBy: test('test/system/listed.test.ts'),
  },
]);
