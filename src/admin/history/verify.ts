import { createRoute, z } from '@hono/zod-openapi';
import { noTenant } from '../../store/history.ts';
import { verifyHistory } from '../../store/verify-history.ts';
import { requireRole } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { commonProblems, jsonAnswer } from '../schemas.ts';

/** `/history/verify`: whether the chains that the operator may see are as they were written. */

const verify = createRoute({
  method: 'get',
  path: '/api/v1/history/verify',
  operationId: 'verifyHistory',
  tags: ['History'],
  summary: 'Check every entry against the one before it and each chain against its end',
  responses: {
    200: jsonAnswer(
      z
        .object({
          ok: z.boolean(),
          entries: z.number().int().openapi({ description: 'Entries that were found right.' }),
          brokenAt: z
            .object({
              tenantId: z.string().nullable(),
              sequence: z.number().int(),
              fault: z.enum(['changed', 'missing', 'unexpected']),
            })
            .optional()
            .openapi({ description: 'The first that is not; what comes after it is not looked at.' }),
        })
        .openapi('HistoryVerified'),
      'What was found',
    ),
    ...commonProblems,
  },
});

export function addHistoryVerify(app: AdminApp, { sql }: AdminServices): void {
  app.openapi(verify, async (c) => {
    const { tenantIds } = requireRole(c, 'viewer');
    const { brokenAt, entries } = await verifyHistory(sql, tenantIds);
    if (brokenAt === undefined) return c.json({ ok: true, entries }, 200);
    const tenantId = brokenAt.tenantId === noTenant ? null : brokenAt.tenantId;
    return c.json({ ok: false, entries, brokenAt: { ...brokenAt, tenantId } }, 200);
  });
}
