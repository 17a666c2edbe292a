import type { Context, Hono } from 'hono';
import { z } from 'zod';
import type { SimulatedTenant } from '../directory.ts';
import type { MicrosoftCloud } from './cloud.ts';
import { controlNotFound, readControlBody } from './control-body.ts';
import { viewDevices, viewSettings, viewUploads } from './control-views.ts';
import { consentSchema, discoverySchema, entraSchema, graphSchema, intuneSchema } from './settings.ts';

export type WithinTenant = (
  c: Context,
  act: (cloud: MicrosoftCloud, tenant: SimulatedTenant) => Response | Promise<Response>,
) => Promise<Response>;

const consentChange = consentSchema.partial().extend({ appId: z.guid().optional() });
const tenantChange = z.strictObject({
  displayName: z.string().min(1).optional(),
  hasIntune: z.boolean().optional(),
});
const deviceChange = z.strictObject({ boundToOtherPartner: z.boolean() });
const userChange = z.strictObject({
  userPrincipalName: z.string().min(1).optional(),
  displayName: z.string().min(1).optional(),
});
const groupBody = z.strictObject({ displayName: z.string().min(1), members: z.array(z.guid()) });

function mountSettings(app: Hono, within: WithinTenant): void {
  app.get('/tenants/:tenant/settings', (c) =>
    within(c, (cloud, tenant) => c.json(viewSettings(cloud, tenant))),
  );
  app.patch('/tenants/:tenant/consent', (c) =>
    within(c, async (cloud, tenant) => {
      const input = await readControlBody(c, consentChange);
      if (!input.ok) return input.response;
      const { appId, ...change } = input.value;
      const settings = cloud.settings.tenant(tenant.tenantId);
      if (appId === undefined) settings.consent = { ...settings.consent, ...change };
      else {
        const key = appId.toLowerCase();
        settings.consentByApp.set(key, { ...settings.consentByApp.get(key), ...change });
      }
      return c.json(viewSettings(cloud, tenant));
    }),
  );
  app.patch('/tenants/:tenant/entra', (c) =>
    within(c, async (cloud, tenant) => {
      const input = await readControlBody(c, entraSchema.partial());
      if (!input.ok) return input.response;
      const settings = cloud.settings.tenant(tenant.tenantId);
      settings.entra = { ...settings.entra, ...input.value };
      return c.json(viewSettings(cloud, tenant));
    }),
  );
  app.patch('/tenants/:tenant/graph', (c) =>
    within(c, async (cloud, tenant) => {
      const input = await readControlBody(c, graphSchema.partial());
      if (!input.ok) return input.response;
      const settings = cloud.settings.tenant(tenant.tenantId);
      settings.graph = { ...settings.graph, ...input.value };
      return c.json(viewSettings(cloud, tenant));
    }),
  );
  app.patch('/tenants/:tenant/discovery', (c) =>
    within(c, async (cloud, tenant) => {
      const input = await readControlBody(c, discoverySchema.partial());
      if (!input.ok) return input.response;
      const settings = cloud.settings.tenant(tenant.tenantId);
      settings.discovery = { ...settings.discovery, ...input.value };
      return c.json(viewSettings(cloud, tenant));
    }),
  );
  app.patch('/tenants/:tenant/intune', (c) =>
    within(c, async (cloud, tenant) => {
      const input = await readControlBody(c, intuneSchema.partial());
      if (!input.ok) return input.response;
      const settings = cloud.settings.tenant(tenant.tenantId);
      settings.intune = { ...settings.intune, ...input.value };
      return c.json(viewSettings(cloud, tenant));
    }),
  );
}

function mountViews(app: Hono, within: WithinTenant): void {
  app.get('/tenants/:tenant/devices', (c) =>
    within(c, (cloud, tenant) => {
      cloud.settle();
      return c.json({ devices: viewDevices(cloud, tenant) });
    }),
  );
  app.get('/tenants/:tenant/uploads', (c) =>
    within(c, (cloud, tenant) => {
      cloud.settle();
      const { deviceId, since } = c.req.query();
      return c.json(viewUploads(cloud, tenant, { deviceId, since }));
    }),
  );
  // Without the uploads, of which there may be very many.
  app.get('/tenants/:tenant/counters', (c) =>
    within(c, (cloud, tenant) => c.json(cloud.intune.tenant(tenant.tenantId).counters)),
  );
}

function mountDirectory(app: Hono, within: WithinTenant): void {
  app.patch('/tenants/:tenant/devices/:device', (c) =>
    within(c, async (_cloud, tenant) => {
      const input = await readControlBody(c, deviceChange);
      if (!input.ok) return input.response;
      const device = tenant.devices.get(c.req.param('device').toLowerCase());
      if (!device) return controlNotFound(c, 'device');
      device.boundToOtherPartner = input.value.boundToOtherPartner;
      return c.json(device);
    }),
  );
  app.patch('/tenants/:tenant/users/:user', (c) =>
    within(c, async (_cloud, tenant) => {
      const input = await readControlBody(c, userChange);
      if (!input.ok) return input.response;
      const user = tenant.users.get(c.req.param('user'));
      if (!user) return controlNotFound(c, 'user');
      user.userPrincipalName = input.value.userPrincipalName ?? user.userPrincipalName;
      user.displayName = input.value.displayName ?? user.displayName;
      return c.json(user);
    }),
  );
  app.put('/tenants/:tenant/groups/:group', (c) =>
    within(c, async (_cloud, tenant) => {
      const input = await readControlBody(c, groupBody);
      if (!input.ok) return input.response;
      const groupId = c.req.param('group').toLowerCase();
      const { displayName, members } = input.value;
      tenant.groups.set(groupId, { groupId, displayName, members: new Set(members) });
      return c.json({ groupId, displayName, members });
    }),
  );
}

/** Control of one tenant: what its services answer, its directory, and what they were told. */
export function mountTenantControl(app: Hono, within: WithinTenant): void {
  mountSettings(app, within);
  mountViews(app, within);
  mountDirectory(app, within);
  app.patch('/tenants/:tenant', (c) =>
    within(c, async (_cloud, tenant) => {
      const input = await readControlBody(c, tenantChange);
      if (!input.ok) return input.response;
      tenant.displayName = input.value.displayName ?? tenant.displayName;
      tenant.hasIntune = input.value.hasIntune ?? tenant.hasIntune;
      const { tenantId, cloud, displayName, hasIntune } = tenant;
      return c.json({ tenantId, cloud, displayName, hasIntune });
    }),
  );
}
