import type { Cloud } from '../entra/clouds.ts';
import type { Send } from '../outbound/port.ts';
import type { Sql } from '../store/database.ts';
import type { PermissionSummary } from '../store/row-types.ts';
import { type Tenant, type TenantDirectory, tenantColumns } from '../store/tenants/tenant.ts';
import type { Log } from '../telemetry/log.ts';
import type { ConnectionAccess } from './access.ts';
import type { ExpectedPermissions } from './expected-permissions.ts';
import { checkPermissions } from './permissions.ts';
import { readApplication } from './tenant-credentials.ts';

/** The permission-drift check of both applications: daily, and after any refusal for a permission. */
export interface PermissionWatchOptions {
  readonly sql: Sql;
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
/** After a refusal: soon, but not for every refused report. */
const soonSeconds = 60;
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
  await sql`
    update tenants set permissions = ${sql.json({ ...summary, missing: [...summary.missing], extra: [...summary.extra] })},
      permissions_checked_at = now()
    where tenant_id = ${tenant.tenantId}`;
  tenants.forget(tenant.tenantId);
  if (!report.ok) log.warn('permissions.drift', { tenantId: tenant.tenantId, ...summary });
  return report;
}

/** A permission was refused: the next look of the background is soon. */
export async function suspectPermissions(sql: Sql, tenantId: string): Promise<void> {
  await sql`
    update tenants set permissions_checked_at = null
    where tenant_id = ${tenantId} and permissions_checked_at < now() - ${soonSeconds} * interval '1 second'`;
}

export async function watchPermissions(options: PermissionWatchOptions): Promise<void> {
  const { sql } = options;
  const due = await sql<Tenant[]>`
    update tenants set permissions_checked_at = now()
    where tenant_id in (
      select tenant_id from tenants
      where connection_state = 'connected'
        and coalesce(permissions_checked_at, '-infinity') < now() - ${everySeconds} * interval '1 second'
      order by permissions_checked_at nulls first limit ${batch} for update skip locked)
    returning ${tenantColumns(sql)}`;
  await Promise.all(
    due.map(async (tenant) => checkTenantPermissions(tenant, await permissionsOf(sql, tenant, options))),
  );
}

/** For a tenant with its own application that one is checked, and no user application: it has none. */
export async function permissionsOf(
  sql: Sql,
  tenant: Tenant,
  options: PermissionWatchOptions,
): Promise<PermissionWatchOptions> {
  if (tenant.connectionType !== 'manual') return options;
  const clientId = (await readApplication(sql, tenant.tenantId))?.clientId;
  return { ...options, connectorClientId: () => clientId, userAppClientId: () => undefined };
}
