import { ofKind, simulation, test } from '../mutation.ts';

/** One row of a batch is left out. */
export const skip = ofKind('skip', [
  {
    name: 'a write that did not fit into a group is dropped',
    file: 'src/store/fair-queues.ts',
    found: 'if (items.length > 0) wait(name, items);',
    replacement: 'if (items.length > 1) wait(name, items);',
    noticedBy: test('src/store/group-commit.test.ts'),
  },
  {
    name: 'the last computer of several that were read together is not taken in',
    file: 'src/delivery/computers/take-in.ts',
    found: 'reads.map(claimsOf)',
    replacement: 'reads.slice(0, Math.max(1, reads.length - 1)).map(claimsOf)',
    noticedBy: test('test/system/intake.test.ts', 'takes records of every version'),
  },
  {
    name: 'of the computers that are settled together one is left out',
    file: 'src/store/computers/leases.ts',
    found: 'return new Set(ordered.flatMap(({ row })',
    replacement: 'return new Set(ordered.slice(0, 2).flatMap(({ row })',
    noticedBy: test('test/system/computer-store.test.ts'),
  },
  {
    name: 'of the computers that are postponed together the first is left out',
    file: 'src/store/computers/leases.ts',
    found: 'const all = [...postponed].sort(',
    replacement: 'const all = postponed.slice(postponed.length > 1 ? 1 : 0).sort(',
    noticedBy: test('test/system/computer-store.test.ts'),
  },
  {
    name: 'of the reports of one message only the first is settled',
    file: 'src/store/reports/report-store.ts',
    found: 'const all = groups.flat().sort(',
    replacement: 'const all = groups.flatMap((group) => group.slice(0, 1)).sort(',
    noticedBy: test('test/conformance/report-store.test.ts', 'reports in PostgreSQL'),
  },
  {
    name: 'the last device of a message is not in it',
    file: 'src/delivery/reports/message.ts',
    found: 'const entities = kept.map((part) => part.entities);',
    replacement: 'const entities = kept.map((part) => part.entities).slice(0, Math.max(1, kept.length - 1));',
    noticedBy: simulation('delivery', 1, 40),
  },
  {
    name: 'what does not fit into one message is not told',
    file: 'src/delivery/reports/units.ts',
    found: 'for (const row of rows) {\n    const full =',
    replacement: 'for (const row of rows.slice(0, maxDevices)) {\n    const full =',
    noticedBy: test('src/delivery/reports/units.test.ts'),
  },
  {
    name: 'an open message is leased without its others',
    file: 'src/store/reports/leases.ts',
    found: 'return [...leased, ...others];',
    replacement: 'return leased;',
    noticedBy: test('test/conformance/report-store.test.ts', 'reports in PostgreSQL'),
  },
  {
    name: 'a replay ends with its first batch',
    file: 'src/delivery/replay.ts',
    found: 'if (taken < replayBatch || last === null) return;',
    replacement: 'if (taken > 0 || last === null) return;',
    noticedBy: test('test/system/reports.test.ts', 'spreads many over time and over several batches'),
  },
  {
    name: 'the first Mac of a list is passed over',
    file: 'src/delivery/computers/listed.ts',
    found: 'const readable = page.items.map(',
    replacement: 'const readable = page.items.slice(1).map(',
    noticedBy: test('test/system/polling.test.ts', 'reads all of a new instance'),
  },
  {
    name: 'schedules that were served are served first again',
    file: 'src/delivery/stage/schedules.ts',
    found: 'states.delete(key);\n        states.set(key, state);',
    replacement: '',
    noticedBy: test('src/delivery/stage/schedules.test.ts'),
  },
]);
