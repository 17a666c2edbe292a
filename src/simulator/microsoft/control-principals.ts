import type { Context, Hono } from 'hono';
import { z } from 'zod';
import type { SimulatedServicePrincipal, SimulatedTenant } from '../directory.ts';
import type { MicrosoftCloud } from './cloud.ts';
import { controlNotFound, readControlBody } from './control-body.ts';
import type { WithinTenant } from './control-tenants.ts';
import { viewPrincipal } from './control-views.ts';
import { grantApplication } from './grants.ts';
import { disableByMicrosoft, setRoleInGraph } from './principal-state.ts';
import { assignmentsOf } from './user-assignments.ts';

const grantBody = z.strictObject({
  delayMs: z.number().int().min(0).default(0),
  /** Graph's own delay; default: `delayMs`. */
  graphDelayMs: z.number().int().min(0).optional(),
  /** false: present in the tenant without any application role. */
  withRoles: z.boolean().default(true),
});
const principalChange = z.strictObject({
  accountEnabled: z.boolean().optional(),
  /** `Principal`: only one user consented, which is drift. */
  consentType: z.enum(['AllPrincipals', 'Principal']).optional(),
  /** Set when Microsoft itself has disabled the application: domain/microsoft.md 1.6. */
  disabledByMicrosoftStatus: z.string().min(1).nullable().optional(),
  /** True where only assigned people may sign in (AADSTS50105). */
  assignmentRequired: z.boolean().optional(),
});
/** App roles by value; none: the default access. */
const assignmentBody = z.strictObject({ roles: z.array(z.string().min(1)) });
const grantsBody = z.strictObject({
  grants: z.array(
    z.strictObject({
      resourceAppId: z.guid().toLowerCase(),
      scope: z.string().min(1),
      consentType: z.enum(['AllPrincipals', 'Principal']).default('AllPrincipals'),
    }),
  ),
});
const roleBody = z.strictObject({
  resourceAppId: z.guid(),
  roleId: z.guid(),
  value: z.string().min(1),
  delayMs: z.number().int().min(0).default(0),
  graphDelayMs: z.number().int().min(0).optional(),
});

const path = '/tenants/:tenant/service-principals';

const find = (c: Context, tenant: SimulatedTenant): SimulatedServicePrincipal | undefined =>
  tenant.servicePrincipals.get((c.req.param('appId') ?? '').toLowerCase());

/** The recycle bins, by cloud; the key is tenant and application. */
const deleted = new WeakMap<MicrosoftCloud, Map<string, SimulatedServicePrincipal>>();

function keepDeleted(
  cloud: MicrosoftCloud,
  tenant: SimulatedTenant,
  principal: SimulatedServicePrincipal,
): void {
  const bin = deleted.get(cloud) ?? new Map<string, SimulatedServicePrincipal>();
  deleted.set(cloud, bin);
  bin.set(`${tenant.tenantId} ${principal.appId}`, principal);
}

function takeDeleted(
  cloud: MicrosoftCloud,
  tenant: SimulatedTenant,
  appId: string,
): SimulatedServicePrincipal | undefined {
  const key = `${tenant.tenantId} ${appId}`;
  const found = deleted.get(cloud)?.get(key);
  deleted.get(cloud)?.delete(key);
  return found;
}

function mountRoles(app: Hono, within: WithinTenant): void {
  app.post(`${path}/:appId/roles`, (c) =>
    within(c, async (cloud, tenant) => {
      const input = await readControlBody(c, roleBody);
      if (!input.ok) return input.response;
      const principal = find(c, tenant);
      if (!principal) return controlNotFound(c, 'service principal');
      const { delayMs, graphDelayMs, ...role } = input.value;
      const nowMs = cloud.context.world.clock.now();
      principal.appRoles.push({ ...role, effectiveAt: nowMs + delayMs });
      setRoleInGraph(principal, role, nowMs + (graphDelayMs ?? delayMs));
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

/** "Users and groups" of an enterprise application. */
function mountAssignments(app: Hono, within: WithinTenant): void {
  app.put(`${path}/:appId/assignments/:user`, (c) =>
    within(c, async (cloud, tenant) => {
      const input = await readControlBody(c, assignmentBody);
      if (!input.ok) return input.response;
      const principal = find(c, tenant);
      const user = tenant.users.get(c.req.param('user'));
      if (!principal || !user) return controlNotFound(c, principal ? 'user' : 'service principal');
      const offered = cloud.applications.get(principal.appId)?.appRoles.map(({ value }) => value) ?? [];
      const { roles } = input.value;
      if (roles.some((role) => !offered.includes(role))) return controlNotFound(c, 'role');
      assignmentsOf(principal).byUser.set(user.userId, roles);
      return c.json(viewPrincipal(principal));
    }),
  );
  app.delete(`${path}/:appId/assignments/:user`, (c) =>
    within(c, (_cloud, tenant) => {
      const principal = find(c, tenant);
      if (!principal || !assignmentsOf(principal).byUser.delete(c.req.param('user')))
        return controlNotFound(c, 'assignment');
      return c.body(null, 204);
    }),
  );
}

function mountDrift(app: Hono, within: WithinTenant): void {
  // The request sets all delegated permissions at once.
  app.put(`${path}/:appId/delegated-grants`, (c) =>
    within(c, async (_cloud, tenant) => {
      const input = await readControlBody(c, grantsBody);
      if (!input.ok) return input.response;
      const principal = find(c, tenant);
      if (!principal) return controlNotFound(c, 'service principal');
      principal.delegatedGrants.splice(0, principal.delegatedGrants.length, ...input.value.grants);
      return c.json(viewPrincipal(principal));
    }),
  );
  // Deleted and consented to again at once: the same permissions under a new object id.
  app.post(`${path}/:appId/recreate`, (c) =>
    within(c, (cloud, tenant) => {
      const principal = find(c, tenant);
      if (!principal) return controlNotFound(c, 'service principal');
      const made = { ...principal, objectId: cloud.context.world.random.guid() };
      tenant.servicePrincipals.set(principal.appId, made);
      return c.json(viewPrincipal(made));
    }),
  );
  // The principal comes out of the tenant's recycle bin: as it was, object id and all.
  app.post(`${path}/:appId/restore`, (c) =>
    within(c, (cloud, tenant) => {
      const principal = takeDeleted(cloud, tenant, (c.req.param('appId') ?? '').toLowerCase());
      if (!principal) return controlNotFound(c, 'deleted service principal');
      tenant.servicePrincipals.set(principal.appId, principal);
      return c.json(viewPrincipal(principal));
    }),
  );
}

/** Control of applications in a tenant: grant without a browser, disable, delete, restore, drift. */
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
        graphEffectiveAt: clock.now() + (input.value.graphDelayMs ?? input.value.delayMs),
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
      const { disabledByMicrosoftStatus: status } = input.value;
      if (status !== undefined) disableByMicrosoft(principal, status);
      const assignments = assignmentsOf(principal);
      assignments.required = input.value.assignmentRequired ?? assignments.required;
      return c.json(viewPrincipal(principal));
    }),
  );
  app.delete(`${path}/:appId`, (c) =>
    within(c, (cloud, tenant) => {
      const principal = find(c, tenant);
      if (!principal) return controlNotFound(c, 'service principal');
      tenant.servicePrincipals.delete(principal.appId);
      keepDeleted(cloud, tenant, principal);
      return c.body(null, 204);
    }),
  );
  mountRoles(app, within);
  mountAssignments(app, within);
  mountDrift(app, within);
}
