import { createRoute, z } from '@hono/zod-openapi';
import { consentRemedy, consentStanding } from '../../connection/consent-states.ts';
import { listConsents } from '../../store/consents.ts';
import { requireRole, tenantOf } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import {
  commonProblems,
  instantOrNull,
  iso,
  jsonAnswer,
  type ListColumn,
  listOf,
  tenantPath,
} from '../schemas.ts';

/** `/tenants/{tenantId}/consents`: which application the tenant has agreed to, and what came of its links. */

const consent = z
  .object({
    app: z.enum(['connector', 'user-registration']),
    /** The application's id in Entra; the connector's is what an administrator pastes into Intune. */
    clientId: z.string(),
    state: z.enum(['not-asked', 'open', 'given', 'declined', 'failed', 'expired']),
    cause: z.string().nullable(),
    detail: z.string().nullable(),
    remedy: z.string().nullable(),
    at: instantOrNull,
    linkExpiresAt: instantOrNull,
  })
  .openapi('Consent');

const columns: readonly ListColumn[] = [
  { field: 'app', importance: 1 },
  { field: 'state', importance: 2 },
  { field: 'at', importance: 4 },
  { field: 'linkExpiresAt', importance: 5 },
  { field: 'remedy', importance: 3 },
  { field: 'clientId', importance: 6 },
];

const list = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/consents',
  operationId: 'listConsents',
  tags: ['Connection'],
  summary: 'Which consents were given since the last connect, and what came of the others',
  request: { params: tenantPath },
  responses: { 200: jsonAnswer(listOf(consent, 'Consents', columns), 'Consents'), ...commonProblems },
});

export function addConsents(app: AdminApp, { consentApplications, sql }: AdminServices): void {
  app.openapi(list, async (c) => {
    requireRole(c, 'viewer');
    const tenant = await tenantOf(c, sql);
    const asked = await listConsents(sql, tenant.tenantId);
    const results = consentApplications(tenant)
      .map((application) => consentStanding(application, asked, new Date()))
      .map(({ at, linkExpiresAt, ...rest }) => ({
        ...rest,
        remedy: consentRemedy(rest),
        at: iso(at),
        linkExpiresAt: iso(linkExpiresAt),
      }));
    return c.json({ totalCount: results.length, results }, 200);
  });
}
