import { parseGuid } from '../ids.ts';
import { asObject, type JsonObject, parseBoundedJson } from '../untrusted/bounded-json.ts';
import { bodyRefusal } from './body-status.ts';
import { callIntune, guidKey, type IntuneAnswer, type IntuneCall, type IntuneError } from './call.ts';

const entity = 'PartnerCompliancePolicies';

/** The policy that says "this partner decides", one per platform and tenant (domain/microsoft.md 4.5, 5.2). */
export interface PartnerPolicy {
  /** A GUID in lower case. */
  readonly id: string;
  readonly displayName: string | undefined;
  /** `macOS`, as Intune wrote it. */
  readonly platform: string | undefined;
  readonly partnerManaged: boolean | undefined;
}

export interface CreatePolicy extends IntuneCall {
  readonly displayName: string;
  readonly description: string;
  readonly platform: 'macOS' | 'iOS' | 'Android';
}

/** Intune answers nothing at all, with status 204, while the partner is not added in the tenant. */
export interface PartnerNotAdded {
  readonly outcome: 'partner-not-added';
  readonly detail: string;
}

/** `exists`: an earlier run made one; find it with `listPolicies`. */
export type CreatePolicyResult =
  | { readonly outcome: 'created'; readonly policy: PartnerPolicy }
  | { readonly outcome: 'exists'; readonly detail: string }
  | PartnerNotAdded
  | IntuneError;

export type ListPoliciesResult =
  | {
      readonly outcome: 'listed';
      readonly policies: readonly PartnerPolicy[];
      /** False when Intune says that there are more: no source shows a second page. */
      readonly complete: boolean;
    }
  | PartnerNotAdded
  | IntuneError;

/** `assignments` is what Intune wrote, of unknown shape; undefined when it said nothing readable. */
export type AssignPolicyResult =
  | { readonly outcome: 'assigned'; readonly assignments: unknown }
  | IntuneError;

const asText = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** Undefined when the id is no GUID: nothing else may become part of an address. */
function policyOf(item: JsonObject | undefined): PartnerPolicy | undefined {
  const id = parseGuid(asText(item?.Id));
  if (item === undefined || id === undefined) return undefined;
  const managed = item.PartnerManagedCompliance;
  return {
    id,
    displayName: asText(item.DisplayName),
    platform: asText(item.Platform),
    partnerManaged: typeof managed === 'boolean' ? managed : undefined,
  };
}

const readPolicies = (items: readonly unknown[]): PartnerPolicy[] =>
  items.map((item) => policyOf(asObject(item))).filter((policy) => policy !== undefined);

const asExisting = (error: IntuneError): CreatePolicyResult =>
  error.outcome === 'refused' && error.httpStatus === 409
    ? { outcome: 'exists', detail: error.detail }
    : error;

const answeredOrRefused = (answer: IntuneAnswer | IntuneError): IntuneAnswer | IntuneError =>
  answer.outcome === 'answered' ? (bodyRefusal(answer.body) ?? answer) : answer;

const notAdded: PartnerNotAdded = {
  outcome: 'partner-not-added',
  detail: 'Intune answered 204, nothing: the partner is not added in this tenant.',
};

const isNothing = ({ body, httpStatus }: IntuneAnswer): boolean => httpStatus === 204 && body === undefined;

/** The policy of a platform that bears our name: another one is another partner's, and is left alone. */
export const findOwnPolicy = (
  policies: readonly PartnerPolicy[],
  own: Pick<CreatePolicy, 'displayName' | 'platform'>,
): PartnerPolicy | undefined =>
  policies.find(
    ({ displayName, platform }) =>
      displayName === own.displayName &&
      (platform ?? own.platform).toLowerCase() === own.platform.toLowerCase(),
  );

/**
 * Makes the partner compliance policy of a platform (domain/microsoft.md 4.5). The sources disagree whether the
 * answer is the policy or a list with it. Safe to repeat after an unclear outcome: then it `exists`.
 */
export async function createPolicy(call: CreatePolicy): Promise<CreatePolicyResult> {
  const answer = answeredOrRefused(
    await callIntune(call, 'POST', entity, {
      DisplayName: call.displayName,
      Description: call.description,
      Platform: call.platform,
      PartnerManagedCompliance: true,
    }),
  );
  if (answer.outcome !== 'answered') return asExisting(answer);
  if (isNothing(answer)) return notAdded;
  const list = answer.body?.value;
  const items: readonly unknown[] = Array.isArray(list) ? list : [answer.body];
  const [only, ...others] = readPolicies(items);
  // A policy that was just made may come back without its name; one of several must bear it.
  const isUnnamed = others.length === 0 && only?.displayName === undefined;
  const policy = isUnnamed ? only : findOwnPolicy(readPolicies(items), call);
  return policy === undefined
    ? { outcome: 'unclear', detail: `the answer with status ${answer.httpStatus} names no policy` }
    : { outcome: 'created', policy };
}

/** The partner compliance policies of the token's tenant (domain/microsoft.md 4.5). */
export async function listPolicies(call: IntuneCall): Promise<ListPoliciesResult> {
  const answer = answeredOrRefused(await callIntune(call, 'GET', entity));
  if (answer.outcome !== 'answered') return answer;
  if (isNothing(answer)) return notAdded;
  const list = answer.body?.value;
  if (!Array.isArray(list)) return { outcome: 'unclear', detail: 'the answer is no list of policies' };
  const policies = readPolicies(list);
  const next = answer.body?.['odata.nextLink'] ?? answer.body?.['@odata.nextLink'];
  return { outcome: 'listed', policies, complete: next === undefined || next === null };
}

/** The answer's `value` is JSON written as a string (domain/microsoft.md 4.5). */
function assignmentsOf(body: JsonObject | undefined): unknown {
  const value = body?.value;
  if (typeof value !== 'string') return value;
  try {
    return parseBoundedJson(value);
  } catch {
    // Success all the same: only the echo cannot be read.
    return undefined;
  }
}

/**
 * Gives the policy to user groups, by their object ids (domain/microsoft.md 4.5): all that it shall have, at least
 * one. Never all users: Microsoft says that this inhibits the connection. Safe to repeat.
 */
export async function assignPolicy(
  call: IntuneCall & {
    readonly policyId: string;
    readonly groupIds: readonly [string, ...string[]];
  },
): Promise<AssignPolicyResult> {
  const path = `${guidKey(entity, call.policyId)}/Assign`;
  const answer = answeredOrRefused(await callIntune(call, 'POST', path, { assignments: call.groupIds }));
  return answer.outcome === 'answered'
    ? { outcome: 'assigned', assignments: assignmentsOf(answer.body) }
    : answer;
}
