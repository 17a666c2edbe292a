import { createRoute, z } from '@hono/zod-openapi';
import { readConvergence } from '../../store/gateway-processes.ts';
import { tenantOf } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { commonProblems, instant, jsonAnswer, tenantPath } from '../schemas.ts';

/** `/tenants/{tenantId}/routes/convergence`: which process serves which version of the tenant's routes. */

const convergenceSchema = z
  .object({
    version: z.number().int(),
    processes: z.array(
      z.object({
        process: z.string(),
        startedAt: instant,
        seenAt: instant,
        version: z.number().int(),
        current: z.boolean(),
        cachedRoutes: z.number().int(),
      }),
    ),
  })
  .openapi('RouteConvergence');

const convergence = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/routes/convergence',
  operationId: 'getRouteConvergence',
  tags: ['Routes'],
  summary: "Which process serves which version of the tenant's routes",
  request: { params: tenantPath },
  responses: { 200: jsonAnswer(convergenceSchema, 'Convergence'), ...commonProblems },
});

export function addConvergence(app: AdminApp, { sql }: AdminServices): void {
  app.openapi(convergence, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    const { processes, version } = await readConvergence(sql, tenantId);
    return c.json(
      {
        version,
        processes: processes.map(({ seenAt, startedAt, ...rest }) => ({
          ...rest,
          startedAt: startedAt.toISOString(),
          seenAt: seenAt.toISOString(),
        })),
      },
      200,
    );
  });
}
