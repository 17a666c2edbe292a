import type { Context, Hono } from 'hono';
import { z } from 'zod';
import type { SimulatedServicePrincipal, SimulatedTenant } from '../directory.ts';
import { controlNotFound, readControlBody } from './control-body.ts';
import type { WithinTenant } from './control-tenants.ts';
import { viewPrincipal } from './control-views.ts';
import { grantApplication } from './grants.ts';

const grantBody = z.strictObject({
  delayMs: z.number().int().min(0).default(0),
  /** false: present in the tenant without any application role. */
  withRoles: z.boolean().default(true),
});
const principalChange = z.strictObject({
  accountEnabled: z.boolean().optional(),
  /** `Principal`: only one user consented, which is drift. */
  consentType: z.enum(['AllPrincipals', 'Principal']).optional(),
});
const roleBody = z.strictObject({
  resourceAppId: z.guid(),
  roleId: z.guid(),
  value: z.string().min(1),
  delayMs: z.number().int().min(0).default(0),
});

const path = '/tenants/:tenant/service-principals';

const find = (c: Context, tenant: SimulatedTenant): SimulatedServicePrincipal | undefined =>
  tenant.servicePrincipals.get((c.req.param('appId') ?? '').toLowerCase());

function mountRoles(app: Hono, within: WithinTenant): void {
  app.post(`${path}/:appId/roles`, (c) =>
    within(c, async (cloud, tenant) => {
      const input = await readControlBody(c, roleBody);
      if (!input.ok) return input.response;
      const principal = find(c, tenant);
      if (!principal) return controlNotFound(c, 'service principal');
      const { delayMs, ...role } = input.value;
      principal.appRoles.push({ ...role, effectiveAt: cloud.context.world.clock.now() + delayMs });
      return c.json(viewPrincipal(principal), 201);
    }),
  );
  app.delete(`${path}/:appId/roles/:value`, (c) =>
    within(c, (_cloud, tenant) => {
      const principal = find(c, tenant);
      const at = principal?.appRoles.findIndex((role) => role.value === c.req.param('value')) ?? -1;
      if (!principal || at < 0) return controlNotFound(c, 'role');
      principal.appRoles.splice(at, 1);
      return c.json(viewPrincipal(principal));
    }),
  );
}

/** Control of applications in a tenant: grant without a browser, disable, delete, add and remove roles. */
export function mountPrincipalControl(app: Hono, within: WithinTenant): void {
  app.get(path, (c) =>
    within(c, (_cloud, tenant) =>
      c.json({ servicePrincipals: [...tenant.servicePrincipals.values()].map(viewPrincipal) }),
    ),
  );
  app.put(`${path}/:appId`, (c) =>
    within(c, async (cloud, tenant) => {
      const input = await readControlBody(c, grantBody);
      if (!input.ok) return input.response;
      const application = cloud.applications.get(c.req.param('appId') ?? '');
      if (!application) return controlNotFound(c, 'application');
      const { clock, random } = cloud.context.world;
      const principal = grantApplication(tenant, {
        application,
        effectiveAt: clock.now() + input.value.delayMs,
        withRoles: input.value.withRoles,
        newObjectId: random.guid,
      });
      return c.json(viewPrincipal(principal));
    }),
  );
  app.patch(`${path}/:appId`, (c) =>
    within(c, async (_cloud, tenant) => {
      const input = await readControlBody(c, principalChange);
      if (!input.ok) return input.response;
      const principal = find(c, tenant);
      if (!principal) return controlNotFound(c, 'service principal');
      principal.accountEnabled = input.value.accountEnabled ?? principal.accountEnabled;
      for (const grant of principal.delegatedGrants) {
        grant.consentType = input.value.consentType ?? grant.consentType;
      }
      return c.json(viewPrincipal(principal));
    }),
  );
  app.delete(`${path}/:appId`, (c) =>
    within(c, (_cloud, tenant) => {
      const principal = find(c, tenant);
      if (!principal) return controlNotFound(c, 'service principal');
      tenant.servicePrincipals.delete(principal.appId);
      return c.body(null, 204);
    }),
  );
  mountRoles(app, within);
}
