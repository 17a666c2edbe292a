import { LRUCache } from 'lru-cache';
import { holdTenant, releaseTenant } from '../../store/holds.ts';
import type { Tenant } from '../../store/tenants.ts';
import { inSpan } from '../../telemetry/tracing.ts';
import type { Stage } from '../stage/stage.ts';
import { type ReportContent, tellable } from './report.ts';
import type { ReportStageOptions, ReportStageSettings } from './report-options.ts';
import { claimDueReports, type DueReport, renewReports, settleReport } from './report-row.ts';
import { sendReport } from './upload.ts';
import { pollUpload, verifyUpload } from './upload-status.ts';

/** Stage two: a device that is due to be told to Intune, then followed until Intune and Entra have it. */

/** Whether this row's turn is a call to Intune: only such a one shows whether a tenant's hold is over. */
const reachesIntune = (row: DueReport, tenant: Tenant): boolean =>
  tellable(JSON.parse(row.content) as ReportContent, row.sentRevision !== null, tenant.mode).tell;

export function reportStage(settings: ReportStageSettings): Stage<DueReport> {
  const { clouds, log, now, sql, tenants } = settings;
  const frozen = new LRUCache<string, number>({ max: 50_000 });
  /** While a tenant is held, one row tries now and then whether the cause is gone; the others wait for it. */
  const probedAt = new LRUCache<string, number>({ max: 50_000 });
  const mayProbe = (tenantId: string): boolean => {
    if (now() - (probedAt.get(tenantId) ?? 0) < settings.holdRecheckSeconds * 1_000) return false;
    probedAt.set(tenantId, now());
    return true;
  };
  const options: ReportStageOptions = {
    ...settings,
    freeze: (tenantId, seconds) => {
      frozen.set(tenantId, now() + seconds * 1_000);
    },
    holdTenant: async (tenant, hold) => {
      if (hold.cause === 'not-provisioned') await settings.notProvisioned(tenant.tenantId);
      if (hold.cause === 'permission-missing') await settings.permissionRefused(tenant.tenantId);
      await holdTenant(sql, tenants, tenant, hold);
    },
    releaseTenant: (tenant) => releaseTenant(sql, tenants, tenant),
  };

  const work = async (row: DueReport, owner: string): Promise<void> => {
    const known = await tenants.tenant(row.tenantId);
    // What holds a tenant may have ended this second: nothing is held by what was remembered.
    const held =
      known &&
      (known.hold !== null ||
        known.paused ||
        !['connected', 'disconnecting'].includes(known.connectionState));
    const tenant = held ? await tenants.fresh(row.tenantId) : known;
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
    const follows = row.state === 'accepted' || row.state === 'completed';
    if (tenant.hold && (follows || !reachesIntune(row, tenant) || !mayProbe(row.tenantId))) {
      return settleReport(sql, row, owner, {
        ...(row.state === 'due' || row.state === 'sent' ? { state: 'held' as const } : {}),
        reason: tenant.hold.cause,
        detail: `${tenant.hold.detail} ${tenant.hold.remedy}`.trim(),
        waitSeconds: settings.holdRecheckSeconds,
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
    fail: (row, owner, error) =>
      settleReport(sql, row, owner, {
        reason: 'espalier-error',
        detail: String(error),
        waitSeconds: settings.wait(row.attempts + 1),
        attempts: row.attempts + 1,
      }),
    work: (row, owner) =>
      inSpan(
        `report.${row.state}`,
        { 'espalier.tenant': row.tenantId, 'espalier.state': row.state },
        row.traceparent,
        () => work(row, owner),
      ),
  };
}
