import { bodyRefusal } from './body-status.ts';
import { callIntune, guidKey, type IntuneCall, type IntuneError } from './call.ts';

/** Values of `Provisioned` (domain/microsoft.md 4.2). */
const provisionedValues = { provisioned: 1, deprovisioned: 2 } as const;

export interface PutPartnerTenant extends IntuneCall {
  readonly tenantId: string;
  readonly provisioning: keyof typeof provisionedValues;
  /** Address that browsers of unknown devices are sent to. */
  readonly enrollmentUrl: string;
  /** Address that browsers of non-compliant devices are sent to; absent for api-version 1.4. */
  readonly remediationUrl?: string;
}

export type PutPartnerTenantResult = { readonly outcome: 'done' } | IntuneError;

/**
 * Connects the tenant or takes it off (domain/microsoft.md 4.2). Idempotent; the URLs are sent when deprovisioning
 * too. After an unclear outcome send the same again.
 */
export async function putPartnerTenant(call: PutPartnerTenant): Promise<PutPartnerTenantResult> {
  const answer = await callIntune(call, 'PUT', guidKey('PartnerTenants', call.tenantId), {
    Provisioned: provisionedValues[call.provisioning],
    PartnerEnrollmentUrl: call.enrollmentUrl,
    ...(call.remediationUrl === undefined ? {} : { PartnerRemediationUrl: call.remediationUrl }),
  });
  if (answer.outcome !== 'answered') return answer;
  return bodyRefusal(answer.body) ?? { outcome: 'done' };
}
