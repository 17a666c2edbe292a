import type { SimulatedServicePrincipal, SimulatedTenant } from '../directory.ts';
import type { MicrosoftCloud } from './cloud.ts';
import { partnerState } from './intune-state.ts';

/** domain/microsoft.md 4.6: Macs are removed 90 days after the connection ends. */
const removalAfterMs = 90 * 86_400_000;

const isoOrNull = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

export const viewPrincipal = (principal: SimulatedServicePrincipal): Record<string, unknown> => ({
  ...principal,
  appRoles: principal.appRoles.map((role) => ({ ...role, effectiveAt: isoOrNull(role.effectiveAt) })),
});

/** Each device as Entra shows it and as Intune was told, with everything that took effect. */
export function viewDevices(cloud: MicrosoftCloud, tenant: SimulatedTenant): Record<string, unknown>[] {
  const { devices } = cloud.intune.tenant(tenant.tenantId);
  return [...tenant.devices.values()].map((device) => {
    const told = devices.get(device.deviceId.toLowerCase());
    return {
      deviceId: device.deviceId,
      entra: device,
      intune: told
        ? {
            complianceStatus: told.complianceStatus,
            deviceManagementState: told.deviceManagementState,
            lastUpdateTimes: Object.fromEntries(told.lastUpdateTimes),
          }
        : null,
      history: told?.history ?? [],
    };
  });
}

/** The uploads of a tenant, oldest first, with the counters. */
export function viewUploads(
  cloud: MicrosoftCloud,
  tenant: SimulatedTenant,
  deviceId: string | undefined,
): Record<string, unknown> {
  const { counters, messages } = cloud.intune.tenant(tenant.tenantId);
  const all = [...messages.values()];
  const wanted = deviceId?.toLowerCase();
  return {
    counters: { ...counters, pending: all.filter(({ status }) => status === 'pending').length },
    uploads: all.filter(
      ({ entities }) =>
        wanted === undefined || entities.some((entity) => String(entity.DeviceId).toLowerCase() === wanted),
    ),
  };
}

/** The partner's connection as Intune has it. */
export function viewPartner(cloud: MicrosoftCloud, tenant: SimulatedTenant): Record<string, unknown> {
  const partner = cloud.intune.tenant(tenant.tenantId);
  return {
    partnerState: partnerState(partner, cloud.context.world.clock.now()),
    provisioning: partner.provisioning,
    enrollmentUrl: partner.enrollmentUrl,
    remediationUrl: partner.remediationUrl,
    provisionedAt: isoOrNull(partner.provisionedAt),
    terminatedAt: isoOrNull(partner.terminatedAt),
    devicesRemovedAt: isoOrNull(partner.terminatedAt === null ? null : partner.terminatedAt + removalAfterMs),
    lastHeartbeatAt: isoOrNull(partner.lastHeartbeatAt),
    heartbeats: partner.heartbeats,
    policies: partner.policies,
  };
}

/** What is switched for the tenant at the moment. */
export function viewSettings(cloud: MicrosoftCloud, tenant: SimulatedTenant): Record<string, unknown> {
  const { consent, consentByApp, discovery, intune } = cloud.settings.tenant(tenant.tenantId);
  return { consent, consentByApp: Object.fromEntries(consentByApp), discovery, intune };
}
