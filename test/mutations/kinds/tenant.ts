import { ofKind, test } from '../mutation.ts';

/** One tenant's data serves, or is changed by, another one. */
export const tenant = ofKind('tenant', [
  {
    name: 'a key opens the paths of every instance',
    file: 'src/gateway/jamf.ts',
    found: 'if (sender === undefined || sender.instanceId !== instanceId)',
    replacement: 'if (owner === undefined)',
    noticedBy: test('test/system/intake.test.ts', 'the same 401'),
  },
  {
    name: 'an operator sees tenants that he is not bound to',
    file: 'src/admin/access.ts',
    found: 'operator.tenantIds === undefined || operator.tenantIds.includes(tenantId)',
    replacement: 'operator.tenantIds === undefined || tenantId !== undefined',
    noticedBy: test('test/system/api-isolation.test.ts', 'tenant is not found'),
  },
  {
    name: 'a genuine token of another tenant opens this one',
    file: 'src/entra/verify.ts',
    found: "if (!own) return refuse('tenant-mismatch');",
    replacement: '',
    noticedBy: test('src/entra/verify.test.ts'),
  },
  {
    name: 'a token that was verified for one tenant counts for all',
    file: 'src/entra/verified-tokens.ts',
    found: 'if (verified.claims.tenantId !== tenantId || !audiences',
    replacement: 'if (!audiences',
    noticedBy: test('src/entra/verified-tokens.test.ts'),
  },
  {
    name: "a device's route is looked up without its tenant",
    file: 'src/store/routes/routes.ts',
    found: 'from routes where tenant_id = ${tenantId} and device_id = any(${deviceIds}::uuid[])`',
    replacement: 'from routes where device_id = any(${deviceIds}::uuid[])`',
    noticedBy: test('test/system/claims.test.ts'),
  },
  {
    name: "a device's claims are those of all tenants",
    file: 'src/store/claims/claims.ts',
    found: 'select * from claims where tenant_id = ${tenantId} and device_id = wanted.device_id offset 0',
    replacement: 'select * from claims where device_id = wanted.device_id offset 0',
    noticedBy: test('test/system/claims.test.ts'),
  },
  {
    name: 'reports of several tenants go in one message',
    file: 'src/delivery/reports/units.ts',
    found: 'const schedule = `${row.tenantId}/${row.background}`;',
    replacement: 'const schedule = `${row.background}`;',
    noticedBy: test('src/delivery/reports/units.test.ts'),
  },
  {
    name: "a state clears the mark of another tenant's device",
    file: 'src/store/reports/set-reports.ts',
    found: 'where r.tenant_id = ${tenantId} and r.device_id = read.device_id and r.content_hash',
    replacement: 'where r.device_id = read.device_id and r.content_hash',
    noticedBy: test('test/conformance/report-store.test.ts', 'reports in PostgreSQL'),
  },
  {
    name: "a computer of one tenant is settled with another's of the same number",
    file: 'src/store/computers/leases.ts',
    found: 'from found where c.tenant_id = found.tenant_id and c.instance_id = found.instance_id\n',
    replacement: 'from found where true\n',
    noticedBy: test('test/system/computer-store.test.ts'),
  },
  {
    name: 'a secret that was moved to another row opens',
    file: 'src/secrets/seal.ts',
    found: "{ name: 'AES-GCM', iv: decode(iv), additionalData: text.encode(associated) }",
    replacement: "{ name: 'AES-GCM', iv: decode(iv), additionalData: text.encode('') }",
    noticedBy: test('src/secrets/secrets.test.ts'),
  },
  {
    name: 'a notification about another tenant is believed',
    file: 'src/delivery/directory/take-notifications.ts',
    found: ' || (one.tenantId !== undefined && one.tenantId !== tenantId)',
    replacement: '',
    noticedBy: test('test/system/notifications.test.ts', 'a wrong client state'),
  },
]);
