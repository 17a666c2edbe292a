import { createRoute, z } from '@hono/zod-openapi';
import { readDeparture } from '../../connection/cells/move-out.ts';
import { checkHasLeft, setRelay } from '../../connection/cells/relay.ts';
import type { Relay } from '../../store/placements.ts';
import { tenantOf } from '../access.ts';
import { requireAllowedAddress } from '../allowed-address.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { nothingChanged, originOf } from '../recording.ts';
import {
  commonProblems,
  dryRunQuery,
  invalidField,
  jsonAnswer,
  problemAnswer,
  tenantPath,
} from '../schemas.ts';
import { departure, describe, requireMover } from './move-out.ts';

/** `/tenants/{tenantId}/move-out/relay`: what comes for a tenant that has left is passed on until a date (docs/cells.md). */

const tags = ['Tenants'];
const path = '/api/v1/tenants/{tenantId}/move-out/relay';
const responses = {
  200: jsonAnswer(departure, 'Where its move stands'),
  ...commonProblems,
  400: problemAnswer('invalid-request or address-refused'),
  409: problemAnswer('conflict'),
};

const wanted = z
  .object({
    to: z
      .url({ protocol: /^https$/ })
      .max(500)
      .openapi({ description: 'ESPALIER_PUBLIC_URL of the deployment where the tenant lives' }),
    until: z.iso.datetime({ offset: true }).openapi({ description: 'From then on nothing is passed on' }),
  })
  .strict()
  .openapi('NewRelay');

const set = createRoute({
  method: 'put',
  path,
  operationId: 'setRelay',
  tags,
  summary:
    'Pass on what comes for a tenant that has left to the deployment where it lives; the same again changes nothing',
  request: {
    params: tenantPath,
    query: dryRunQuery,
    body: { required: true, content: { 'application/json': { schema: wanted } } },
  },
  responses,
});

const end = createRoute({
  method: 'delete',
  path,
  operationId: 'endRelay',
  tags,
  summary: 'Pass nothing on any more for a tenant that has left',
  request: { params: tenantPath, query: dryRunQuery },
  responses,
});

/** The relay as it is kept. Throws `invalid-request` or `address-refused`. */
async function checkedRelay(services: AdminServices, { to, until }: z.infer<typeof wanted>): Promise<Relay> {
  const { hash, host, hostname, origin, password, pathname, search, username } = new URL(to);
  if (hash !== '' || search !== '' || username !== '' || password !== '')
    throw invalidField('to', 'is to be a base URL, without user, query or fragment');
  if (host === new URL(services.publicUrl).host)
    throw invalidField('to', 'is the address of this deployment');
  const date = new Date(until);
  if (date.getTime() <= Date.now()) throw invalidField('until', 'lies in the past');
  // A year of five digits is none that the database reads.
  if (date.getUTCFullYear() > 9_999) throw invalidField('until', 'lies too far ahead');
  await requireAllowedAddress(services, hostname, 'to');
  return { to: origin + pathname.replace(/\/+$/, ''), until: date.toISOString() };
}

export function addRelay(app: AdminApp, services: AdminServices): void {
  const { sql, tenants } = services;
  app.openapi(set, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    requireMover(c);
    const relay = await checkedRelay(services, c.req.valid('json'));
    const before = await readDeparture(sql, tenantId);
    checkHasLeft(before?.placement);
    await services.checkLivesAt(tenantId, relay.to);
    if (c.req.valid('query')['dry-run'] === 'true')
      return c.json({ ...describe(tenantId, before, true), relay }, 200);
    if (!(await setRelay(sql, tenantId, relay, originOf(c)))) nothingChanged(c);
    tenants.forget(tenantId);
    return c.json(describe(tenantId, await readDeparture(sql, tenantId)), 200);
  });
  app.openapi(end, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    requireMover(c);
    if (c.req.valid('query')['dry-run'] === 'true')
      return c.json({ ...describe(tenantId, await readDeparture(sql, tenantId), true), relay: null }, 200);
    if (!(await setRelay(sql, tenantId, undefined, originOf(c)))) nothingChanged(c);
    tenants.forget(tenantId);
    return c.json(describe(tenantId, await readDeparture(sql, tenantId)), 200);
  });
}
