import { createRoute, z } from '@hono/zod-openapi';
import { checkNotRelayed } from '../../connection/cells/relay.ts';
import { readApplication, storedApplication } from '../../connection/tenant-credentials.ts';
import { ProblemError, problem } from '../../problems.ts';
import { isUniqueViolation, type Sql } from '../../store/database.ts';
import { deleteDeliveryCounts } from '../../store/delivery-counts.ts';
import { type HistoryOrigin, recorded } from '../../store/history.ts';
import { readInstance } from '../../store/instances/instance.ts';
import { endFence, type Placement, readPlacement, relayOf } from '../../store/placements.ts';
import { deleteReports } from '../../store/reports/due.ts';
import { deleteRoutes } from '../../store/routes/routes.ts';
import { tenants as tenantTable } from '../../store/schema.ts';
import { makeSubscriptionsDue } from '../../store/subscriptions.ts';
import { changeTenant, insertTenant, removeTenant } from '../../store/tenants/settings.ts';
import { lockTenant, readTenant, type Tenant } from '../../store/tenants/tenant.ts';
import { deleteTimelines } from '../../store/timeline.ts';
import { maySee, requireRole, requireUnbound, tenantOf } from '../access.ts';
import { requireAllowedAddress } from '../allowed-address.ts';
import { createSecondPerson, waitsForApproval } from '../approvals/second-person.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { rememberedAnswer } from '../outage/remembered.ts';
import { changing, differing, originOf } from '../recording.ts';
import { answerList } from '../resource/resource.ts';
import {
  checkIfMatch,
  commonProblems,
  dryRunFlag,
  etag,
  flag,
  invalidField,
  jsonAnswer,
  problemAnswer,
  tenantPath,
} from '../schemas.ts';
import { visibleTo } from '../scope.ts';
import { checkReference, createdWithReference, referenceWarnings } from '../secret-reference.ts';
import { relaySchema } from './move-out.ts';
import { changedTenant, type landing, newTenant, tenantResource } from './tenant-schema.ts';

/** `/tenants` and `/tenants/{tenantId}`. */

const tags = ['Tenants'];

const list = createRoute({
  method: 'get',
  path: '/api/v1/tenants',
  operationId: 'listTenants',
  tags,
  summary: 'The tenants this key may see',
  request: { query: tenantResource.query },
  responses: { 200: rememberedAnswer(tenantResource.list, 'Tenants'), ...commonProblems },
});

const create = createRoute({
  method: 'post',
  path: '/api/v1/tenants',
  operationId: 'createTenant',
  tags,
  summary: 'Add a tenant',
  request: { body: { required: true, content: { 'application/json': { schema: newTenant } } } },
  responses: {
    201: jsonAnswer(createdWithReference, 'Created'),
    ...commonProblems,
    409: problemAnswer('conflict'),
  },
});

const read = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}',
  operationId: 'getTenant',
  tags,
  summary: 'One tenant',
  request: { params: tenantPath },
  responses: { 200: rememberedAnswer(tenantResource.schema, 'Tenant'), ...commonProblems },
});

const change = createRoute({
  method: 'patch',
  path: '/api/v1/tenants/{tenantId}',
  operationId: 'changeTenant',
  tags,
  summary: 'Change a tenant',
  request: {
    params: tenantPath,
    body: { required: true, content: { 'application/json': { schema: changedTenant } } },
  },
  responses: {
    200: jsonAnswer(
      tenantResource.schema.extend({ warnings: referenceWarnings }).openapi('ChangedTenant'),
      'Tenant',
    ),
    ...commonProblems,
    412: problemAnswer('precondition-failed'),
  },
});

const removal = z
  .object({
    dryRun: z.boolean(),
    devices: z.number().int(),
    instances: z.number().int(),
    /** It ends with the tenant, whose keys go. */
    relay: relaySchema.nullable(),
  })
  .openapi('TenantRemoval');

const remove = createRoute({
  method: 'delete',
  path: '/api/v1/tenants/{tenantId}',
  operationId: 'deleteTenant',
  tags,
  summary:
    'Remove a tenant with all it has here; refused with devices, or while it is relayed, unless force=true',
  request: {
    params: tenantPath,
    query: z.object({
      force: flag('true: also with devices, whose routes and reports go with it'),
      'dry-run': dryRunFlag,
    }),
  },
  responses: {
    200: jsonAnswer(removal, 'What was removed, or would be'),
    ...waitsForApproval,
    ...commonProblems,
    409: problemAnswer('conflict'),
    412: problemAnswer('precondition-failed'),
  },
});

const noInstance = () => invalidField('landing.defaultInstanceId', 'is no instance of this tenant');

/** The default instance has to be the tenant's own, and the custom address one that anybody may be sent to. */
async function checkLanding(
  services: AdminServices,
  tenantId: string,
  given: z.infer<typeof landing> | undefined,
): Promise<void> {
  if (given?.customUrl !== undefined) {
    const { hostname, password, username } = new URL(given.customUrl);
    if (username !== '' || password !== '')
      throw invalidField('landing.customUrl', 'must be an https URL without a user');
    await requireAllowedAddress(services, hostname, 'landing.customUrl');
  }
  if (given?.defaultInstanceId === undefined) return;
  const instance = await readInstance(services.sql, tenantId, given.defaultInstanceId);
  if (!instance) throw noInstance();
}

/**
 * Every device that anything here is known of: disabling the instances first ends routes, and must not make a deletion a
 * small one.
 */
async function countKnown(sql: Sql, tenantId: string): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*) as count from (
      select device_id from routes where tenant_id = ${tenantId}
      union select device_id from claims where tenant_id = ${tenantId}
      union select device_id from reports where tenant_id = ${tenantId}) known`;
  return row?.count ?? 0;
}

async function deleteTenant(
  sql: Sql,
  tenantId: string,
  flags: { force: boolean; dryRun: boolean; leaving: Placement | undefined },
  by: HistoryOrigin,
) {
  return recorded(sql, by, async (tx, note) => {
    await lockTenant(tx, tenantId);
    const [counts] = await tx<{ devices: number; instances: number }[]>`
      select (select count(*) from routes where tenant_id = ${tenantId}) as devices,
             (select count(*) from instances where tenant_id = ${tenantId}) as instances`;
    const found = {
      devices: counts?.devices ?? 0,
      instances: counts?.instances ?? 0,
      relay: (flags.leaving && relayOf(flags.leaving)) ?? null,
    };
    if (flags.dryRun) return { dryRun: true, ...found };
    if (found.devices > 0 && !flags.force) {
      throw new ProblemError(
        problem(
          'conflict',
          `The tenant has ${found.devices} devices: they are removed with it only with force.`,
        ),
      );
    }
    await deleteReports(tx, tenantId);
    await deleteRoutes(tx, tenantId);
    await deleteTimelines(tx, tenantId);
    await deleteDeliveryCounts(tx, tenantId);
    const gone = await removeTenant(tx, tenantId);
    if (flags.leaving) await endFence(tx, tenantId);
    note({
      // The chain of a tenant that has left goes on where it lives.
      tenantId: flags.leaving ? undefined : tenantId,
      action: 'tenant.delete',
      object: { kind: 'tenant', id: tenantId, name: gone?.displayName },
      before: { ...(gone ? tenantResource.settings(gone) : {}), ...found },
    });
    return { dryRun: false, ...found };
  });
}

/**
 * Intune is told before the tenant's row goes: nobody would remember to do it afterwards. Throws `conflict` while
 * it could not be told.
 */
async function leaveIntune(services: AdminServices, tenant: Tenant, by: HistoryOrigin): Promise<void> {
  // One that has left before and could not tell Intune, its consent being gone, may be removed all the same.
  if (tenant.connectionState !== 'connected' && tenant.connectionState !== 'disconnecting') return;
  if (tenant.connectionState === 'connected') await services.disable(tenant, by);
  const now = await readTenant(services.sql, tenant.tenantId);
  if (now?.deprovisionWanted || now?.connectionState === 'disconnecting') {
    throw new ProblemError(
      problem(
        'conflict',
        'Intune has not been told yet that the connection ends; try again in a minute, see status.',
      ),
    );
  }
}

/** The placement of a tenant that lives elsewhere, of which Intune must not be told anything. Throws `conflict` while it may stay. */
async function readLeaving(sql: Sql, tenantId: string): Promise<Placement | undefined> {
  const placement = await readPlacement(sql, tenantId);
  if (!placement || placement.fencedAt === null) return undefined;
  if (placement.sealedAt !== null) return placement;
  throw new ProblemError(
    problem('conflict', 'The tenant is leaving, and no file of it was made yet: cancel its move-out first.'),
  );
}

export function addTenants(app: AdminApp, services: AdminServices): void {
  addReads(app, services);
  addCreate(app, services);
  addChange(app, services);
  addRemove(app, services);
}

function addReads(app: AdminApp, services: AdminServices): void {
  const { sql } = services;
  app.openapi(list, async (c) => {
    const scope = visibleTo(requireRole(c, 'viewer'), tenantTable.tenantId);
    return answerList(c, await tenantResource.page(services, c.req.valid('query'), scope));
  });
  app.openapi(read, async (c) => {
    const tenant = await tenantOf(c, sql);
    const own = (await readApplication(sql, tenant.tenantId)) ?? null;
    return c.json(tenantResource.show({ ...tenant, application: own }), 200, { etag: etag(tenant.version) });
  });
}

function addCreate(app: AdminApp, services: AdminServices): void {
  const { clouds, readReference, sealer, sql, tenants } = services;
  app.openapi(create, async (c) => {
    const operator = requireRole(c, 'admin');
    const body = c.req.valid('json');
    if (!maySee(operator, body.tenantId)) requireUnbound(c);
    if (!clouds.has(body.cloud)) throw invalidField('cloud', `is none of ${[...clouds.keys()].join(', ')}`);
    // A tenant that is not here yet has no instance; one that is here is a conflict, whatever instances it has.
    if (body.landing.defaultInstanceId !== undefined) throw noInstance();
    await checkLanding(services, body.tenantId, body.landing);
    const checked = await checkReference(c, readReference, 'application', body.application);
    const { partnerGroup = null, ...given } = body;
    const tenant = { ...given, tags: given.tags.toSorted() };
    const own = body.application && (await storedApplication(sealer, body.tenantId, body.application));
    try {
      await changing(c, sql, async (tx, note) => {
        const made = await insertTenant(tx, { ...tenant, partnerGroup, application: own ?? null });
        note({
          tenantId: body.tenantId,
          action: 'tenant.create',
          object: { kind: 'tenant', id: body.tenantId, name: body.displayName },
          after: { ...tenantResource.settings(made), ...(own ? { applicationSecret: 'set' } : {}) },
        });
      });
    } catch (error) {
      if (isUniqueViolation(error))
        throw new ProblemError(problem('conflict', 'The tenant is here already.'));
      throw error;
    }
    tenants.forget(body.tenantId);
    const href = `/api/v1/tenants/${body.tenantId}`;
    return c.json({ id: body.tenantId, href, ...checked }, 201, { location: href, etag: etag(1) });
  });
}

function addChange(app: AdminApp, services: AdminServices): void {
  const { readReference, sealer, sql, tenants } = services;
  app.openapi(change, async (c) => {
    const tenant = await tenantOf(c, sql);
    requireRole(c, 'admin');
    checkIfMatch(c.req.header('if-match'), tenant.version);
    const body = c.req.valid('json');
    const checked = await checkReference(c, readReference, 'application', body.application);
    await checkLanding(services, tenant.tenantId, body.landing);
    const own = body.application && (await storedApplication(sealer, tenant.tenantId, body.application));
    const changed = await changing(c, sql, async (tx, note) => {
      const before = (await readApplication(tx, tenant.tenantId)) ?? null;
      const { displayName, landing, partnerGroup } = body;
      const row = await changeTenant(tx, tenant, {
        ...{ displayName, landing, partnerGroup, application: own },
        tags: body.tags?.toSorted(),
      });
      if (!row)
        throw new ProblemError(
          problem('conflict', 'The tenant was changed at the same time; read it again.'),
        );
      // The members in scope may be others now.
      if (body.partnerGroup !== undefined) await makeSubscriptionsDue(tx, tenant.tenantId);
      const change = differing(
        tenantResource.settings({ ...tenant, application: before }),
        tenantResource.settings(row),
      );
      note({
        tenantId: tenant.tenantId,
        action: 'tenant.change',
        object: { kind: 'tenant', id: tenant.tenantId, name: row.displayName },
        before: change.before,
        after: { ...change.after, ...(own ? { applicationSecret: before ? 'changed' : 'set' } : {}) },
      });
      return row;
    });
    tenants.forget(tenant.tenantId);
    return c.json({ ...tenantResource.show(changed), ...checked }, 200, { etag: etag(changed.version) });
  });
}

function addRemove(app: AdminApp, services: AdminServices): void {
  const { sql, tenants } = services;
  const secondPerson = createSecondPerson(services);
  app.openapi(remove, async (c) => {
    const tenant = await tenantOf(c, sql);
    requireRole(c, 'admin');
    checkIfMatch(c.req.header('if-match'), tenant.version);
    const query = c.req.valid('query');
    const { tenantId } = tenant;
    const leaving = await readLeaving(sql, tenantId);
    const flags = { dryRun: false, leaving };
    const preview = await deleteTenant(sql, tenantId, { ...flags, force: true, dryRun: true }, originOf(c));
    if (query['dry-run'] === 'true') return c.json(preview, 200);
    const force = query.force === 'true';
    if (leaving && !force) checkNotRelayed(leaving);
    if (preview.devices === 0 || force) {
      const devices = await countKnown(sql, tenantId);
      const summary = `Delete the tenant ${tenant.displayName} with all it has here`;
      const waiting = await secondPerson(c, { tenantId, action: 'tenant.delete', devices, summary });
      if (waiting) return c.json(waiting, 202, { location: waiting.href });
      if (!leaving) await leaveIntune(services, tenant, originOf(c));
    }
    const result = await deleteTenant(sql, tenantId, { ...flags, force }, originOf(c));
    tenants.forget(tenant.tenantId);
    return c.json(result, 200);
  });
}
