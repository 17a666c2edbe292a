import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { retractionProgress } from '../../connection/lifecycle.ts';
import { modeWarnings } from '../../connection/migration-plan.ts';
import { derivedPartnerState } from '../../connection/partner-watch.ts';
import { readBacklogCauses } from '../../delivery/computers/backlog.ts';
import { ProblemError, problem } from '../../problems.ts';
import type { Sql } from '../../store/database.ts';
import { countReports, undeliveredOf } from '../../store/reports/counts.ts';
import { countHeld, recheckHeld } from '../../store/reports/due.ts';
import { pauseTenant } from '../../store/tenants/hold.ts';
import type { Tenant } from '../../store/tenants/tenant.ts';
import { requireRole, tenantOf, unknownTenant } from '../access.ts';
import type { AdminApp, AdminEnv, AdminServices } from '../context.ts';
import { changing, originOf } from '../recording.ts';
import {
  checkIfMatch,
  commonProblems,
  dryRunQuery,
  etag,
  instant,
  instantOrNull,
  iso,
  jsonAnswer,
  problemAnswer,
  tenantPath,
  versionProblem,
} from '../schemas.ts';
import { notificationStatus, notificationStatusSchema } from './notification-status.ts';

/** The life of a tenant's link to Microsoft: connect, pause, resume, status. */

const tags = ['Connection'];
const params = { request: { params: tenantPath } };

const connect = createRoute({
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/connect',
  operationId: 'connectTenant',
  tags,
  summary: 'Begin the connection: the addresses at which an administrator consents, in this order',
  ...params,
  responses: {
    200: jsonAnswer(
      z
        .object({
          consentUrls: z.array(
            z.object({ app: z.enum(['connector', 'user-registration']), url: z.string() }),
          ),
          expiresAt: instant,
        })
        .openapi('Connect'),
      'Consent addresses; each works once',
    ),
    ...commonProblems,
    409: problemAnswer('conflict'),
    ...versionProblem,
  },
});

const paused = z.object({ tenantId: z.string(), paused: z.boolean() }).openapi('TenantPaused');
const resumed = z
  .object({ tenantId: z.string(), paused: z.boolean(), dryRun: z.boolean(), reports: z.number().int() })
  .openapi('TenantResumed');

const pause = createRoute({
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/pause',
  operationId: 'pauseTenant',
  tags,
  summary: 'Hold delivery without telling Intune',
  ...params,
  responses: { 200: jsonAnswer(paused, 'Paused'), ...commonProblems, ...versionProblem },
});

const resume = createRoute({
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/resume',
  operationId: 'resumeTenant',
  tags,
  summary: 'Go on delivering',
  request: { params: tenantPath, query: dryRunQuery },
  responses: {
    200: jsonAnswer(resumed, 'Resumed; held reports that are tried again at once'),
    ...commonProblems,
    ...versionProblem,
  },
});

const statusSchema = z
  .object({
    tenantId: z.string(),
    connectionState: z.string(),
    /** Assumed state of the connection at Intune, and how it is known. */
    partnerState: z.object({ state: z.string(), source: z.enum(['graph', 'derived']), at: instantOrNull }),
    paused: z.boolean(),
    hold: z
      .object({
        cause: z.string(),
        detail: z.string(),
        remedy: z.string(),
        owner: z.string(),
        since: instant,
      })
      .nullable(),
    lastHeartbeatAt: instantOrNull,
    terminatedAt: instantOrNull,
    devicesMarkedAt: instantOrNull,
    devicesRemovedAt: instantOrNull,
    deprovisionPending: z.boolean(),
    retraction: z.object({ total: z.number().int(), left: z.number().int() }).nullable(),
    messageErrors: z.array(z.unknown()),
    permissions: z
      .object({
        ok: z.boolean(),
        checkedAt: instant,
        missing: z.array(z.string()),
        extra: z.array(z.string()),
      })
      .nullable(),
    lastConfirmAt: instantOrNull,
    notifications: notificationStatusSchema,
    backlog: z.object({ computers: z.number().int(), reports: z.number().int() }),
    /** Reasons why computers of the backlog wait, by instance: the largest groups first. */
    backlogCauses: z.array(
      z.object({
        instanceId: z.string(),
        instance: z.string(),
        cause: z.string(),
        detail: z.string(),
        owner: z.string(),
        computers: z.number().int(),
        since: instantOrNull,
        lastAnswerAt: instantOrNull,
        nextTryAt: instantOrNull,
      }),
    ),
    oldestUndeliveredAgeSeconds: z.number().nullable(),
    reports: z.record(z.string(), z.number().int()),
    heldReasons: z.record(z.string(), z.number().int()),
    devices: z.number().int(),
    /** Warnings about the tenant's set-up, such as a mode whose time is over. */
    warnings: z.array(z.string()),
  })
  .openapi('TenantStatus');

const status = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/status',
  operationId: 'getTenantStatus',
  tags,
  summary: 'Where the connection stands and what waits',
  ...params,
  responses: { 200: jsonAnswer(statusSchema, 'Status'), ...commonProblems },
});

/** State that Graph showed lately, else the one that we know ourselves. */
function shownPartnerState(tenant: Tenant): z.infer<typeof statusSchema>['partnerState'] {
  const { partnerState } = tenant;
  // Below 0 the clock was set meanwhile, and nobody knows how old it is.
  const ageMs = partnerState ? Date.now() - Date.parse(partnerState.at) : -1;
  if (partnerState && ageMs >= 0 && ageMs < partnerStateFreshMs) return { ...partnerState };
  return { state: derivedPartnerState(tenant), source: 'derived', at: null };
}

const partnerStateFreshMs = 3_600_000;

/**
 * Counts of a tenant that may have very many devices, read side by side. The numbers of reports are kept; what waits always
 * has a time (the checks in schema.ts), so that the partial indexes serve the others.
 */
async function readCounts(sql: Sql, tenantId: string) {
  const [reports, [oldest], reasons, [computers], [routes]] = await Promise.all([
    countReports(sql, tenantId),
    sql<{ ageSeconds: number }[]>`
      select extract(epoch from now() - due_since)::float8 as "ageSeconds" from reports
      where tenant_id = ${tenantId} and due_since is not null and failed_at is null order by due_since limit 1`,
    sql<{ reason: string; count: number }[]>`
      select coalesce(reason, 'unknown') as reason, count(*) as count from reports
      where tenant_id = ${tenantId} and state = 'held' and next_try_at is not null group by 1`,
    sql<{ count: number }[]>`
      select count(*) as count from computers
      where tenant_id = ${tenantId} and wanted_revision > done_revision and next_try_at is not null`,
    sql<{ count: number }[]>`select count(*) as count from routes where tenant_id = ${tenantId}`,
  ]);
  const oldestAgeSeconds = oldest?.ageSeconds ?? null;
  return {
    reports,
    oldestAgeSeconds,
    reasons,
    computers: computers?.count ?? 0,
    devices: routes?.count ?? 0,
  };
}

async function readStatus(services: AdminServices, tenant: Tenant): Promise<z.infer<typeof statusSchema>> {
  const { sql } = services;
  const { tenantId } = tenant;
  const { computers, devices, oldestAgeSeconds, reasons, reports } = await readCounts(sql, tenantId);
  const causes = computers > 0 ? await readBacklogCauses(sql, tenantId) : [];
  const present = Object.entries(reports).filter(([, count]) => count > 0);
  return {
    tenantId,
    connectionState: tenant.connectionState,
    partnerState: shownPartnerState(tenant),
    paused: tenant.paused,
    hold: tenant.hold,
    lastHeartbeatAt: iso(tenant.lastHeartbeatAt),
    terminatedAt: iso(tenant.terminatedAt),
    devicesMarkedAt: iso(tenant.devicesMarkedAt),
    devicesRemovedAt: iso(tenant.devicesRemovedAt),
    deprovisionPending: tenant.deprovisionWanted,
    retraction: tenant.connectionState === 'disconnecting' ? await retractionProgress(sql, tenantId) : null,
    messageErrors: [...(tenant.messageErrors ?? [])],
    permissions: tenant.permissions && {
      ...tenant.permissions,
      missing: [...tenant.permissions.missing],
      extra: [...tenant.permissions.extra],
    },
    lastConfirmAt: iso(tenant.lastConfirmAt),
    notifications: await notificationStatus(services, tenant),
    backlog: {
      computers,
      reports: undeliveredOf(reports),
    },
    backlogCauses: causes.map(({ lastAnswerAt, nextTryAt, since, ...rest }) => ({
      ...rest,
      since: iso(since),
      lastAnswerAt: iso(lastAnswerAt),
      nextTryAt: iso(nextTryAt),
    })),
    oldestUndeliveredAgeSeconds: oldestAgeSeconds,
    reports: Object.fromEntries(present),
    heldReasons: Object.fromEntries(reasons.map(({ reason, count }) => [reason, count])),
    devices,
    warnings: modeWarnings(tenant.mode),
  };
}

export function addConnection(app: AdminApp, services: AdminServices): void {
  const { missingApplication, sql, tenants } = services;

  /** `reports`: what was held and is due at once. */
  const setPaused = async (
    c: Context<AdminEnv>,
    { displayName, tenantId }: Tenant,
    value: boolean,
  ): Promise<{ etag: string; reports: number }> => {
    const done = await changing(c, sql, async (tx, note) => {
      const row = await pauseTenant(tx, tenantId, value);
      if (!row) throw unknownTenant();
      const reports = value ? 0 : await recheckHeld(tx, tenantId, { retracted: true });
      note({
        tenantId,
        action: value ? 'connection.pause' : 'connection.resume',
        object: { kind: 'connection', id: tenantId, name: displayName },
        before: { paused: row.before },
        after: { paused: value },
      });
      return { etag: etag(row.version), reports };
    });
    tenants.forget(tenantId);
    return done;
  };

  app.openapi(connect, async (c) => {
    const tenant = await tenantOf(c, sql);
    requireRole(c, 'admin');
    checkIfMatch(c.req.header('if-match'), tenant.version);
    // A manual tenant brings its own application.
    const missing = tenant.connectionType === 'manual' ? undefined : missingApplication(tenant.cloud);
    if (missing !== undefined)
      throw new ProblemError(problem('conflict', missing, { owner: 'configuration' }));
    const { consentUrls, expiresAt } = await services.connect(tenant, originOf(c));
    tenants.forget(tenant.tenantId);
    const urls = consentUrls.map(({ app: name, url }) => ({
      app: name as 'connector' | 'user-registration',
      url,
    }));
    return c.json({ consentUrls: urls, expiresAt: expiresAt.toISOString() }, 200);
  });
  app.openapi(pause, async (c) => {
    const tenant = await tenantOf(c, sql);
    requireRole(c, 'operator');
    checkIfMatch(c.req.header('if-match'), tenant.version);
    const { etag: tag } = await setPaused(c, tenant, true);
    return c.json({ tenantId: tenant.tenantId, paused: true }, 200, { etag: tag });
  });
  app.openapi(resume, async (c) => {
    const tenant = await tenantOf(c, sql);
    requireRole(c, 'operator');
    checkIfMatch(c.req.header('if-match'), tenant.version);
    const { tenantId } = tenant;
    if (c.req.valid('query')['dry-run'] === 'true') {
      const held = await countHeld(sql, tenantId);
      return c.json({ tenantId, paused: tenant.paused, dryRun: true, reports: held }, 200);
    }
    const { etag: tag, reports } = await setPaused(c, tenant, false);
    return c.json({ tenantId, paused: false, dryRun: false, reports }, 200, { etag: tag });
  });
  app.openapi(status, async (c) => c.json(await readStatus(services, await tenantOf(c, sql)), 200));
}
