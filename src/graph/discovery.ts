import type { JsonObject } from '../untrusted/bounded-json.ts';
import { checkServiceAddress, type IntuneHosts } from './allowed-hosts.ts';
import { asString, type GraphCall, type GraphFailure, getCollection, isMissing } from './call.ts';

/** Microsoft Intune in every tenant of every cloud (domain/microsoft.md 2.1). */
const intuneAppId = '0000000a-0000-0000-c000-000000000000';

/** Provider names, compared without case (domain/microsoft.md 3). */
const providers = {
  tenant: 'PartnerTenantDataSyncService',
  device: 'PartnerDeviceDataSyncService',
} as const;

export interface DiscoverIntune extends GraphCall {
  readonly cloud: { readonly graph: string } & IntuneHosts;
}

export interface IntuneServices {
  /** PartnerTenants, PartnerTenantHeartbeat, PartnerCompliancePolicies; no trailing slash. */
  readonly tenant: string;
  /** DataUploadMessages; no trailing slash. */
  readonly device: string;
}

/**
 * `no-intune`: the tenant has no Intune. `partner-service-missing`: it has, but partners are not enabled.
 * `refused-host`: the address must not see a token, to be alarmed. The rest as Graph said.
 */
export type DiscoveryFailure =
  | { readonly ok: false; readonly failure: 'no-intune'; readonly detail: string }
  | {
      readonly ok: false;
      readonly failure: 'partner-service-missing';
      readonly missing: readonly string[];
      readonly detail: string;
    }
  | { readonly ok: false; readonly failure: 'refused-host'; readonly host: string; readonly detail: string }
  | (Omit<GraphFailure, 'failure'> & { readonly failure: Exclude<GraphFailure['failure'], 'not-found'> });

export type DiscoveryResult = { readonly ok: true; readonly services: IntuneServices } | DiscoveryFailure;

const noIntune: DiscoveryFailure = {
  ok: false,
  failure: 'no-intune',
  detail: 'Intune has no service principal or no endpoint in this tenant',
};

const uriOf = (items: readonly JsonObject[], provider: string): string | undefined =>
  asString(items.find((item) => asString(item.providerName)?.toLowerCase() === provider.toLowerCase())?.uri);

/**
 * Finds the tenant's Intune partner services through Graph (domain/microsoft.md 3, "Current"), all pages, and lets
 * none through that the cloud's hosts do not allow. Keep the result until a call to it fails in transport.
 */
export async function discoverIntune(call: DiscoverIntune): Promise<DiscoveryResult> {
  const answer = await getCollection(call, `servicePrincipals/appId=${intuneAppId}/endpoints`);
  if (!answer.ok) {
    if (answer.failure === 'refused-host') return answer;
    if (isMissing(answer)) return noIntune;
    return { ...answer, failure: answer.failure === 'not-found' ? 'error' : answer.failure };
  }
  if (answer.items.length === 0) return noIntune;
  const tenant = uriOf(answer.items, providers.tenant);
  const device = uriOf(answer.items, providers.device);
  if (tenant === undefined || device === undefined) {
    const missing = [
      ...(tenant === undefined ? [providers.tenant] : []),
      ...(device === undefined ? [providers.device] : []),
    ];
    const detail = `Intune offers no ${missing.join(' and no ')} in this tenant`;
    return { ok: false, failure: 'partner-service-missing', missing, detail };
  }
  const tenantAddress = checkServiceAddress(tenant, call.cloud);
  if (!tenantAddress.ok) return refusedHost(providers.tenant, tenantAddress);
  const deviceAddress = checkServiceAddress(device, call.cloud);
  if (!deviceAddress.ok) return refusedHost(providers.device, deviceAddress);
  return { ok: true, services: { tenant: tenantAddress.url, device: deviceAddress.url } };
}

const refusedHost = (
  provider: string,
  address: { readonly reason: string; readonly host: string },
): DiscoveryFailure => ({
  ok: false,
  failure: 'refused-host',
  host: address.host,
  detail: `the address of ${provider} is not allowed in this cloud: ${address.reason}`,
});
