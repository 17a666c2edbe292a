import { LRUCache } from 'lru-cache';
import type { Cloud } from '../entra/clouds.ts';
import type { PartnerApiVersions } from '../intune/api-versions.ts';
import type { Send } from '../outbound/port.ts';
import type { Sql } from '../store/database.ts';
import type { Hold, Tenant, TenantDirectory } from '../store/tenants.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { inSpan } from '../telemetry/tracing.ts';
import type { MicrosoftPort } from './microsoft.ts';
import { claimDueReports, type DueReport, renewReports, settleReport } from './report-row.ts';
import type { Stage } from './stage.ts';
import { sendReport } from './upload.ts';
import { pollUpload, verifyUpload } from './upload-status.ts';

/** Stage two: a device that is due to be told to Intune, then followed until Intune and Entra have it. */

export interface ReportStageSettings {
  readonly sql: Sql;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly send: Send;
  readonly tenants: TenantDirectory;
  readonly clouds: ReadonlyMap<string, Cloud>;
  readonly microsoft: MicrosoftPort;
  readonly apiVersions: PartnerApiVersions;
  readonly timeoutMs: number;
  readonly uploadStatusSeconds: number;
  readonly verifySample: number;
  readonly holdRecheckSeconds: number;
  /** Seconds to wait after the n-th failed try. */
  readonly wait: (attempts: number) => number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** What the steps of the stage share beside the settings. */
export interface ReportStageOptions extends ReportStageSettings {
  /** One tenant's Intune asked to be left alone for this long. */
  readonly freeze: (tenantId: string, seconds: number) => void;
  /** Every report of the tenant would be refused for the same cause: says so on the tenant. */
  readonly holdTenant: (tenant: Tenant, hold: Omit<Hold, 'since'>) => Promise<void>;
  /** Intune took a report of the tenant: whatever held it is over. */
  readonly releaseTenant: (tenant: Tenant) => Promise<void>;
}

async function noteHold(
  sql: Sql,
  tenants: TenantDirectory,
  tenant: Tenant,
  hold: Omit<Hold, 'since'>,
): Promise<void> {
  if (tenant.hold?.cause === hold.cause) return;
  const noted: Hold = { ...hold, since: new Date().toISOString() };
  await sql`update tenants set hold = ${sql.json({ ...noted })}, updated_at = now() where tenant_id = ${tenant.tenantId}`;
  tenants.forget(tenant.tenantId);
}

export function reportStage(settings: ReportStageSettings): Stage<DueReport> {
  const { clouds, log, now, sql, tenants } = settings;
  const frozen = new LRUCache<string, number>({ max: 50_000 });
  const options: ReportStageOptions = {
    ...settings,
    freeze: (tenantId, seconds) => {
      frozen.set(tenantId, now() + seconds * 1_000);
    },
    holdTenant: (tenant, hold) => noteHold(sql, tenants, tenant, hold),
    releaseTenant: async (tenant) => {
      if (tenant.hold === null) return;
      await sql`update tenants set hold = null, updated_at = now() where tenant_id = ${tenant.tenantId}`;
      tenants.forget(tenant.tenantId);
    },
  };

  const work = async (row: DueReport, owner: string): Promise<void> => {
    const tenant = await tenants.tenant(row.tenantId);
    const cloud = tenant && clouds.get(tenant.cloud);
    if (!tenant) return;
    if (!cloud) {
      log.error('report.no-cloud', { tenantId: row.tenantId, cloud: tenant.cloud });
      return settleReport(sql, row, owner, {
        reason: 'cloud-unknown',
        detail: `the cloud ${tenant.cloud} is not in ESPALIER_CLOUDS_FILE`,
        waitSeconds: settings.holdRecheckSeconds,
        attempts: row.attempts,
      });
    }
    const frozenMs = (frozen.get(row.tenantId) ?? 0) - now();
    if (frozenMs > 0) {
      return settleReport(sql, row, owner, {
        reason: 'throttled',
        detail: 'Intune asked this tenant to wait',
        waitSeconds: frozenMs / 1_000,
        attempts: row.attempts,
      });
    }
    if (row.state === 'accepted') return pollUpload(row, owner, tenant, options);
    if (row.state === 'completed') return verifyUpload(row, owner, tenant, cloud, options);
    return sendReport(row, owner, tenant, options);
  };

  return {
    name: 'reports',
    claim: claimDueReports,
    renew: renewReports,
    work: (row, owner) =>
      inSpan(
        `report.${row.state}`,
        { 'espalier.tenant': row.tenantId, 'espalier.state': row.state },
        row.traceparent,
        () => work(row, owner),
      ),
  };
}
