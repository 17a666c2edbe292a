/**
 * What the admin API answers from memory while the database is away (docs/snapshot.md): tenants, instances and the routes of
 * devices, to operators whom Entra's token lets in. Members that memory does not hold are left out, and a header says how
 * old the rest is. Everything else is answered `store-unavailable`.
 */

import type { Context, MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';
import { parseGuid } from '../../ids.ts';
import { isStoreUnavailable } from '../../store/database.ts';
import type { Instance } from '../../store/instances/instance.ts';
import type { Tenant } from '../../store/tenants/tenant.ts';
import { maySee, unknownTenant } from '../access.ts';
import type { AdminEnv, AdminServices } from '../context.ts';
import { describeInstance } from '../instances/instance-schema.ts';
import { jsonAnswer, paging } from '../schemas.ts';
import { tenantResource } from '../tenants/tenant-schema.ts';
import { degradedHeader } from './degraded-header.ts';

type Services = Pick<AdminServices, 'instances' | 'outage' | 'publicUrl' | 'tenants'>;
/** Undefined: memory does not say. */
type Answer = (c: Context<AdminEnv>, services: Services) => object | undefined;

/** The answer of an operation that is given from memory too. */
export const rememberedAnswer = <T extends Parameters<typeof jsonAnswer>[0]>(
  schema: T,
  description: string,
) => ({
  ...jsonAnswer(schema, description),
  headers: {
    [degradedHeader]: {
      description:
        'The database is away, and the answer is what memory holds, so many seconds old; members that it does not hold are left out.',
      schema: { type: 'string' as const },
      example: 'database; age=42',
    },
  },
});

/** A page in the usual order; undefined for a filter or an order, which only the database can carry out. */
function pageOf<Row>(
  c: Context<AdminEnv>,
  rows: readonly Row[],
  show: (row: Row) => object,
): object | undefined {
  const asked = paging.safeParse(c.req.query());
  if (!asked.success || asked.data.sort !== undefined) return undefined;
  const { page, 'page-size': size } = asked.data;
  return { totalCount: rows.length, results: rows.slice(page * size, (page + 1) * size).map(show) };
}

function showTenant(tenant: Tenant): object {
  const { application: _notInMemory, ...shown } = tenantResource.show({ ...tenant, application: null });
  return shown;
}

function tenantIn(c: Context<AdminEnv>, { tenants }: Services): Tenant | undefined {
  const tenantId = parseGuid(c.req.param('tenantId'));
  if (tenantId === undefined || !maySee(c.get('operator'), tenantId)) throw unknownTenant();
  return tenants.peek(tenantId);
}

const noReading = {
  ...{ polledAt: null, pollError: null, nextPollAt: null, reconciledAt: null },
  ...{ reconcileError: null, reconcilingSince: null, nextReconcileAt: null },
};

const showInstance =
  ({ publicUrl }: Services) =>
  (instance: Instance): object => {
    const { reading: _notInMemory, ...shown } = describeInstance(instance, noReading, publicUrl);
    return shown;
  };

const answers: Readonly<Record<string, Answer>> = {
  '/api/v1/tenants': (c, { tenants }) => {
    const seen = tenants.known().filter(({ tenantId }) => maySee(c.get('operator'), tenantId));
    const inOrder = seen.toSorted(
      (a, b) => a.displayName.localeCompare(b.displayName) || a.tenantId.localeCompare(b.tenantId),
    );
    return pageOf(c, inOrder, showTenant);
  },
  '/api/v1/tenants/:tenantId': (c, services) => {
    const tenant = tenantIn(c, services);
    return tenant && showTenant(tenant);
  },
  '/api/v1/tenants/:tenantId/instances': (c, services) => {
    const tenant = tenantIn(c, services);
    const instances = tenant && services.instances.ofTenant(tenant.tenantId);
    return instances && pageOf(c, instances, showInstance(services));
  },
  '/api/v1/tenants/:tenantId/instances/:instanceId': (c, services) => {
    const tenant = tenantIn(c, services);
    const instanceId = parseGuid(c.req.param('instanceId'));
    const instance = tenant && instanceId && services.instances.peek(tenant.tenantId, instanceId);
    return instance ? showInstance(services)(instance) : undefined;
  },
  '/api/v1/tenants/:tenantId/devices/:deviceId': (c, services) => {
    const tenant = tenantIn(c, services);
    const deviceId = parseGuid(c.req.param('deviceId'));
    const target = tenant && deviceId && services.outage.route(tenant.tenantId, deviceId);
    if (!target) return undefined;
    const { instanceId, jamfComputerId } = target;
    return {
      ...{ id: deviceId, deviceId, tenantId: tenant.tenantId, instanceId },
      jamfComputerId: String(jamfComputerId),
    };
  },
};

/** Stands in for the operations above where the database did not answer them, and says in the header that it is away. */
export const answerFromMemory =
  (services: Services): MiddlewareHandler<AdminEnv> =>
  async (c, next) => {
    await next();
    const ageSeconds = services.outage.degradedSeconds();
    if (ageSeconds === undefined) return;
    if (c.req.method === 'GET' && isStoreUnavailable(c.error)) {
      const route = matchedRoutes(c).find(({ path }) => !path.includes('*'));
      const found = answers[route?.path ?? '']?.(c, services);
      if (found === undefined) return;
      c.error = undefined;
      c.res = undefined;
      c.res = c.json(found, 200);
    }
    if (c.res.status === 200) c.header(degradedHeader, `database; age=${Math.round(ageSeconds)}`);
  };
