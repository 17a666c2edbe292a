import type { SimulatedTenant } from '../directory.ts';
import type { CloudContext } from './context.ts';
import type { DiscoverySettings } from './settings.ts';

/** The Intune services that partners call, by the names of domain/microsoft.md 3. */
export type PartnerService = 'PartnerTenantDataSyncService' | 'PartnerDeviceDataSyncService';

/** The path segment of a service of this tenant now; a relocation changes it. */
export const servicePath = (cloud: CloudContext, tenantId: string, service: PartnerService): string =>
  `${cloud.intuneServicePrefix}${service}${cloud.settings.tenant(tenantId).discovery.relocation ?? ''}`;

/**
 * The Intune host by address, not by the name that its siblings use: a client has to compare it with the
 * cloud's own list of Intune hosts.
 */
export const intuneAddress = (cloud: CloudContext): string =>
  `https://127.0.0.1:${new URL(cloud.addresses.intune).port}`;

function serviceUri(cloud: CloudContext, address: DiscoverySettings['address'], path: string): string {
  const { port } = new URL(cloud.addresses.intune);
  switch (address) {
    case 'own':
      return `${intuneAddress(cloud)}/${path}`;
    case 'plain-http':
      return `http://127.0.0.1:${port}/${path}`;
    case 'foreign-host':
      return `https://intune.attacker.example:${port}/${path}`;
    case 'foreign-port':
      return `https://127.0.0.1:${Number(port) === 65_535 ? 65_534 : Number(port) + 1}/${path}`;
    case 'user-info':
      // Reads like the right host to a client that compares text.
      return `https://127.0.0.1:${port}@intune.attacker.example/${path}`;
  }
}

const unrelated = ['AuditingService', 'StatelessUserExperienceService', 'ScepRequestValidationFEService'];

const casings = {
  documented: (name: string): string => name,
  lower: (name: string): string => name.toLowerCase(),
  upper: (name: string): string => name.toUpperCase(),
} as const;

/** Items of `servicePrincipals/{Intune}/endpoints`, as switched for the tenant: domain/microsoft.md 11.7. */
export function intuneEndpoints(cloud: CloudContext, tenant: SimulatedTenant): Record<string, unknown>[] {
  const settings = cloud.settings.tenant(tenant.tenantId).discovery;
  if (settings.services === 'none') return [];
  const offered: PartnerService[] = [];
  if (settings.services === 'all' || settings.services === 'tenant-only')
    offered.push('PartnerTenantDataSyncService');
  if (settings.services === 'all' || settings.services === 'device-only')
    offered.push('PartnerDeviceDataSyncService');
  const item = (name: string, uri: string): Record<string, unknown> => ({
    id: `${tenant.tenantId.slice(0, 8)}-${name}`,
    deletedDateTime: null,
    capability: name,
    providerId: null,
    providerName: casings[settings.providerNameCase](name),
    providerResourceId: null,
    uri,
  });
  // Partner services last, so that a reader who stops at the first page or item misses them.
  return [
    ...unrelated.map((name) => item(name, `${intuneAddress(cloud)}/${name}`)),
    ...offered.map((name) =>
      item(name, serviceUri(cloud, settings.address, servicePath(cloud, tenant.tenantId, name))),
    ),
  ];
}
