import { ofKind, test } from '../mutation.ts';

const reports = test('test/conformance/report-store.test.ts', 'reports in PostgreSQL');
const computers = test('test/system/computer-store.test.ts');

/** A row is settled, or a message sent, by whoever does not hold its lease. */
export const unleased = ofKind('unleased', [
  {
    name: 'reports are settled without their lease',
    file: 'src/store/reports/report-store.ts',
    found: ' and r.lease_owner = found.holder',
    replacement: '',
    noticedBy: reports,
  },
  {
    name: 'a message is stored without the leases of its reports',
    file: 'src/store/reports/report-store.ts',
    found: 'and r.lease_owner = part.holder and r.revision',
    replacement: 'and r.revision',
    noticedBy: reports,
  },
  {
    name: 'a stored message counts as held without its leases',
    file: 'src/store/reports/report-store.ts',
    found: ' and r.lease_owner = ${holder}\n        returning 1',
    replacement: '\n        returning 1',
    noticedBy: reports,
  },
  {
    name: 'a message is sent again without a look at its leases',
    file: 'src/delivery/reports/upload.ts',
    found: 'if (!(await store.stillHeld(holder, rows))) return store.release(rows, holder);',
    replacement: '',
    noticedBy: test('src/delivery/reports/upload.test.ts'),
  },
  {
    name: 'leases of reports are renewed by whoever lost them',
    file: 'src/store/reports/leases.ts',
    found: ' and r.lease_owner = mine.holder',
    replacement: '',
    noticedBy: reports,
  },
  {
    name: 'leases of reports are given back by whoever lost them',
    file: 'src/store/reports/leases.ts',
    found: 'where r.lease_owner = ${holder} order by',
    replacement: 'order by',
    noticedBy: reports,
  },
  {
    name: 'regrouping ends leases of others',
    file: 'src/store/reports/leases.ts',
    found: 'lease_until = case when r.lease_owner = ${holder} then null else r.lease_until end',
    replacement: 'lease_until = null',
    noticedBy: reports,
  },
  {
    name: 'computers are taken in without their lease',
    file: 'src/store/computers/leases.ts',
    found:
      ' and c.lease_owner = mine.holder\n    order by c.tenant_id, c.instance_id, c.jamf_computer_id for update of c`',
    replacement: '\n    order by c.tenant_id, c.instance_id, c.jamf_computer_id for update of c`',
    noticedBy: computers,
  },
  {
    name: 'computers are postponed without their lease',
    file: 'src/store/computers/leases.ts',
    found: ' and c.lease_owner = waits.holder',
    replacement: '',
    noticedBy: computers,
  },
  {
    name: 'leases of computers are renewed by whoever lost them',
    file: 'src/store/computers/leases.ts',
    found:
      ' and c.lease_owner = mine.holder\n    order by c.tenant_id, c.instance_id, c.jamf_computer_id for update of c skip locked',
    replacement: '\n    order by c.tenant_id, c.instance_id, c.jamf_computer_id for update of c skip locked',
    noticedBy: computers,
  },
  {
    name: 'an instance goes on being read after its lease was lost',
    file: 'src/store/computers/readers.ts',
    found: 'if (!kept.has(instanceKey(instance))) leases.delete(instanceKey(instance));',
    replacement: 'if (!kept.has(instanceKey(instance))) keep([instance], askedAtMs);',
    noticedBy: test('test/system/readers.test.ts'),
  },
]);
