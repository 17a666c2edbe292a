import { createRoute, z } from '@hono/zod-openapi';
import { and, count, eq, gt, inArray, sql } from 'drizzle-orm';
import { QueryBuilder } from 'drizzle-orm/pg-core';
import { explainDecision } from '../../routing/explain.ts';
import { counts, type Standing } from '../../routing/rules.ts';
import { sameComputer } from '../../store/claims/claim.ts';
import { type StoredClaim, storedClaims } from '../../store/claims/claims.ts';
import { query } from '../../store/query.ts';
import { claims, instances, routes } from '../../store/schema.ts';
import { tenantOf } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { instanceOfClaim, pulls } from '../devices/contested.ts';
import { resource } from '../resource/resource.ts';
import { commonProblems, instantOrNull, iso, jsonAnswer, tenantPath } from '../schemas.ts';
import { computerOrNull, computerSchema } from './computer.ts';

/** `/tenants/{tenantId}/routes/conflicts`: devices that several computers pull at, and what that costs. */

const pains = ['opposite-verdicts', 'same-verdict', 'unknown'] as const;
type Pain = (typeof pains)[number];

const contested = new QueryBuilder()
  .select({
    tenantId: claims.tenantId,
    deviceId: claims.deviceId,
    pain: sql<Pain>`
      case when bool_or(${claims.verdict} = 'compliant') and bool_or(${claims.verdict} = 'not-compliant')
           then 'opposite-verdicts'
           when bool_and(${claims.verdict} in ('compliant', 'not-compliant')) then 'same-verdict'
           else 'unknown' end`.as('pain'),
  })
  .from(claims)
  .innerJoin(instances, instanceOfClaim)
  .where(pulls)
  .groupBy(claims.tenantId, claims.deviceId)
  .having(gt(count(), 1))
  .as('x');

const conflict = resource({
  names: ['RouteConflict', 'RouteConflicts'],
  from: contested,
  columns: contested._.selectedFields,
  fields: ({ beside, column }) => ({
    deviceId: column('deviceId', { filter: true, sort: true }),
    /** Without Espalier: `opposite-verdicts`, what Entra shows depends on who reports last. */
    pain: column('pain', { schema: z.enum(pains), filter: pains, sort: true }),
    /** Instance that has the device; null while none does. */
    winner: beside(computerSchema.nullable()),
    rule: beside(z.string()),
    claims: beside(
      z.array(
        computerSchema.extend({
          verdict: z.string().nullable(),
          lastEnrolledDate: instantOrNull,
          lastCheckIn: instantOrNull,
          serialNumber: z.string().nullable(),
          udid: z.string().nullable(),
          wins: z.boolean(),
        }),
      ),
    ),
  }),
  table: [
    { field: 'deviceId', whole: true, importance: 1 },
    { field: 'pain', importance: 2 },
    { field: 'winner.instanceId', title: 'winner', whole: true, names: 'instance', importance: 3 },
    { field: 'rule', importance: 4 },
    { field: 'claims', importance: 5 },
  ],
  sort: 'deviceId:asc',
  key: [contested.deviceId],
});

const list = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/routes/conflicts',
  operationId: 'listRouteConflicts',
  tags: ['Routes'],
  summary:
    'Devices that two or more computers of enabled instances claim, with what each says and who has them',
  request: { params: tenantPath, query: conflict.query },
  responses: {
    200: jsonAnswer(conflict.list, 'Conflicts'),
    ...commonProblems,
  },
});

interface RouteRow extends Standing {
  readonly rule: string;
  readonly version: number;
  readonly since: Date;
}

function standing(route: RouteRow | undefined, known: readonly StoredClaim[]) {
  const { rule } = explainDecision({ standing: route, last: route, claims: known });
  return {
    winner: computerOrNull(route?.instanceId, route?.jamfComputerId),
    rule,
    claims: known.filter(counts).map((claim) => ({
      instanceId: claim.instanceId,
      jamfComputerId: String(claim.jamfComputerId),
      verdict: claim.verdict,
      lastEnrolledDate: iso(claim.lastEnrolledAt),
      lastCheckIn: iso(claim.lastCheckInAt),
      serialNumber: claim.serialNumber,
      udid: claim.udid,
      wins: route !== undefined && sameComputer(route, claim),
    })),
  };
}

export function addRouteConflicts(app: AdminApp, services: AdminServices): void {
  const { sql: client } = services;
  app.openapi(list, async (c) => {
    const { tenantId } = await tenantOf(c, client);
    const scope = eq(contested.tenantId, tenantId);
    const { rows, totalCount } = await conflict.readPage(services, c.req.valid('query'), scope);
    const ids = rows.map(({ deviceId }) => deviceId);
    const known = await storedClaims(client, tenantId, ids);
    const found = await query(client)
      .select()
      .from(routes)
      .where(and(eq(routes.tenantId, tenantId), inArray(routes.deviceId, ids)));
    const routeOf = new Map(found.map((route) => [route.deviceId, route]));
    const results = rows.map((row) =>
      conflict.show(row, standing(routeOf.get(row.deviceId), known.get(row.deviceId) ?? [])),
    );
    return c.json({ totalCount, results }, 200);
  });
}
