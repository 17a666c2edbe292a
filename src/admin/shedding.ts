/**
 * Refuses what can wait while the gateway has more to do than it can (gateway/pressure.ts): exports, imports, and lists that
 * grow with the fleet. Everything else stays open, so that an operator finds a tenant, an instance or a device and acts.
 *
 * The same lists are read a few at a time, whatever the pressure: each may keep a connection to the database busy for a
 * second, and what an operator does one by one waits for the same connections.
 */

import type { Context, MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';
import type { RequestClass } from '../gateway/pressure.ts';
import { listMs, listsAtOnce, listsWaiting } from '../limits.ts';
import { createSharedBound } from '../semaphore.ts';
import type { AdminEnv, AdminServices } from './context.ts';
import { isSafeMethod } from './operators/csrf.ts';

const tenant = '/api/v1/tenants/:tenantId';

const heavyReads: Readonly<Record<string, RequestClass>> = {
  [`${tenant}/devices`]: 'list',
  [`${tenant}/devices/export`]: 'export',
  [`${tenant}/routes/changes`]: 'list',
  [`${tenant}/routes/conflicts`]: 'list',
  [`${tenant}/routes/diff`]: 'list',
  [`${tenant}/routes/stale`]: 'list',
  [`${tenant}/moves/:moveId/devices`]: 'list',
  '/api/v1/reports': 'list',
  '/api/v1/reports/causes': 'list',
  '/api/v1/history': 'list',
  '/api/v1/history/verify': 'list',
};
const importPath = `${tenant}/devices/import`;

/** Undefined: not of those that grow with a fleet. */
export function fleetClassOf(c: Context): RequestClass | undefined {
  const paths = matchedRoutes(c).map(({ path }) => path);
  const path = paths.find((one) => one === importPath || one in heavyReads);
  if (path === importPath) return 'import';
  return path !== undefined && isSafeMethod(c.req.method) ? heavyReads[path] : undefined;
}

export function shedHeavyReads({
  pressure,
  sharing,
}: Pick<AdminServices, 'pressure' | 'sharing'>): MiddlewareHandler<AdminEnv> {
  const lists = createSharedBound({
    sharing,
    limit: listsAtOnce,
    maxWaiting: listsWaiting,
    longestMs: listMs,
  });
  return async (c, next) => {
    const of = fleetClassOf(c);
    if (of === undefined) return next();
    pressure?.admit(of);
    return of === 'list' ? lists(next) : next();
  };
}
