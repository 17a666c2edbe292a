/** The tenant's subscriptions, as `subscribedSkus` lists them (learn.microsoft.com/graph/api/subscribedsku-list). */

import { type GraphAnswer, type GraphRequest, unsupportedQuery } from './graph-answer.ts';

export const licenceRoles = ['Directory.Read.All', 'LicenseAssignment.Read.All', 'Organization.Read.All'];

const servicePlan = (servicePlanId: string, servicePlanName: string, provisioningStatus = 'Success') => ({
  servicePlanId,
  servicePlanName,
  provisioningStatus,
  appliesTo: 'User',
});

const intune = servicePlan('c1ec4a95-1f05-45b3-a911-aa3fa01094f5', 'INTUNE_A');
const p1 = servicePlan('41781fb2-bc02-4b7c-bd55-b576c07bb09d', 'AAD_PREMIUM');
const p2 = servicePlan('eec0eb4f-6444-4f95-aba0-50c24d67f998', 'AAD_PREMIUM_P2');

const subscription = (
  skuId: string,
  skuPartNumber: string,
  capabilityStatus: 'Enabled' | 'Suspended',
  servicePlans: readonly object[],
): Record<string, unknown> => ({
  id: `48a80680-7326-48cd-9935-b556b81d3a4e_${skuId}`,
  skuId,
  skuPartNumber,
  capabilityStatus,
  consumedUnits: 14,
  prepaidUnits: {
    enabled: capabilityStatus === 'Enabled' ? 25 : 0,
    suspended: capabilityStatus === 'Suspended' ? 25 : 0,
    warning: 0,
    lockedOut: 0,
  },
  servicePlans,
  appliesTo: 'User',
});

/** Supports `$select` alone; a subscription to Intune that ended is still listed, as `Suspended`. */
export function listSubscriptions({ query, token: { tenant } }: GraphRequest): GraphAnswer {
  if ([...query.keys()].some((name) => name !== '$select')) return unsupportedQuery;
  const items = [
    subscription('c7df2760-2c81-4ef7-b578-5b5392b571df', 'ENTERPRISEPREMIUM', 'Enabled', []),
    subscription(
      '061f9ace-7d42-4136-88ac-31dc755f143f',
      'INTUNE_A',
      tenant.hasIntune ? 'Enabled' : 'Suspended',
      [intune],
    ),
    ...(tenant.entraPremium === 'P1'
      ? [subscription('078d2b04-f1bd-4111-bbd4-b4b1b354cef4', 'AAD_PREMIUM', 'Enabled', [p1])]
      : []),
    ...(tenant.entraPremium === 'P2'
      ? [subscription('84a661c4-e949-4bd2-a560-ed7766fcaf2b', 'AAD_PREMIUM_P2', 'Enabled', [p1, p2])]
      : []),
  ];
  return { kind: 'collection', set: 'subscribedSkus', items, pageSize: null };
}
