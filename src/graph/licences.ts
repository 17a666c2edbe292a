/**
 * Checks that the tenant has the licences that Espalier's work needs (mission M20): Intune, and Entra ID P1 or P2 for
 * Conditional Access. Read of `subscribedSkus`, for which Directory.Read.All suffices
 * (learn.microsoft.com/graph/api/subscribedsku-list).
 */

import { asObject } from '../untrusted/bounded-json.ts';
import { asString, type GraphCall, type GraphFailure, getCollection, type RefusedHost } from './call.ts';

export type LicencesResult =
  | {
      readonly ok: true;
      /** A subscription that counts has the service plan, with units. */
      readonly intune: boolean;
      readonly entraPremium: 'P1' | 'P2' | undefined;
      /** Subscriptions with Intune or Entra ID P1 or P2 that ended or are about to, by their part numbers. */
      readonly ending: readonly string[];
    }
  | GraphFailure
  | RefusedHost;

/** Service plans, by id or by name: other clouds have ids of their own for the same names (`INTUNE_A_GOV`). */
const intunePlan = 'c1ec4a95-1f05-45b3-a911-aa3fa01094f5';
const intuneName = /^INTUNE_(A|P1|P2|EDU)\b|^INTUNE_A_/i;
const p1Name = /^AAD_PREMIUM(_GOV|_FACULTY|_STUDENT)?$/i;
const p2Name = /^AAD_PREMIUM_P2/i;
const p1Plan = '41781fb2-bc02-4b7c-bd55-b576c07bb09d';
const p2Plan = 'eec0eb4f-6444-4f95-aba0-50c24d67f998';

interface Plans {
  readonly intune: boolean;
  readonly p1: boolean;
  readonly p2: boolean;
}

function plansOf(item: Readonly<Record<string, unknown>>): Plans {
  const plans = (Array.isArray(item.servicePlans) ? item.servicePlans : []).map((plan) => {
    const object = asObject(plan);
    return {
      id: asString(object?.servicePlanId)?.toLowerCase() ?? '',
      name: asString(object?.servicePlanName) ?? '',
      // `Disabled` plans are part of the subscription but switched off.
      on: asString(object?.provisioningStatus)?.toLowerCase() !== 'disabled',
    };
  });
  const has = (id: string, name: RegExp): boolean =>
    plans.some((plan) => plan.on && (plan.id === id || name.test(plan.name)));
  return {
    intune: has(intunePlan, intuneName),
    p1: has(p1Plan, p1Name),
    p2: has(p2Plan, p2Name),
  };
}

/** Reads them with a token that may read the directory. */
export async function readLicences(call: GraphCall): Promise<LicencesResult> {
  const answer = await getCollection(
    call,
    'subscribedSkus?$select=skuPartNumber,capabilityStatus,servicePlans',
  );
  if (!answer.ok) return answer;
  const rows = answer.items.map((item) => ({
    name: asString(item.skuPartNumber) ?? 'unnamed',
    status: asString(item.capabilityStatus) ?? '',
    plans: plansOf(item),
  }));
  // `Warning` is the time of grace after the end of a subscription: it still works.
  const working = rows.filter(({ status }) => status === 'Enabled' || status === 'Warning');
  const has = (plan: keyof Plans): boolean => working.some(({ plans }) => plans[plan]);
  return {
    ok: true,
    intune: has('intune'),
    entraPremium: has('p2') ? 'P2' : has('p1') ? 'P1' : undefined,
    ending: rows
      .filter(({ plans, status }) => status !== 'Enabled' && (plans.intune || plans.p1 || plans.p2))
      .map(({ name, status }) => `${name} (${status})`),
  };
}
