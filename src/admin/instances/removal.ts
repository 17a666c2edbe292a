import { createRoute, z } from '@hono/zod-openapi';
import { ProblemError, problem } from '../../problems.ts';
import { lockDevices, resolveRoutes } from '../../routing/resolve.ts';
import { removeClaims } from '../../store/claims/claim-history.ts';
import { columns, pick } from '../../store/columns.ts';
import { readWinners } from '../../store/computers/due.ts';
import type { Sql } from '../../store/database.ts';
import type { Instance } from '../../store/instances/instance.ts';
import { enableInstance, removeInstance } from '../../store/instances/settings.ts';
import { retractReports } from '../../store/reports/due.ts';
import { inTransaction } from '../../store/retry.ts';
import { releaseRoutes } from '../../store/routes/routes.ts';
import { routes } from '../../store/schema.ts';
import { markLastInstance } from '../../store/tenants/connection.ts';
import { requireRole, tenantOf } from '../access.ts';
import { createSecondPerson, waitsForApproval } from '../approvals/second-person.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { changing } from '../recording.ts';
import {
  checkIfMatch,
  commonProblems,
  dryRunFlag,
  flag,
  instancePath,
  jsonAnswer,
  problemAnswer,
} from '../schemas.ts';
import { instanceObject, instanceResource } from './instance-schema.ts';
import { instanceOf } from './instances.ts';

/** Removing an instance: its devices go to whoever else claims them, or are retracted, or their routes end. */

const removal = z
  .object({
    dryRun: z.boolean(),
    devices: z.number().int(),
    /** Devices that another instance claims and now has. */
    moved: z.number().int(),
    retracted: z.number().int(),
  })
  .openapi('InstanceRemoval');

const remove = createRoute({
  method: 'delete',
  path: '/api/v1/tenants/{tenantId}/instances/{instanceId}',
  operationId: 'deleteInstance',
  tags: ['Instances'],
  summary: 'Remove an instance; refused with devices unless force=true, retract=true tells Intune first',
  request: {
    params: instancePath,
    query: z
      .object({
        force: flag('true: also with devices'),
        retract: flag('true: Intune is told first that devices which nobody else claims are not managed'),
        'dry-run': dryRunFlag,
      })
      .strict(),
  },
  responses: {
    200: jsonAnswer(removal, 'What was removed, or would be'),
    ...waitsForApproval,
    ...commonProblems,
    409: problemAnswer('conflict'),
    412: problemAnswer('precondition-failed'),
  },
});

/** Devices decided in one transaction: its locks are held for that long. */
const batch = 500;

async function devicesOf(sql: Sql, { instanceId, tenantId }: Instance): Promise<string[]> {
  const rows = await sql<{ deviceId: string }[]>`
    select ${columns(sql, pick(routes, 'deviceId'))} from routes where tenant_id = ${tenantId} and instance_id = ${instanceId}
    union select device_id from claims where tenant_id = ${tenantId} and instance_id = ${instanceId}`;
  return rows.map((row) => row.deviceId);
}

async function contested(sql: Sql, { instanceId, tenantId }: Instance): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(distinct r.device_id) as count from routes r
    join claims c on c.tenant_id = r.tenant_id and c.device_id = r.device_id and c.instance_id <> ${instanceId}
    join instances i on i.tenant_id = c.tenant_id and i.instance_id = c.instance_id and i.enabled and not c.stale
    where r.tenant_id = ${tenantId} and r.instance_id = ${instanceId}`;
  return row?.count ?? 0;
}

/** Takes the instance's claims away and decides its devices anew, batch by batch; safe to repeat. */
async function releaseDevices(
  sql: Sql,
  instance: Instance,
  deviceIds: readonly string[],
  options: { retract: boolean; author: string },
): Promise<{ moved: number; retracted: number }> {
  const { instanceId, tenantId } = instance;
  const total = { moved: 0, retracted: 0 };
  for (let from = 0; from < deviceIds.length; from += batch) {
    const some = deviceIds.slice(from, from + batch);
    const done = await inTransaction(sql, async (tx) => {
      await lockDevices(tx, tenantId, some);
      await releaseRoutes(tx, tenantId, instanceId, some);
      await removeClaims(tx, tenantId, tx`instance_id = ${instanceId} and device_id = any(${some}::uuid[])`);
      const outcomes = await resolveRoutes(tx, tenantId, some, {
        author: options.author,
        reason: 'the instance was removed',
      });
      const moved = outcomes.flatMap(({ changed, route }) => (changed && route ? [route] : []));
      const ended = outcomes.flatMap(({ before, deviceId, route }) => (before && !route ? [deviceId] : []));
      await readWinners(tx, tenantId, moved);
      const retracted = options.retract ? await retractReports(tx, tenantId, ended) : 0;
      return { moved: moved.length, retracted };
    });
    total.moved += done.moved;
    total.retracted += done.retracted;
  }
  return total;
}

export function addInstanceRemoval(app: AdminApp, services: AdminServices): void {
  const { instances, sql } = services;
  const secondPerson = createSecondPerson(services);
  app.openapi(remove, async (c) => {
    const tenant = await tenantOf(c, sql);
    const instance = await instanceOf(sql, tenant, c.req.param('instanceId'));
    const { name } = requireRole(c, 'admin');
    checkIfMatch(c.req.header('if-match'), instance.version);
    const query = c.req.valid('query');
    const { instanceId, tenantId } = instance;
    const deviceIds = await devicesOf(sql, instance);
    const retract = query.retract === 'true';
    if (query['dry-run'] === 'true') {
      const moved = await contested(sql, instance);
      const retracted = retract ? deviceIds.length - moved : 0;
      return c.json({ dryRun: true, devices: deviceIds.length, moved, retracted }, 200);
    }
    if (deviceIds.length > 0 && query.force !== 'true') {
      throw new ProblemError(
        problem(
          'conflict',
          `The instance has ${deviceIds.length} devices: it is removed all the same only with force.`,
        ),
      );
    }
    const wish = {
      tenantId,
      devices: deviceIds.length,
      summary: `Delete the instance ${instance.name}${retract ? ', telling Intune of what no other instance claims' : ''}`,
    };
    const waiting = await secondPerson(c, { ...wish, action: 'instance.delete' });
    if (waiting) return c.json(waiting, 202, { location: waiting.href });
    // Disabled first: nothing that is on its way from the instance may claim a device again.
    await changing(c, sql, async (tx, note) => {
      if (!(await enableInstance(tx, instance, false))) return;
      note({
        tenantId,
        action: 'instance.change',
        object: instanceObject(instance),
        before: { enabled: true },
        after: { enabled: false, removal: 'begun' },
      });
    });
    instances.forget(tenantId, instanceId);
    const released = await releaseDevices(sql, instance, deviceIds, { retract, author: name });
    await changing(c, sql, async (tx, note) => {
      await removeInstance(tx, instance);
      // Here, or a crash right after would lose the wish to leave Intune.
      await markLastInstance(tx, tenantId);
      note({
        tenantId,
        action: 'instance.delete',
        object: instanceObject(instance),
        before: { ...instanceResource.settings(instance), devices: deviceIds.length },
        after: released,
      });
    });
    instances.forget(tenantId, instanceId);
    await services.announceInstances(tenantId);
    return c.json({ dryRun: false, devices: deviceIds.length, ...released }, 200);
  });
}
