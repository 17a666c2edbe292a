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
  entraPremium: z.enum(['none', 'P1', 'P2']).optional(),
});
const deviceChange = z.strictObject({
  boundToOtherPartner: z.boolean().optional(),
  accountEnabled: z.boolean().optional(),
});
const userChange = z.strictObject({
  userPrincipalName: z.string().min(1).optional(),
  displayName: z.string().min(1).optional(),
  accountEnabled: z.boolean().optional(),
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
    within(c, async (cloud, tenant) => {
      const input = await readControlBody(c, deviceChange);
      if (!input.ok) return input.response;
      const device = tenant.devices.get(c.req.param('device').toLowerCase());
      if (!device) return controlNotFound(c, 'device');
      const { accountEnabled, boundToOtherPartner } = input.value;
      device.boundToOtherPartner = boundToOtherPartner ?? device.boundToOtherPartner;
      device.accountEnabled = accountEnabled ?? device.accountEnabled;
      const { tenantId } = tenant;
      // The owner of a device is Intune's secret: Entra does not change with it.
      if (accountEnabled !== undefined)
        cloud.context.directory.note({
          tenantId,
          set: 'devices',
          objectId: device.objectId,
          change: 'updated',
        });
      return c.json(device);
    }),
  );
  app.delete('/tenants/:tenant/devices/:device', (c) =>
    within(c, (cloud, tenant) => {
      const deviceId = c.req.param('device').toLowerCase();
      if (!tenant.devices.has(deviceId)) return controlNotFound(c, 'device');
      cloud.context.directory.removeDevice(tenant.tenantId, deviceId);
      return c.body(null, 204);
    }),
  );
  app.patch('/tenants/:tenant/users/:user', (c) =>
    within(c, async (cloud, tenant) => {
      const input = await readControlBody(c, userChange);
      if (!input.ok) return input.response;
      const user = tenant.users.get(c.req.param('user'));
      if (!user) return controlNotFound(c, 'user');
      user.userPrincipalName = input.value.userPrincipalName ?? user.userPrincipalName;
      user.displayName = input.value.displayName ?? user.displayName;
      user.accountEnabled = input.value.accountEnabled ?? user.accountEnabled ?? true;
      const { tenantId } = tenant;
      cloud.context.directory.note({ tenantId, set: 'users', objectId: user.userId, change: 'updated' });
      return c.json(user);
    }),
  );
  app.delete('/tenants/:tenant/users/:user', (c) =>
    within(c, (cloud, tenant) => {
      if (!tenant.users.has(c.req.param('user'))) return controlNotFound(c, 'user');
      cloud.context.directory.removeUser(tenant.tenantId, c.req.param('user'));
      return c.body(null, 204);
    }),
  );
  app.put('/tenants/:tenant/groups/:group', (c) =>
    within(c, async (cloud, tenant) => {
      const input = await readControlBody(c, groupBody);
      if (!input.ok) return input.response;
      const groupId = c.req.param('group').toLowerCase();
      const { displayName, members } = input.value;
      const group = { groupId, displayName, members: new Set(members) };
      cloud.context.directory.putGroup(tenant.tenantId, group);
      return c.json({ groupId, displayName, members });
    }),
  );
}

const lifecycleBody = z.strictObject({
  set: z.enum(['users', 'groups', 'devices']),
  event: z.enum(['reauthorizationRequired', 'subscriptionRemoved', 'missed']),
});

function mountSubscriptions(app: Hono, within: WithinTenant): void {
  app.get('/tenants/:tenant/subscriptions', (c) =>
    within(c, (cloud, { tenantId }) =>
      c.json({
        subscriptions: cloud.subscriptions.of(tenantId).map((one) => ({
          ...one,
          expiresAt: new Date(one.expiresAt).toISOString(),
        })),
        notifications: cloud.subscriptions.counts(tenantId),
      }),
    ),
  );
  app.post('/tenants/:tenant/subscriptions/lifecycle', (c) =>
    within(c, async (cloud, { tenantId }) => {
      const input = await readControlBody(c, lifecycleBody);
      if (!input.ok) return input.response;
      const sent = cloud.subscriptions.lifecycle(tenantId, input.value.set, input.value.event);
      return sent > 0 ? c.json({ sent }, 202) : controlNotFound(c, 'subscription');
    }),
  );
}

/** Control of one tenant: what its services answer, its directory, and what they were told. */
export function mountTenantControl(app: Hono, within: WithinTenant): void {
  mountSettings(app, within);
  mountViews(app, within);
  mountDirectory(app, within);
  mountSubscriptions(app, within);
  app.patch('/tenants/:tenant', (c) =>
    within(c, async (_cloud, tenant) => {
      const input = await readControlBody(c, tenantChange);
      if (!input.ok) return input.response;
      tenant.displayName = input.value.displayName ?? tenant.displayName;
      tenant.hasIntune = input.value.hasIntune ?? tenant.hasIntune;
      tenant.entraPremium = input.value.entraPremium ?? tenant.entraPremium;
      const { tenantId, cloud, displayName, hasIntune } = tenant;
      return c.json({ tenantId, cloud, displayName, hasIntune });
    }),
  );
}
