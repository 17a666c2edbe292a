import type { SimulatedServicePrincipal, SimulatedTenant } from '../directory.ts';
import type { MicrosoftCloud } from './cloud.ts';
import { connectionState, removalTimes } from './partner-lifecycle.ts';
import { disabledByMicrosoft } from './principal-state.ts';
import { assignmentsOf } from './user-assignments.ts';

const isoOrNull = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

export const viewPrincipal = (principal: SimulatedServicePrincipal): Record<string, unknown> => ({
  ...principal,
  disabledByMicrosoftStatus: disabledByMicrosoft(principal),
  assignmentRequired: assignmentsOf(principal).required,
  assignments: Object.fromEntries(assignmentsOf(principal).byUser),
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
            inventory: told.inventory,
            complianceInventory: told.complianceInventory,
            lastUpdateTimes: Object.fromEntries(told.lastUpdateTimes),
          }
        : null,
      history: told?.history ?? [],
    };
  });
}

export interface UploadFilter {
  readonly deviceId?: string | undefined;
  /** ISO 8601 UTC with milliseconds: uploads that came then or later. */
  readonly since?: string | undefined;
}

/** The uploads of a tenant, oldest first, with the counters and Intune's decisions in their order. */
export function viewUploads(
  cloud: MicrosoftCloud,
  tenant: SimulatedTenant,
  { deviceId, since }: UploadFilter,
): Record<string, unknown> {
  const { counters, ledger, messages } = cloud.intune.tenant(tenant.tenantId);
  const all = [...messages.values()];
  const wanted = deviceId?.toLowerCase();
  return {
    taken: wanted === undefined ? ledger.taken : ledger.ofDevice(wanted),
    refused: ledger.refused,
    counters: { ...counters, pending: all.filter(({ status }) => status === 'pending').length },
    uploads: all.filter(
      ({ entities, receivedAt }) =>
        (since === undefined || receivedAt >= since) &&
        (wanted === undefined || entities.some((entity) => String(entity.DeviceId).toLowerCase() === wanted)),
    ),
  };
}

const withTime = <T extends { readonly at: number }>(call: T): Record<string, unknown> => ({
  ...call,
  at: isoOrNull(call.at),
});

/** The partner's connection as Intune has it, with every call that concerned it. */
export function viewPartner(cloud: MicrosoftCloud, tenant: SimulatedTenant): Record<string, unknown> {
  const partner = cloud.intune.tenant(tenant.tenantId);
  const times = removalTimes(partner, cloud.settings.tenant(tenant.tenantId).intune);
  return {
    partnerState: connectionState(cloud.context, partner),
    provisioning: partner.provisioning,
    enrollmentUrl: partner.enrollmentUrl,
    remediationUrl: partner.remediationUrl,
    provisionedAt: isoOrNull(partner.provisionedAt),
    provisionedBy: partner.provisionedBy,
    provisionedCount: partner.provisionedCount,
    deprovisionedCount: partner.deprovisionedCount,
    calls: partner.partnerCalls.map(withTime),
    terminatedAt: isoOrNull(partner.terminatedAt),
    terminatedBy: partner.terminatedBy,
    // Time at which it is due; `removedDevices` says what has been done.
    devicesMarkedNonCompliantAt: isoOrNull(times?.markedAt ?? null),
    devicesRemovedAt: isoOrNull(times?.removedAt ?? null),
    removedDevices: partner.removedDevices,
    lapsedDevices: [...partner.lapsedDevices],
    lastHeartbeatAt: isoOrNull(partner.lastHeartbeatAt),
    heartbeats: partner.heartbeats,
    heartbeatCalls: partner.heartbeatCalls.map(withTime),
    policies: partner.policies,
  };
}

/** The tenant's settings at the moment. */
export function viewSettings(cloud: MicrosoftCloud, tenant: SimulatedTenant): Record<string, unknown> {
  const { consent, consentByApp, ...rest } = cloud.settings.tenant(tenant.tenantId);
  return { consent, consentByApp: Object.fromEntries(consentByApp), ...rest };
}
