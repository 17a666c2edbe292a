import { createRoute, z } from '@hono/zod-openapi';
import type { MigrationPlan } from '../../connection/migration-plan.ts';
import { ProblemError, problem } from '../../problems.ts';
import { requireRole, tenantOf } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { nothingChanged, originOf } from '../recording.ts';
import {
  checkIfMatch,
  commonProblems,
  instant,
  instantOrNull,
  invalidField,
  iso,
  jsonAnswer,
  problemAnswer,
  tenantPath,
} from '../schemas.ts';

/** `/tenants/{tenantId}/migrate`: a change of mode or connection type as a plan, and its doing. */

const mode = z.enum(['device-compliance', 'conditional-access']);
const connectionType = z.enum(['cloud-connector', 'manual']);
const target = z.object({ mode, connectionType }).openapi('MigrationTarget');
const isoDateOrNull = z.string().nullable().openapi({ format: 'date', example: '2024-09-01' });

const planSchema = z
  .object({
    from: target,
    to: target,
    dryRun: z.boolean(),
    steps: z.array(
      z.object({
        name: z.string(),
        who: z.enum(['espalier', 'operator']),
        done: z.boolean(),
        detail: z.string(),
      }),
    ),
    window: z.object({ startsAt: instant, endsAt: instant, hoursLeft: z.number() }).optional(),
    dates: z.object({
      terminatedAt: instantOrNull,
      deprovisionedAt: instantOrNull,
      devicesMarkedAt: instantOrNull,
      devicesRemovedAt: instantOrNull,
      conditionalAccessEndedOn: isoDateOrNull,
      conditionalAccessExtendedTo: isoDateOrNull,
    }),
    devices: z.number().int(),
    warnings: z.array(z.string()),
  })
  .openapi('MigrationPlan');

const migrate = createRoute({
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/migrate',
  operationId: 'migrateTenant',
  tags: ['Connection'],
  summary:
    'Plan a change of mode or connection type; with dry-run=false take the steps that Espalier can take',
  request: {
    params: tenantPath,
    body: {
      required: true,
      content: {
        'application/json': {
          schema: z
            .object({ mode: mode.optional(), connectionType: connectionType.optional() })
            .strict()
            .openapi('Migrate'),
        },
      },
    },
    query: z
      .object({
        'dry-run': z
          .enum(['true', 'false'])
          .default('true')
          .openapi({ description: 'false: also take the steps that Espalier itself can take' }),
      })
      .strict(),
  },
  responses: {
    200: jsonAnswer(planSchema, 'The plan with what is done and what is left'),
    ...commonProblems,
    409: problemAnswer('conflict'),
    412: problemAnswer('precondition-failed'),
  },
});

const describe = ({
  dates,
  steps,
  warnings,
  window,
  ...plan
}: MigrationPlan): z.infer<typeof planSchema> => ({
  ...plan,
  steps: [...steps],
  ...(window === undefined
    ? {}
    : {
        window: {
          startsAt: window.startsAt.toISOString(),
          endsAt: window.endsAt.toISOString(),
          hoursLeft: window.hoursLeft,
        },
      }),
  dates: {
    ...dates,
    terminatedAt: iso(dates.terminatedAt),
    deprovisionedAt: iso(dates.deprovisionedAt),
    devicesMarkedAt: iso(dates.devicesMarkedAt),
    devicesRemovedAt: iso(dates.devicesRemovedAt),
  },
  warnings: [...warnings],
});

export function addMigration(app: AdminApp, services: AdminServices): void {
  const { sql } = services;
  app.openapi(migrate, async (c) => {
    const tenant = await tenantOf(c, sql);
    requireRole(c, 'admin');
    checkIfMatch(c.req.header('if-match'), tenant.version);
    const given = c.req.valid('json');
    if (given.mode === undefined && given.connectionType === undefined)
      throw invalidField('mode', 'give mode, connectionType or both');
    const to = {
      mode: given.mode ?? tenant.mode,
      connectionType: given.connectionType ?? tenant.connectionType,
    };
    if (c.req.valid('query')['dry-run'] === 'true') {
      nothingChanged(c);
      return c.json(describe(await services.planMigration(tenant, to)), 200);
    }
    const result = await services.migrate(tenant, to, originOf(c));
    if (!result.ok) throw new ProblemError(problem('conflict', result.detail, { owner: result.owner }));
    if (!result.changed) nothingChanged(c);
    return c.json(describe(result.plan), 200);
  });
}
