/** The steps of a confirmation at Intune: its address, the provisioning with our own pages, the policy, a heartbeat. */

import { findGroup } from '../graph/groups.ts';
import { newId } from '../ids.ts';
import type { IntuneCall, IntuneError } from '../intune/call.ts';
import { putHeartbeat } from '../intune/heartbeat.ts';
import { putPartnerTenant } from '../intune/partner-tenants.ts';
import {
  assignPolicy,
  createPolicy,
  findOwnPolicy,
  listPolicies,
  type PartnerPolicy,
} from '../intune/policies.ts';
import type { ConfirmStep } from '../store/row-types.ts';
import type { Tenant } from '../store/tenants/tenant.ts';
import {
  type AddStep,
  bad,
  type ConfirmOptions,
  failedAccess,
  failedCall,
  good,
  notTried,
} from './confirm-step.ts';
import { landingPages } from './deprovision.ts';

interface IntuneOutcome {
  readonly provisioned: boolean;
  readonly alive: boolean;
}

const intuneStepNames = ['discovery', 'provisioning', 'policy', 'assignment', 'heartbeat'] as const;

/** The steps from `first` on were not tried, because `after` failed. */
const restNotTried = (
  { mode }: Tenant,
  first: (typeof intuneStepNames)[number],
  after: string,
): ConfirmStep[] =>
  intuneStepNames
    .slice(intuneStepNames.indexOf(first))
    .filter((name) => mode === 'device-compliance' || (name !== 'policy' && name !== 'assignment'))
    .map((name) => notTried(name, after));

/** `accessToken` undefined: Entra gave none. */
export async function intuneSteps(
  tenant: Tenant,
  accessToken: string | undefined,
  options: ConfirmOptions,
  add: AddStep,
): Promise<IntuneOutcome> {
  const { access, apiVersions, metrics, publicUrl, send, timeoutMs } = options;
  const failed = async (...steps: ConfirmStep[]): Promise<IntuneOutcome> => {
    for (const step of steps) await add(step);
    return { provisioned: false, alive: false };
  };
  if (accessToken === undefined) return failed(...restNotTried(tenant, 'discovery', 'token'));
  const found = await access.services(tenant, true);
  if (!found.ok)
    return failed(failedAccess('discovery', found), ...restNotTried(tenant, 'provisioning', 'discovery'));
  await add(good('discovery', found.services.tenant));
  const call = { send, service: found.services.tenant, accessToken, timeoutMs };
  const provisioned = await putPartnerTenant({
    ...call,
    apiVersion: apiVersions.PartnerTenants,
    clientRequestId: newId(),
    tenantId: tenant.tenantId,
    provisioning: 'provisioned',
    ...landingPages(publicUrl, tenant.tenantId),
  });
  if (provisioned.outcome !== 'done')
    return failed(failedProvisioning(provisioned), ...restNotTried(tenant, 'policy', 'provisioning'));
  await add(good('provisioning'));
  if (tenant.mode === 'device-compliance') await policySteps(tenant, call, options, add);
  const heartbeat = await putHeartbeat({
    ...call,
    apiVersion: apiVersions.PartnerTenantHeartbeat,
    clientRequestId: newId(),
    tenantId: tenant.tenantId,
    timestamp: new Date(options.now()),
  });
  metrics.heartbeat(heartbeat.outcome);
  const alive = heartbeat.outcome === 'alive';
  await add(alive ? good('heartbeat') : failedCall('heartbeat', heartbeat));
  return { provisioned: true, alive };
}

/** Another partner or another application of ours holds the tenant: naming it is the first step to the remedy. */
function failedProvisioning(error: IntuneError): ConfirmStep {
  if (error.outcome === 'refused' && /already|another (partner|application)/i.test(error.detail)) {
    return bad(
      'provisioning',
      'foreign-provisioning',
      error.detail,
      'The tenant is connected to another partner application: end that connection in Intune first, then confirm within 24 hours.',
      'configuration',
    );
  }
  return failedCall('provisioning', error);
}

async function assignmentStep(
  tenant: Tenant,
  policyId: string,
  call: Pick<IntuneCall, 'send' | 'service' | 'accessToken' | 'timeoutMs'>,
  options: ConfirmOptions,
): Promise<ConfirmStep> {
  const name = 'assignment';
  const cloud = options.clouds.get(tenant.cloud);
  if (!tenant.partnerGroup) {
    return good(name, 'No partner group is set: assign a user group in Intune, never all users.');
  }
  const graph = await options.access.token(tenant, 'graph');
  if (!graph.ok || !cloud) return graph.ok ? notTried(name, 'token') : failedAccess(name, graph);
  const { displayName, id } = tenant.partnerGroup;
  const group = await findGroup({
    send: call.send,
    cloud,
    accessToken: graph.accessToken,
    clientRequestId: newId(),
    group: id === undefined ? { displayName: displayName ?? '' } : { id },
  });
  if (!group.ok) return bad(name, `group-${group.failure}`, group.detail, 'Confirm again.', 'microsoft');
  if (group.outcome !== 'found') {
    const detail = `The group ${displayName ?? id} is ${group.outcome === 'ambiguous' ? 'there more than once' : 'not in the tenant'}.`;
    return bad(
      name,
      `group-${group.outcome}`,
      detail,
      'Set the partner group of the tenant to the object id of a group.',
      'configuration',
    );
  }
  const assigned = await assignPolicy({
    ...call,
    apiVersion: options.apiVersions.PartnerCompliancePolicies,
    clientRequestId: newId(),
    policyId,
    groupIds: [group.id],
  });
  return assigned.outcome === 'assigned' ? good(name, group.displayName) : failedCall(name, assigned);
}

const ownPolicy = { displayName: 'Espalier macOS compliance', platform: 'macOS' } as const;

const partnerNotAdded = (detail: string): ConfirmStep =>
  bad(
    'policy',
    'partner-not-added',
    detail,
    "The customer's Intune administrator adds it in the Intune admin center: Tenant administration, Connectors and tokens, Partner compliance management, Add compliance partner, the partner of this connector, platform macOS. Then confirm again.",
    'configuration',
  );

/** One partner decides for a platform (domain/microsoft.md 5.2): another's policy is named, never assigned. */
function policyNotOurs(policies: readonly PartnerPolicy[]): ConfirmStep {
  const names = policies.slice(0, 5).map(({ displayName, platform }) => `${displayName} (${platform})`);
  return names.length === 0
    ? bad(
        'policy',
        'policy-missing',
        'Intune says that the policy exists but lists none.',
        'Confirm again.',
        'microsoft',
      )
    : bad(
        'policy',
        'policy-not-ours',
        `Intune says that a policy exists, and lists none named ${ownPolicy.displayName}: ${names.join(', ')}.`,
        "Another partner's policy decides for macOS: the customer's Intune administrator removes that partner for macOS under Partner compliance management, then confirm again.",
        'configuration',
      );
}

/** The partner compliance policy, made or found (409 means it is there), and its assignment to the named group. */
async function policySteps(
  tenant: Tenant,
  call: Pick<IntuneCall, 'send' | 'service' | 'accessToken' | 'timeoutMs'>,
  options: ConfirmOptions,
  add: AddStep,
): Promise<void> {
  const versioned = { ...call, apiVersion: options.apiVersions.PartnerCompliancePolicies };
  const made = await createPolicy({
    ...versioned,
    clientRequestId: newId(),
    ...ownPolicy,
    description: 'Compliance of Macs as Jamf Pro computes it',
  });
  const failed = async (step: ConfirmStep): Promise<void> => {
    await add(step);
    await add(notTried('assignment', 'policy'));
  };
  if (made.outcome === 'partner-not-added') return failed(partnerNotAdded(made.detail));
  if (made.outcome !== 'created' && made.outcome !== 'exists') return failed(failedCall('policy', made));
  let policyId = made.outcome === 'created' ? made.policy.id : undefined;
  if (policyId === undefined) {
    const listed = await listPolicies({ ...versioned, clientRequestId: newId() });
    if (listed.outcome === 'partner-not-added') return failed(partnerNotAdded(listed.detail));
    if (listed.outcome !== 'listed') return failed(failedCall('policy', listed));
    policyId = findOwnPolicy(listed.policies, ownPolicy)?.id;
    if (policyId === undefined) return failed(policyNotOurs(listed.policies));
  }
  await add(good('policy', made.outcome));
  await add(await assignmentStep(tenant, policyId, call, options));
}
