import { createRoute, z } from '@hono/zod-openapi';
import { countResync } from '../../connection/resync.ts';
import { type ConnectionEvent, nextState } from '../../connection/state.ts';
import { ProblemError, problem } from '../../problems.ts';
import type { Sql } from '../../store/database.ts';
import { countReports, totalOf } from '../../store/reports/counts.ts';
import type { Tenant } from '../../store/tenants/tenant.ts';
import { requireRole, tenantOf } from '../access.ts';
import { createSecondPerson, waitsForApproval } from '../approvals/second-person.ts';
import type { AdminApp, AdminServices, Departure, PermissionAnswer } from '../context.ts';
import { originOf } from '../recording.ts';
import {
  checkIfMatch,
  commonProblems,
  dryRunQuery,
  instant,
  jsonAnswer,
  problemAnswer,
  tenantPath,
  versionProblem,
} from '../schemas.ts';

/** Leaving, and what the applications may: disable, disconnect, resync, permissions. */

const tags = ['Connection'];
const params = { request: { params: tenantPath } };
const dryParams = { request: { params: tenantPath, query: dryRunQuery } };
const conflict = { 409: problemAnswer('conflict') };

const departure = z
  .object({ tenantId: z.string(), before: z.string(), connectionState: z.string() })
  .openapi('Departure');

const disable = createRoute({
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/disable',
  operationId: 'disableTenant',
  tags,
  summary: 'Deprovision at Intune and keep all configuration, routes and reports',
  ...dryParams,
  responses: {
    200: jsonAnswer(
      departure.extend({ dryRun: z.boolean(), devices: z.number().int() }).openapi('Disabled'),
      'Disabled, or would be',
    ),
    ...commonProblems,
    ...conflict,
    ...versionProblem,
  },
});

const disconnect = createRoute({
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/disconnect',
  operationId: 'disconnectTenant',
  tags,
  summary: 'End the connection; with retract Intune is first told that no device is managed or compliant',
  request: {
    params: tenantPath,
    body: {
      content: {
        'application/json': {
          schema: z
            .object({ retract: z.boolean().default(false) })
            .strict()
            .openapi('Disconnect'),
        },
      },
    },
    query: dryRunQuery,
  },
  responses: {
    200: jsonAnswer(
      departure
        .extend({ dryRun: z.boolean(), devices: z.number().int(), retracting: z.number().int() })
        .openapi('Disconnected'),
      'Ended, or on its way while devices are retracted: see status',
    ),
    ...waitsForApproval,
    ...commonProblems,
    ...conflict,
    ...versionProblem,
  },
});

const resync = createRoute({
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/resync',
  operationId: 'resyncTenant',
  tags,
  summary: 'Tell Intune every state again, without delaying what is new',
  ...dryParams,
  responses: {
    200: jsonAnswer(
      z.object({ tenantId: z.string(), dryRun: z.boolean(), reports: z.number().int() }).openapi('Resync'),
      'Reports that are due again, or would be',
    ),
    ...commonProblems,
    ...versionProblem,
  },
});

const permissions = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/permissions',
  operationId: 'getTenantPermissions',
  tags,
  summary: 'What both applications hold against what they must hold, read now',
  ...params,
  responses: {
    200: jsonAnswer(
      z
        .object({
          checkedAt: instant,
          applications: z.array(
            z.object({
              app: z.string(),
              state: z.string(),
              expected: z.array(z.string()),
              granted: z.array(z.string()),
              missing: z.array(z.string()),
              extra: z.array(z.string()),
              problem: z
                .object({ cause: z.string(), detail: z.string(), remedy: z.string(), owner: z.string() })
                .optional(),
            }),
          ),
        })
        .openapi('Permissions'),
      'Permissions',
    ),
    ...commonProblems,
    ...conflict,
  },
});

function requireMoved<T extends Departure>(result: T): Extract<T, { ok: true }> {
  if (!result.ok) {
    throw new ProblemError(problem('conflict', `This does not fit a connection that is ${result.state}.`));
  }
  return result as Extract<T, { ok: true }>;
}

const countDevices = async (sql: Sql, tenantId: string): Promise<number> =>
  totalOf(await countReports(sql, tenantId));

function wouldMove({ connectionState: state }: Tenant, event: ConnectionEvent): Departure {
  const after = nextState(state, event);
  return after === undefined ? { ok: false, state } : { ok: true, before: state, after };
}

function shownPermissions({ applications, checkedAt }: PermissionAnswer) {
  return {
    checkedAt,
    applications: applications.map(({ expected, extra, granted, missing, problem: why, ...found }) => ({
      app: found.app,
      state: found.state,
      expected: [...expected],
      granted: [...granted],
      missing: [...missing],
      extra: [...extra],
      ...(why === undefined ? {} : { problem: why }),
    })),
  };
}

export function addLeaving(app: AdminApp, services: AdminServices): void {
  const { resync: resyncTenant, sql } = services;
  const secondPerson = createSecondPerson(services);

  app.openapi(disable, async (c) => {
    const tenant = await tenantOf(c, sql);
    requireRole(c, 'admin');
    checkIfMatch(c.req.header('if-match'), tenant.version);
    const { tenantId } = tenant;
    const devices = await countDevices(sql, tenantId);
    if (c.req.valid('query')['dry-run'] === 'true') {
      const { after, before } = requireMoved(wouldMove(tenant, 'disabled'));
      return c.json({ tenantId, before, connectionState: after, dryRun: true, devices }, 200);
    }
    const { after, before } = requireMoved(await services.disable(tenant, originOf(c)));
    return c.json({ tenantId, before, connectionState: after, dryRun: false, devices }, 200);
  });
  app.openapi(disconnect, async (c) => {
    const tenant = await tenantOf(c, sql);
    requireRole(c, 'admin');
    checkIfMatch(c.req.header('if-match'), tenant.version);
    const { tenantId } = tenant;
    const retract = c.req.valid('json')?.retract ?? false;
    const devices = await countDevices(sql, tenantId);
    // Refused here where it does not fit, so that a dry run says so and nobody approves it.
    requireMoved(wouldMove(tenant, 'disconnect-started'));
    if (c.req.valid('query')['dry-run'] === 'true') {
      const would = { tenantId, before: tenant.connectionState, connectionState: tenant.connectionState };
      return c.json({ ...would, dryRun: true, devices, retracting: retract ? devices : 0 }, 200);
    }
    const retraction = retract ? ', telling Intune of every device that it is not managed' : '';
    const summary = `Disconnect the tenant ${tenant.displayName}${retraction}`;
    const waiting = await secondPerson(c, { tenantId, action: 'connection.disconnect', devices, summary });
    if (waiting) return c.json(waiting, 202, { location: waiting.href });
    const {
      after,
      before,
      retracting = 0,
    } = requireMoved(await services.disconnect(tenant, retract, originOf(c)));
    return c.json({ tenantId, before, connectionState: after, dryRun: false, devices, retracting }, 200);
  });
  app.openapi(resync, async (c) => {
    const { tenantId, version } = await tenantOf(c, sql);
    requireRole(c, 'operator');
    checkIfMatch(c.req.header('if-match'), version);
    const dryRun = c.req.valid('query')['dry-run'] === 'true';
    const reports = dryRun ? await countResync(sql, tenantId) : await resyncTenant(tenantId, originOf(c));
    return c.json({ tenantId, dryRun, reports }, 200);
  });
  app.openapi(permissions, async (c) => {
    const tenant = await tenantOf(c, sql);
    const found = await services.checkPermissions(tenant);
    if (!found) {
      throw new ProblemError(
        problem('conflict', `No connector application is configured for the cloud ${tenant.cloud}.`, {
          owner: 'configuration',
        }),
      );
    }
    return c.json(shownPermissions(found), 200);
  });
}
