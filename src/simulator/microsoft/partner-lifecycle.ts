import type { CloudContext } from './context.ts';
import { notProvisioned } from './intune-request.ts';
import { type IntuneState, type IntuneTenant, type PartnerState, partnerState } from './intune-state.ts';
import type { IntuneSettings } from './settings.ts';

/** Ends the connection, once: domain/microsoft.md 4.6. */
export function endConnection(tenant: IntuneTenant, nowMs: number, by: 'partner' | 'administrator'): void {
  if (tenant.provisioning !== 'deprovisioned') {
    tenant.terminatedAt = nowMs;
    tenant.terminatedBy = by;
  }
  tenant.provisioning = 'deprovisioned';
}

/** Connects; devices known before have to register anew when the connection was gone for too long. */
export function beginConnection(
  tenant: IntuneTenant,
  nowMs: number,
  reprovisionWindowMs: number | null,
): void {
  const { terminatedAt } = tenant;
  if (terminatedAt !== null && reprovisionWindowMs !== null && nowMs - terminatedAt > reprovisionWindowMs) {
    for (const deviceId of tenant.devices.keys()) tenant.lapsedDevices.add(deviceId);
  }
  tenant.provisioning = 'provisioned';
  tenant.provisionedAt = nowMs;
  tenant.terminatedAt = null;
  tenant.terminatedBy = null;
  tenant.devicesMarked = false;
}

/** Times at which the devices of an ended connection are marked and removed, milliseconds; null while there is one. */
export function removalTimes(
  tenant: IntuneTenant,
  settings: IntuneSettings,
): { readonly markedAt: number; readonly removedAt: number } | null {
  if (tenant.terminatedAt === null) return null;
  return {
    markedAt: tenant.terminatedAt + settings.markDevicesAfterMs,
    removedAt: tenant.terminatedAt + settings.removeDevicesAfterMs,
  };
}

function sweepTenant(cloud: CloudContext, tenant: IntuneTenant): void {
  const times = removalTimes(tenant, cloud.settings.tenant(tenant.tenantId).intune);
  const directory = cloud.directory.tenant(tenant.tenantId);
  if (times === null || !directory) return;
  const nowMs = cloud.world.clock.now();
  if (!tenant.devicesMarked && nowMs >= times.markedAt) {
    tenant.devicesMarked = true;
    for (const deviceId of tenant.devices.keys()) {
      const device = directory.devices.get(deviceId);
      if (device) device.isCompliant = false;
    }
  }
  if (nowMs < times.removedAt) return;
  for (const deviceId of tenant.devices.keys()) {
    const device = directory.devices.get(deviceId);
    // The registration in Entra stays, as one that nobody manages.
    if (device) Object.assign(device, { isCompliant: null, isManaged: null });
    tenant.lapsedDevices.add(deviceId);
    tenant.removedDevices += 1;
  }
  tenant.devices.clear();
}

/** Does what is due to the devices of ended connections: domain/microsoft.md 4.6 and 11.16. */
export function sweepEndedConnections(cloud: CloudContext, state: IntuneState): void {
  for (const tenant of state.tenants()) sweepTenant(cloud, tenant);
}

/** The partner state as Graph names it, everything considered: domain/microsoft.md 4.6. */
export function connectionState(cloud: CloudContext, tenant: IntuneTenant): PartnerState {
  const settings = cloud.settings.tenant(tenant.tenantId).intune;
  if (settings.partnerState !== null) return settings.partnerState;
  // Intune does not care whose connector it is.
  if (settings.foreignProvisioning !== null) return 'enabled';
  if (tenant.provisioning === 'never' && !settings.partnerAdded) return 'unavailable';
  const { configuredAppId } = settings;
  const connected = tenant.provisioning === 'provisioned';
  if (connected && configuredAppId !== null && configuredAppId.toLowerCase() !== tenant.provisionedBy) {
    return 'rejected';
  }
  return partnerState(tenant, cloud.world.clock.now(), settings.unresponsiveAfterMs);
}

/** Another application's id was pasted in Intune: domain/microsoft.md 4.6, `rejected`. */
export const notConfigured = (appId: string): string =>
  `Application ${appId} is not the application configured for this partner.`;

/** Reason why Intune takes nothing from this application for the tenant; undefined: it does. */
export function connectionRefusal(
  tenant: IntuneTenant,
  settings: IntuneSettings,
  appId: string,
): string | undefined {
  const foreign = settings.foreignProvisioning;
  if (foreign && foreign.appId.toLowerCase() !== appId) {
    return `Tenant ${tenant.tenantId} is provisioned by another application, ${foreign.appId}.`;
  }
  if (tenant.provisioning === 'provisioned') {
    const { configuredAppId } = settings;
    return configuredAppId === null || configuredAppId.toLowerCase() === appId
      ? undefined
      : notConfigured(appId);
  }
  const ended =
    tenant.terminatedBy === 'administrator' ? ' The connection was terminated by an administrator.' : '';
  return `${notProvisioned(tenant.tenantId)}${ended}`;
}
