import { createRoute, z } from '@hono/zod-openapi';
import { requireRole } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { requireFilter } from '../filter.ts';
import { conditionSql, fragmentOf } from '../filter-sql.ts';
import { nothingChanged, recordChange } from '../recording.ts';
import { commonProblems, dryRunQuery, invalidField, jsonAnswer, problemAnswer } from '../schemas.ts';
import { filterOfTenant } from './filter-of-tenant.ts';
import { report } from './reports.ts';

/** `/reports/replay`: telling Intune again what an operator picks. */

const replay = createRoute({
  method: 'post',
  path: '/api/v1/reports/replay',
  operationId: 'replayReports',
  tags: ['Reports'],
  summary:
    'Make the failed, held, completed or verified reports that a filter matches due again, behind what is new',
  request: {
    body: {
      required: true,
      content: {
        'application/json': {
          schema: z
            .object({
              filter: z.string().openapi({
                description: report.filterText,
                example: 'state==failed;reason==user-not-assigned',
              }),
            })
            .strict()
            .openapi('ReplayRequest'),
        },
      },
    },
    query: dryRunQuery,
  },
  responses: {
    202: jsonAnswer(
      z
        .object({
          matched: z.number().int(),
          replayed: z.number().int(),
          skipped: z.number().int(),
          ratePerSecond: z.number().int(),
          dryRun: z.boolean(),
          sample: z.array(
            z.object({
              tenantId: z.string(),
              deviceId: z.string(),
              state: z.string(),
              reason: z.string().nullable(),
            }),
          ),
        })
        .openapi('Replay'),
      'Due again, at most so many a second for each tenant; skipped ones are under way already. A dry run: would be',
    ),
    ...commonProblems,
    415: problemAnswer('unsupported-media-type'),
  },
});

export function addReplay(app: AdminApp, services: AdminServices): void {
  app.openapi(replay, async (c) => {
    const { id: keyId, name, tenantIds } = requireRole(c, 'operator');
    const { filter } = c.req.valid('json');
    if (filter.trim() === '') {
      throw invalidField('filter', 'must name the reports; without one every report would be told again');
    }
    const condition = requireFilter(filter, report.filterFields);
    const { sample, ...counts } = await services.replay({
      matching: (sql) => fragmentOf(sql, conditionSql(condition)),
      tenantIds,
      dryRun: c.req.valid('query')['dry-run'] === 'true',
      filter,
      author: { name, keyId },
      note: (tx, tenantId, reports) =>
        recordChange(c, tx, {
          tenantId,
          action: 'reports.replay',
          object: { kind: 'reports', id: tenantId },
          after: { filter: filterOfTenant(filter, condition, tenantId), reports },
        }),
    });
    if (counts.replayed === 0) nothingChanged(c);
    return c.json({ ...counts, sample: sample.map((one) => ({ ...one })) }, 202);
  });
}
