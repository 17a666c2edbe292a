import { Hono } from 'hono';
import { z } from 'zod';
import type { Directory } from '../directory.ts';
import type { MicrosoftCloud } from './cloud.ts';
import { controlNotFound, readControlBody } from './control-body.ts';
import { mountCloudControl } from './control-clouds.ts';
import { mountPartnerControl } from './control-partner.ts';
import { mountPrincipalControl } from './control-principals.ts';
import { mountTenantControl, type WithinTenant } from './control-tenants.ts';

const tenantBody = z.strictObject({
  tenantId: z.guid(),
  cloud: z.string().min(1),
  displayName: z.string().min(1),
  hasIntune: z.boolean().default(true),
});

const trustBody = z.strictObject({
  /** Certificates that the simulated browser trusts besides the public ones and the world's; null: none. */
  pem: z.string().includes('-----BEGIN CERTIFICATE-----').nullable(),
});

/**
 * Everything switchable on the Microsoft side, to be mounted under `/control/microsoft`. Bodies are JSON; a
 * wrong one is a 400 whose `errors[]` names each field.
 */
export function microsoftControl(options: {
  readonly clouds: readonly MicrosoftCloud[];
  readonly directory: Directory;
}): Hono {
  const { clouds, directory } = options;
  const within: WithinTenant = async (c, act) => {
    const tenant = directory.tenant((c.req.param('tenant') ?? '').toLowerCase());
    const cloud = clouds.find(({ name }) => name === tenant?.cloud);
    return tenant && cloud ? act(cloud, tenant) : controlNotFound(c, 'tenant');
  };
  const app = new Hono();
  mountCloudControl(app, clouds);
  app.put('/browser-trust', async (c) => {
    const input = await readControlBody(c, trustBody);
    if (!input.ok) return input.response;
    for (const { settings } of clouds) settings.browserTrustPem = input.value.pem;
    return c.body(null, 204);
  });
  app.get('/tenants', (c) =>
    c.json({
      tenants: directory.tenants().map(({ tenantId, cloud, displayName, hasIntune, devices }) => ({
        tenantId,
        cloud,
        displayName,
        hasIntune,
        devices: devices.size,
      })),
    }),
  );
  app.post('/tenants', async (c) => {
    const input = await readControlBody(c, tenantBody);
    if (!input.ok) return input.response;
    const tenantId = input.value.tenantId.toLowerCase();
    if (!clouds.some(({ name }) => name === input.value.cloud)) return controlNotFound(c, 'cloud');
    if (directory.tenant(tenantId)) return c.json({ error: 'conflict', what: 'tenant' }, 409);
    directory.addTenant({ ...input.value, tenantId });
    return c.json({ ...input.value, tenantId }, 201);
  });
  mountTenantControl(app, within);
  mountPrincipalControl(app, within);
  mountPartnerControl(app, within);
  return app;
}
