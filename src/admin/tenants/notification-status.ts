import { z } from '@hono/zod-openapi';
import { readSubscriptions, type Subscription } from '../../store/subscriptions.ts';
import type { Tenant } from '../../store/tenants/tenant.ts';
import type { AdminServices } from '../context.ts';
import { instantOrNull, iso } from '../schemas.ts';

/** Graph's change notifications in a tenant's status: what is subscribed to, and what would make the rest visible. */

export const notificationStatusSchema = z
  .object({
    /** `off`: no resource is asked for. `not-configured`: the cloud has no diagnostic application. */
    state: z.enum(['off', 'not-configured', 'not-connected', 'pending', 'refused', 'partly', 'active']),
    remedy: z.string().nullable(),
    subscriptions: z.array(
      z.object({
        resource: z.string(),
        state: z.string(),
        expiresAt: instantOrNull,
        lastNotificationAt: instantOrNull,
        lastError: z.string().nullable(),
      }),
    ),
  })
  .openapi('TenantNotifications');

type NotificationStatus = z.infer<typeof notificationStatusSchema>;

const remedies: Partial<Record<NotificationStatus['state'], string>> = {
  'not-configured':
    'Optional: register a diagnostic application (ESPALIER_DIAGNOSTIC_CLIENT_ID) with Graph Group.Read.All, User.Read.All and Device.Read.All, and consent to it in the tenant.',
  'not-connected': 'Connect and confirm the tenant.',
  refused:
    'The last error of each subscription says why; they are tried again daily, and when the tenant is confirmed.',
  partly: 'The last error of those that are not active says why.',
};

function stateOf(rows: readonly Subscription[]): NotificationStatus['state'] {
  const active = rows.filter(({ state }) => state === 'active').length;
  if (active > 0) return active === rows.length ? 'active' : 'partly';
  return rows.length > 0 && rows.every(({ state }) => state === 'refused') ? 'refused' : 'pending';
}

export async function notificationStatus(
  services: Pick<AdminServices, 'sql' | 'hasDiagnostic' | 'notifies'>,
  tenant: Tenant,
): Promise<NotificationStatus> {
  const answer = (state: NotificationStatus['state'], rows: readonly Subscription[] = []) => ({
    state,
    remedy: remedies[state] ?? null,
    subscriptions: rows.map((row) => ({
      resource: row.resource,
      state: row.state,
      expiresAt: iso(row.expiresAt),
      lastNotificationAt: iso(row.lastNotificationAt),
      lastError: row.lastError,
    })),
  });
  if (!services.notifies) return answer('off');
  if (!services.hasDiagnostic(tenant.cloud)) return answer('not-configured');
  if (tenant.connectionState !== 'connected') return answer('not-connected');
  const rows = await readSubscriptions(services.sql, tenant.tenantId);
  return answer(stateOf(rows), rows);
}
