import type { Cloud } from '../entra/clouds.ts';
import type { Send } from '../outbound/port.ts';
import type { Sql } from '../store/database.ts';
import type { PermissionSummary } from '../store/row-types.ts';
import type { TenantScope } from '../store/tenant-scope.ts';
import type { Tenant, TenantDirectory } from '../store/tenants/tenant.ts';
import { takePermissionWatch, writePermissions } from '../store/tenants/watches.ts';
import type { Log } from '../telemetry/log.ts';
import type { ConnectionAccess } from './access.ts';
import type { ExpectedPermissions } from './expected-permissions.ts';
import { checkPermissions } from './permissions.ts';
import { readApplication } from './tenant-credentials.ts';

/** The permission-drift check of both applications: daily, and after any refusal for a permission. */
export interface PermissionWatchOptions {
  readonly sql: Sql;
  readonly scope?: TenantScope | undefined;
  readonly send: Send;
  readonly log: Log;
  readonly tenants: TenantDirectory;
  readonly clouds: ReadonlyMap<string, Cloud>;
  readonly access: ConnectionAccess;
  readonly connectorClientId: (cloud: string) => string | undefined;
  readonly userAppClientId: (cloud: string) => string | undefined;
  readonly expected: ExpectedPermissions;
  readonly timeoutMs: number;
}

export type PermissionReport = Awaited<ReturnType<typeof checkPermissions>>;

const everySeconds = 86_400;
const batch = 10;

/** Checks one tenant now and keeps the summary. Undefined: its cloud or our application is not configured. */
export async function checkTenantPermissions(
  tenant: Tenant,
  options: PermissionWatchOptions,
): Promise<PermissionReport | undefined> {
  const { access, clouds, connectorClientId, expected, log, send, sql, tenants, timeoutMs, userAppClientId } =
    options;
  const cloud = clouds.get(tenant.cloud);
  const connector = connectorClientId(tenant.cloud);
  if (!cloud || connector === undefined) return undefined;
  const userApp = userAppClientId(tenant.cloud);
  const report = await checkPermissions({
    tenant,
    applications: [
      { app: 'connector', clientId: connector },
      ...(userApp === undefined ? [] : [{ app: 'user-registration' as const, clientId: userApp }]),
    ],
    access,
    send,
    cloud,
    expected,
    timeoutMs,
    now: Date.now,
  });
  const summary: PermissionSummary = {
    ok: report.ok,
    checkedAt: report.checkedAt,
    missing: report.applications.flatMap(({ app, missing }) => missing.map((name) => `${app}: ${name}`)),
    extra: report.applications.flatMap(({ app, extra }) => extra.map((name) => `${app}: ${name}`)),
  };
  await writePermissions(sql, tenant.tenantId, summary);
  tenants.forget(tenant.tenantId);
  if (!report.ok) log.warn('permissions.drift', { tenantId: tenant.tenantId, ...summary });
  return report;
}

export async function watchPermissions(options: PermissionWatchOptions): Promise<void> {
  const { scope, sql } = options;
  const due = await takePermissionWatch(sql, { everySeconds, limit: batch, scope });
  await Promise.all(
    due.map(async (tenant) => checkTenantPermissions(tenant, await permissionsOf(sql, tenant, options))),
  );
}

/** A tenant with its own application has that one checked, and no user application: it has none. */
export async function permissionsOf(
  sql: Sql,
  tenant: Tenant,
  options: PermissionWatchOptions,
): Promise<PermissionWatchOptions> {
  if (tenant.connectionType !== 'manual') return options;
  const clientId = (await readApplication(sql, tenant.tenantId))?.clientId;
  return { ...options, connectorClientId: () => clientId, userAppClientId: () => undefined };
}
