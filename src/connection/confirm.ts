import { monotonicMs } from '../clock.ts';
import type { Cloud } from '../entra/clouds.ts';
import { findGroup } from '../graph/groups.ts';
import { newId } from '../ids.ts';
import type { PartnerApiVersions } from '../intune/api-versions.ts';
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
import type { JamfClient } from '../jamf/client.ts';
import type { Send } from '../outbound/port.ts';
import type { Sql } from '../store/database.ts';
import type { HistoryOrigin } from '../store/history.ts';
import { type Instance, listInstances, noteTest } from '../store/instances/instance.ts';
import { resumeDeprovision, suspendDeprovision } from '../store/tenants/deprovision.ts';
import type { AccessFailure, Tenant, TenantDirectory } from '../store/tenants/tenant.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { ConnectionAccess } from './access.ts';
import { landingPages } from './deprovision.ts';
import { recordConfirmed, recordTried } from './record-confirm.ts';
import { resyncTenant } from './resync.ts';

/** `confirm`: every step of a tenant's set-up on its own and safe to repeat, each with cause, remedy and owner. */

export interface ConfirmStep {
  readonly name: string;
  readonly ok: boolean;
  readonly detail?: string;
  readonly cause?: string;
  readonly remedy?: string;
  readonly owner?: string;
}

export interface ConfirmOptions {
  readonly sql: Sql;
  readonly send: Send;
  readonly tenants: TenantDirectory;
  readonly access: ConnectionAccess;
  readonly clouds: ReadonlyMap<string, Cloud>;
  readonly apiVersions: PartnerApiVersions;
  readonly clientOf: (instance: Instance) => JamfClient;
  readonly publicUrl: string;
  readonly timeoutMs: number;
  readonly heartbeatSeconds: number;
  readonly metrics: Metrics;
  readonly now: () => number;
}

/** The connector must hold these roles (contract section 11, `permissions`). */
const graphRole = 'Directory.Read.All';
const intuneRole = 'update_device_attributes';

const good = (name: string, detail?: string): ConfirmStep => ({
  name,
  ok: true,
  ...(detail ? { detail } : {}),
});
const bad = (name: string, cause: string, detail: string, remedy: string, owner: string): ConfirmStep => ({
  name,
  ok: false,
  cause,
  detail,
  remedy,
  owner,
});
const failedAccess = (name: string, { cause, detail, owner, remedy }: AccessFailure): ConfirmStep =>
  bad(name, cause, detail, remedy, owner);
const notTried = (name: string, after: string): ConfirmStep =>
  bad(name, 'not-tried', `Needs the step ${after}.`, `Mend ${after} and confirm again.`, 'configuration');

const failedCall = (name: string, error: IntuneError): ConfirmStep =>
  bad(
    name,
    error.outcome === 'refused' ? `refused-${error.code}` : error.outcome,
    error.detail,
    error.outcome === 'forbidden' || error.outcome === 'unauthenticated'
      ? 'Check the permissions of the connector application and that the partner is added in Intune.'
      : 'Confirm again; if it stays, give Microsoft support the time and the tenant.',
    'microsoft',
  );

/** A consent's roles may take this long to reach tokens (domain/microsoft.md 1.5: a minute or two). */
const propagationMs = 5 * 60_000;
/** One confirm waits this long for the roles to appear, and polls at this interval. */
const propagationPatienceMs = 15_000;
const propagationPollMs = 1_500;

/** True where a consent was given so lately that its roles may still be on their way. */
async function consentedLately(sql: Sql, tenantId: string): Promise<boolean> {
  const [row] = await sql<{ lately: boolean }[]>`
    select exists (select 1 from consents where tenant_id = ${tenantId} and outcome = 'granted'
      and used_at > now() - ${propagationMs} * interval '1 millisecond') as lately`;
  return row?.lately ?? false;
}

type Tokens =
  | { readonly ok: true; readonly intuneToken: string; readonly missing: readonly string[] }
  | { readonly ok: false; readonly failure: AccessFailure };

/** A fresh token of each resource, and which roles they lack. */
async function takeTokens(tenant: Tenant, access: ConnectionAccess): Promise<Tokens> {
  const graph = await access.token(tenant, 'graph', { fresh: true });
  if (!graph.ok) return { ok: false, failure: graph };
  const intune = await access.token(tenant, 'intune', { fresh: true });
  if (!intune.ok) return { ok: false, failure: intune };
  const missing = [
    ...(graph.roles.includes(graphRole) ? [] : [`Graph ${graphRole}`]),
    ...(intune.roles.includes(intuneRole) ? [] : [`Intune ${intuneRole}`]),
  ];
  return { ok: true, intuneToken: intune.accessToken, missing };
}

/**
 * The steps at Entra: a token of each resource, and the roles in them. Roles of a consent that was just given are
 * waited for with fresh tokens: an older token keeps the roles that it was issued with.
 */
async function tokenSteps(tenant: Tenant, { access, sql }: ConfirmOptions) {
  const lately = await consentedLately(sql, tenant.tenantId);
  const end = monotonicMs() + (lately ? propagationPatienceMs : 0);
  let tokens = await takeTokens(tenant, access);
  while (tokens.ok && tokens.missing.length > 0 && monotonicMs() < end) {
    await new Promise((resolve) => setTimeout(resolve, propagationPollMs));
    tokens = await takeTokens(tenant, access);
  }
  if (!tokens.ok) {
    return {
      steps: [failedAccess('token', tokens.failure), notTried('permissions', 'token')],
      intuneToken: undefined,
    };
  }
  const lack = `The tokens lack ${tokens.missing.join(' and ')}`;
  const permissions =
    tokens.missing.length === 0
      ? good('permissions', `${graphRole}, ${intuneRole}`)
      : lately
        ? bad(
            'permissions',
            'consent-propagating',
            `${lack} yet.`,
            'Wait a minute or two and confirm again.',
            'microsoft',
          )
        : bad('permissions', 'permission-missing', `${lack}.`, 'Consent again.', 'configuration');
  return { steps: [good('token'), permissions], intuneToken: tokens.intuneToken };
}

interface IntuneOutcome {
  readonly steps: readonly ConfirmStep[];
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

/** The steps at Intune: its address, the provisioning with our own pages, the policy, the first heartbeat. */
async function intuneSteps(
  tenant: Tenant,
  accessToken: string | undefined,
  options: ConfirmOptions,
): Promise<IntuneOutcome> {
  const { access, apiVersions, metrics, publicUrl, send, timeoutMs } = options;
  const failed = (...steps: ConfirmStep[]): IntuneOutcome => ({ steps, provisioned: false, alive: false });
  if (accessToken === undefined) return failed(...restNotTried(tenant, 'discovery', 'token'));
  const found = await access.services(tenant, true);
  if (!found.ok)
    return failed(failedAccess('discovery', found), ...restNotTried(tenant, 'provisioning', 'discovery'));
  const discovery = good('discovery', found.services.tenant);
  const call = { send, service: found.services.tenant, accessToken, timeoutMs };
  const provisioned = await putPartnerTenant({
    ...call,
    apiVersion: apiVersions.PartnerTenants,
    clientRequestId: newId(),
    tenantId: tenant.tenantId,
    provisioning: 'provisioned',
    ...landingPages(publicUrl, tenant.tenantId),
  });
  if (provisioned.outcome !== 'done') {
    return failed(
      discovery,
      failedProvisioning(provisioned),
      ...restNotTried(tenant, 'policy', 'provisioning'),
    );
  }
  const policy = tenant.mode === 'device-compliance' ? await policySteps(tenant, call, options) : [];
  const heartbeat = await putHeartbeat({
    ...call,
    apiVersion: apiVersions.PartnerTenantHeartbeat,
    clientRequestId: newId(),
    tenantId: tenant.tenantId,
    timestamp: new Date(options.now()),
  });
  metrics.heartbeat(heartbeat.outcome);
  const alive = heartbeat.outcome === 'alive';
  const last = alive ? good('heartbeat') : failedCall('heartbeat', heartbeat);
  return { steps: [discovery, good('provisioning'), ...policy, last], provisioned: true, alive };
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
    return good(name, 'no partnerGroup is set: assign a user group in Intune, never all users');
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
      "Set the tenant's partnerGroup to a group's id.",
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
): Promise<ConfirmStep[]> {
  const versioned = { ...call, apiVersion: options.apiVersions.PartnerCompliancePolicies };
  const made = await createPolicy({
    ...versioned,
    clientRequestId: newId(),
    ...ownPolicy,
    description: 'Compliance of Macs as Jamf Pro computes it',
  });
  const failed = (step: ConfirmStep): ConfirmStep[] => [step, notTried('assignment', 'policy')];
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
  return [good('policy', made.outcome), await assignmentStep(tenant, policyId, call, options)];
}

/** Tests one instance, and remembers its version and what failed, as of any other exchange with it. */
export async function testInstance(
  instance: Instance,
  options: Pick<ConfirmOptions, 'sql' | 'clientOf'>,
): Promise<ConfirmStep[]> {
  const { steps, version } = await options.clientOf(instance).test();
  // Reading goes on without Jamf's verdict where a smart group decides.
  const isNeeded = (name: string): boolean => name !== 'compliance' || instance.compliance.source === 'jamf';
  const failure = steps.find(({ name, ok }) => !ok && isNeeded(name));
  await noteTest(options.sql, instance, { error: failure?.detail ?? null, version });
  return steps.map(({ name, ok, detail, owner = 'instance', remedy = 'Look at the instance.' }) =>
    ok ? good(name, detail) : bad(name, `instance-${name}`, detail, remedy, owner),
  );
}

async function instanceStep(instance: Instance, options: ConfirmOptions): Promise<ConfirmStep> {
  const name = `instance:${instance.name}`;
  const failure = (await testInstance(instance, options)).find((step) => !step.ok);
  return failure ? { ...failure, name } : good(name);
}

/** States from which only another step leads back; the remedy names it. */
const closedStates: Partial<Record<Tenant['connectionState'], string>> = {
  disabled: 'POST /tenants/{tenantId}/enable',
  disconnecting: 'Wait until the disconnect has ended, then POST /tenants/{tenantId}/connect',
  disconnected: 'POST /tenants/{tenantId}/connect',
};

export async function confirmTenant(
  tenant: Tenant,
  options: ConfirmOptions,
  by: HistoryOrigin,
  { enabling = false }: { enabling?: boolean } = {},
): Promise<{ ok: boolean; steps: ConfirmStep[] }> {
  const action = enabling ? 'connection.enable' : 'connection.confirm';
  const closed =
    enabling && tenant.connectionState === 'disabled' ? undefined : closedStates[tenant.connectionState];
  if (closed !== undefined) {
    const step = bad(
      'connection',
      tenant.connectionState,
      `The connection is ${tenant.connectionState}.`,
      closed,
      'configuration',
    );
    await recordTried(options.sql, tenant, by, { action, failed: [step.name] });
    return { ok: false, steps: [step] };
  }
  await suspendDeprovision(options.sql, tenant.tenantId);
  const tokens = await tokenSteps(tenant, options);
  const intune = await intuneSteps(tenant, tokens.intuneToken, options);
  if (!intune.provisioned && tenant.deprovisionWanted) {
    await resumeDeprovision(options.sql, tenant.tenantId);
  }
  const instances = (await listInstances(options.sql, tenant.tenantId)).filter(
    (instance) => instance.enabled,
  );
  const instanceSteps = await Promise.all(instances.map((instance) => instanceStep(instance, options)));
  const steps = [...tokens.steps, ...intune.steps, ...instanceSteps];
  const failed = steps.filter((step) => !step.ok).map((step) => step.name);
  if (intune.provisioned) {
    const cameBack = await recordConfirmed(options, tenant, intune.alive, by, { action, failed });
    // Intune may have marked or removed the Macs meanwhile: everything is told again, spread over time.
    if (cameBack) await resyncTenant(options.sql, tenant.tenantId);
    options.tenants.forget(tenant.tenantId);
  } else await recordTried(options.sql, tenant, by, { action, failed });
  return { ok: failed.length === 0, steps };
}
