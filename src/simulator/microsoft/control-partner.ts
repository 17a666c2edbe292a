import type { Hono } from 'hono';
import { z } from 'zod';
import { controlNotFound, readControlBody } from './control-body.ts';
import type { WithinTenant } from './control-tenants.ts';
import { viewPartner } from './control-views.ts';

const visitBody = z.strictObject({
  kind: z.enum(['enroll', 'remediate']),
  query: z.union([z.string().max(8000), z.record(z.string(), z.string())]).optional(),
  asTenantId: z.guid().optional(),
  headers: z.record(z.string().regex(/^[\w-]+$/), z.string()).optional(),
  caPem: z.string().includes('-----BEGIN CERTIFICATE-----').optional(),
  follow: z.boolean().optional(),
});

/** Control of the connection as Intune has it, and of the people who come to the partner's pages. */
export function mountPartnerControl(app: Hono, within: WithinTenant): void {
  app.get('/tenants/:tenant/partner', (c) =>
    within(c, (cloud, tenant) => {
      cloud.settle();
      return c.json(viewPartner(cloud, tenant));
    }),
  );
  // The administrator's "Terminate" in Intune: domain/microsoft.md 4.6.
  app.post('/tenants/:tenant/terminate', (c) =>
    within(c, (cloud, tenant) => {
      cloud.terminate(tenant.tenantId);
      return c.json(viewPartner(cloud, tenant));
    }),
  );
  app.post('/tenants/:tenant/browse', (c) =>
    within(c, async (cloud, tenant) => {
      const input = await readControlBody(c, visitBody);
      if (!input.ok) return input.response;
      const result = await cloud.browse(tenant.tenantId, input.value);
      switch (result.kind) {
        case 'answered': {
          const { url, hops, status, headers, body } = result;
          return c.json({ url, hops, status, headers, body });
        }
        case 'no-address':
          return c.json({ error: 'conflict', what: 'no page was provisioned' }, 409);
        case 'unreachable':
          return c.json({ error: 'unreachable', url: result.url, detail: result.detail }, 502);
      }
    }),
  );
  app.get('/tenants/:tenant/company-portal', (c) =>
    within(c, (cloud, tenant) => {
      const userId = z.guid().safeParse(c.req.query('userId'));
      if (!userId.success) {
        return c.json({ error: 'invalid', errors: [{ field: 'userId', message: 'must be a GUID' }] }, 400);
      }
      const answer = cloud.companyPortal(tenant.tenantId, userId.data);
      return answer ? c.json(answer) : controlNotFound(c, 'user');
    }),
  );
}
