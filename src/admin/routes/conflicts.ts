import { createRoute, z } from '@hono/zod-openapi';
import { type StoredClaim, storedClaims } from '../../routing/claim-rows.ts';
import { explainDecision } from '../../routing/explain.ts';
import { counts, type Standing, sameComputer } from '../../routing/rules.ts';
import type { Fragment, Sql } from '../../store/database.ts';
import { tenantOf } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { requireFilter } from '../filter.ts';
import type { FilterFields } from '../filter-fields.ts';
import { conditionSql } from '../filter-sql.ts';
import {
  commonProblems,
  filteredPaging,
  instantOrNull,
  iso,
  jsonAnswer,
  type ListColumn,
  listOf,
  orderBy,
  parseSort,
  tenantPath,
} from '../schemas.ts';
import { computerOrNull, computerSchema } from './computer.ts';

/** `/tenants/{tenantId}/routes/conflicts`: devices that several computers pull at, and what that costs. */

const pains = ['opposite-verdicts', 'same-verdict', 'unknown'] as const;

const conflictSchema = z
  .object({
    deviceId: z.string(),
    /** Without Espalier: `opposite-verdicts`, what Entra shows depends on who reports last. */
    pain: z.enum(pains),
    /** Who has the device; null while nobody does. */
    winner: computerSchema.nullable(),
    rule: z.string(),
    claims: z.array(
      computerSchema.extend({
        verdict: z.string().nullable(),
        lastEnrolledDate: instantOrNull,
        lastCheckIn: instantOrNull,
        serialNumber: z.string().nullable(),
        udid: z.string().nullable(),
        wins: z.boolean(),
      }),
    ),
  })
  .openapi('RouteConflict');

const filterFields: FilterFields = {
  deviceId: { type: 'uuid', column: 'x.device_id' },
  pain: { type: 'enum', column: 'x.pain', values: pains },
};

const routeConflictsTable: readonly ListColumn[] = [
  { field: 'deviceId', whole: true, importance: 1 },
  { field: 'pain', importance: 2 },
  { field: 'winner.instanceId', title: 'winner', whole: true, importance: 3 },
  { field: 'rule', importance: 4 },
  { field: 'claims', importance: 5 },
];

const list = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/routes/conflicts',
  operationId: 'listRouteConflicts',
  tags: ['Routes'],
  summary:
    'Devices that two or more computers of enabled instances claim, with what each says and who has them',
  request: { params: tenantPath, query: filteredPaging(filterFields) },
  responses: {
    200: jsonAnswer(listOf(conflictSchema, 'RouteConflicts', routeConflictsTable), 'Conflicts'),
    ...commonProblems,
  },
});

/** Only claims that count pull: a disabled instance's rest, and those on retired registrations. */
const contested = (sql: Sql, tenantId: string): Fragment => sql`
  (select c.device_id,
    case when bool_or(c.verdict = 'compliant') and bool_or(c.verdict = 'not-compliant') then 'opposite-verdicts'
         when bool_and(c.verdict in ('compliant', 'not-compliant')) then 'same-verdict' else 'unknown' end as pain
   from claims c join instances i on i.tenant_id = c.tenant_id and i.instance_id = c.instance_id
   where c.tenant_id = ${tenantId} and i.enabled and not c.stale
   group by c.device_id having count(*) > 1) x`;

interface RouteRow extends Standing {
  readonly deviceId: string;
  readonly rule: string;
  readonly version: number;
  readonly since: Date;
}

function describe(
  { deviceId, pain }: { deviceId: string; pain: (typeof pains)[number] },
  route: RouteRow | undefined,
  known: readonly StoredClaim[],
): z.infer<typeof conflictSchema> {
  const { rule } = explainDecision({ standing: route, last: route, claims: known });
  return {
    deviceId,
    pain,
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

export function addRouteConflicts(app: AdminApp, { sql }: AdminServices): void {
  app.openapi(list, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    const { filter: text, page, 'page-size': pageSize, sort } = c.req.valid('query');
    const filter = text === undefined ? undefined : requireFilter(text, filterFields);
    const order = orderBy(parseSort(sort, { deviceId: 'x.device_id', pain: 'x.pain' }, 'deviceId:asc'));
    const [total] = await sql<{ count: number }[]>`
      select count(*) as count from ${contested(sql, tenantId)} where ${conditionSql(sql, filter)}`;
    const found = await sql<{ deviceId: string; pain: (typeof pains)[number] }[]>`
      select x.device_id as "deviceId", x.pain from ${contested(sql, tenantId)} where ${conditionSql(sql, filter)}
      order by ${sql.unsafe(order)}, x.device_id limit ${pageSize} offset ${page * pageSize}`;
    const ids = found.map(({ deviceId }) => deviceId);
    const claims = await storedClaims(sql, tenantId, ids);
    const routes = await sql<RouteRow[]>`
      select device_id as "deviceId", instance_id as "instanceId", jamf_computer_id as "jamfComputerId", pinned,
        placed_at as "placedAt", rule, version, since
      from routes where tenant_id = ${tenantId} and device_id = any(${ids}::uuid[])`;
    const routeOf = new Map(routes.map((route) => [route.deviceId, route]));
    const results = found.map((one) =>
      describe(one, routeOf.get(one.deviceId), claims.get(one.deviceId) ?? []),
    );
    return c.json({ totalCount: total?.count ?? 0, results }, 200);
  });
}
