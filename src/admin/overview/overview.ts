import { createRoute, z } from '@hono/zod-openapi';
import { attentionKinds } from '../../alerts/attention.ts';
import { attentionShown } from '../../limits.ts';
import type { AdminApp, AdminServices, Operator } from '../context.ts';
import { tagOf } from '../entity-tags.ts';
import { commonProblems, instantOrNull, iso, jsonAnswer, paging } from '../schemas.ts';
import { attention } from './attention.ts';
import { createKept } from './kept.ts';
import { createAttention, scopeOf } from './read-attention.ts';
import { readTenantPage } from './tenant-page.ts';

/** `/overview`: what needs a person, then how the tenants are. */

const overview = z
  .object({
    attention: z.object({
      totalCount: z.number().int(),
      kinds: z.array(z.object({ kind: z.enum(attentionKinds), count: z.number().int() })),
      results: z.array(attention).openapi({ description: `The ${attentionShown} most urgent` }),
    }),
    totalCount: z.number().int(),
    results: z.array(
      z
        .object({
          tenantId: z.string(),
          displayName: z.string(),
          connectionState: z.string(),
          held: z.boolean(),
          paused: z.boolean(),
          instances: z.number().int(),
          backlog: z.object({
            computers: z.number().int(),
            reports: z.number().int(),
            isLeast: z
              .boolean()
              .openapi({ description: 'There may be more: counting ended at these numbers' }),
          }),
          oldestUndeliveredAt: instantOrNull.openapi({
            description: 'Since when Intune lacks the state that has waited longest',
          }),
          lastHeartbeatAt: instantOrNull,
        })
        .openapi('OverviewTenant'),
    ),
  })
  .openapi('Overview');

const read = createRoute({
  method: 'get',
  path: '/api/v1/overview',
  operationId: 'getOverview',
  tags: ['About'],
  summary: 'What needs a person, and how the tenants are',
  request: {
    query: paging.omit({ sort: true }).extend({
      kind: z
        .enum(attentionKinds)
        .optional()
        .openapi({ description: 'Only what needs a person for this kind of reason' }),
    }),
  },
  responses: { 200: jsonAnswer(overview, 'Overview'), ...commonProblems },
});

type Overview = z.infer<typeof overview>;

interface Asked {
  readonly kind: (typeof attentionKinds)[number] | undefined;
  readonly page: number;
  readonly size: number;
}

/** Hashed once for everybody who asks in the same moment. */
interface Tagged {
  readonly found: Overview;
  readonly tag: string;
}

function createOverview(services: AdminServices): (operator: Operator, asked: Asked) => Promise<Tagged> {
  const attentionOf = createAttention(services);
  const keep = createKept<Tagged>(services.sharing);
  const read = async (operator: Operator, { kind: only, page, size }: Asked): Promise<Overview> => {
    const [all, { rows, totalCount }] = await Promise.all([
      attentionOf(operator),
      readTenantPage(services.sql, operator.tenantIds, { page, size }),
    ]);
    const chosen = only === undefined ? all : all.filter(({ kind }) => kind === only);
    const kinds = attentionKinds
      .map((kind) => ({ kind, count: all.filter((one) => one.kind === kind).length }))
      .filter(({ count }) => count > 0);
    const results = rows.map(
      ({ computers, isLeast, lastHeartbeatAt, oldestUndeliveredAt, reports, ...row }) => ({
        ...row,
        backlog: { computers, reports, isLeast },
        oldestUndeliveredAt: iso(oldestUndeliveredAt),
        lastHeartbeatAt: iso(lastHeartbeatAt),
      }),
    );
    return {
      attention: { totalCount: chosen.length, kinds, results: chosen.slice(0, attentionShown) },
      totalCount,
      results,
    };
  };
  return (operator, asked) =>
    keep(JSON.stringify([scopeOf(operator), asked.kind, asked.page, asked.size]), async () => {
      const found = await read(operator, asked);
      return { found, tag: await tagOf(JSON.stringify(found)) };
    });
}

export function addOverview(app: AdminApp, services: AdminServices): void {
  const overviewOf = createOverview(services);
  app.openapi(read, async (c) => {
    const { kind, page, 'page-size': size } = c.req.valid('query');
    const { found, tag } = await overviewOf(c.get('operator'), { kind, page, size });
    return c.json(found, 200, { etag: tag });
  });
}
