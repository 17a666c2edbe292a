import { createRoute, z } from '@hono/zod-openapi';
import { ProblemError, problem } from '../../problems.ts';
import { requireRole, tenantOf } from '../access.ts';
import type { AdminApp, AdminServices, Departure } from '../context.ts';
import { originOf } from '../recording.ts';
import { commonProblems, instant, jsonAnswer, problemAnswer, step, tenantPath } from '../schemas.ts';

/** Leaving and coming back, and what the applications may: enable, disable, disconnect, resync, permissions. */

const tags = ['Connection'];
const params = { request: { params: tenantPath } };
const conflict = { 409: problemAnswer('conflict') };

const enable = createRoute({
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/enable',
  operationId: 'enableTenant',
  tags,
  summary: 'Provision the tenant at Intune again and test every step',
  ...params,
  responses: {
    200: jsonAnswer(z.object({ ok: z.boolean(), steps: z.array(step) }).openapi('Enable'), 'Every step'),
    ...commonProblems,
  },
});

const departure = z
  .object({ tenantId: z.string(), before: z.string(), connectionState: z.string() })
  .openapi('Departure');

const disable = createRoute({
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/disable',
  operationId: 'disableTenant',
  tags,
  summary: 'Deprovision at Intune and keep all configuration, routes and reports',
  ...params,
  responses: { 200: jsonAnswer(departure, 'Disabled'), ...commonProblems, ...conflict },
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
    query: z.object({ 'dry-run': z.enum(['true', 'false']).default('false') }).strict(),
  },
  responses: {
    200: jsonAnswer(
      departure
        .extend({ dryRun: z.boolean(), devices: z.number().int(), retracting: z.number().int() })
        .openapi('Disconnected'),
      'Ended, or on its way while devices are retracted: see status',
    ),
    ...commonProblems,
    ...conflict,
  },
});

const resync = createRoute({
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/resync',
  operationId: 'resyncTenant',
  tags,
  summary: 'Tell Intune every state again, without delaying what is new',
  ...params,
  responses: {
    200: jsonAnswer(
      z.object({ tenantId: z.string(), reports: z.number().int() }).openapi('Resync'),
      'Reports that are due again',
    ),
    ...commonProblems,
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

export function addLeaving(app: AdminApp, services: AdminServices): void {
  const { resync: resyncTenant, sql, tenants } = services;

  app.openapi(enable, async (c) => {
    const tenant = await tenantOf(c, sql);
    requireRole(c, 'admin');
    const result = await services.enable(tenant, originOf(c));
    tenants.forget(tenant.tenantId);
    return c.json(result, 200);
  });
  app.openapi(disable, async (c) => {
    const tenant = await tenantOf(c, sql);
    requireRole(c, 'admin');
    const { after, before } = requireMoved(await services.disable(tenant, originOf(c)));
    return c.json({ tenantId: tenant.tenantId, before, connectionState: after }, 200);
  });
  app.openapi(disconnect, async (c) => {
    const tenant = await tenantOf(c, sql);
    requireRole(c, 'admin');
    const { tenantId } = tenant;
    const retract = c.req.valid('json')?.retract ?? false;
    const [known] = await sql<
      { devices: number }[]
    >`select count(*) as devices from reports where tenant_id = ${tenantId}`;
    const devices = known?.devices ?? 0;
    if (c.req.valid('query')['dry-run'] === 'true') {
      const would = { tenantId, before: tenant.connectionState, connectionState: tenant.connectionState };
      return c.json({ ...would, dryRun: true, devices, retracting: retract ? devices : 0 }, 200);
    }
    const {
      after,
      before,
      retracting = 0,
    } = requireMoved(await services.disconnect(tenant, retract, originOf(c)));
    return c.json({ tenantId, before, connectionState: after, dryRun: false, devices, retracting }, 200);
  });
  app.openapi(resync, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    requireRole(c, 'operator');
    return c.json({ tenantId, reports: await resyncTenant(tenantId, originOf(c)) }, 200);
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
    const applications = found.applications.map(
      ({ app: name, expected, extra, granted, missing, problem: why, state }) => ({
        app: name,
        state,
        expected: [...expected],
        granted: [...granted],
        missing: [...missing],
        extra: [...extra],
        ...(why === undefined ? {} : { problem: why }),
      }),
    );
    return c.json({ checkedAt: found.checkedAt, applications }, 200);
  });
}
