/** `confirm`: every step of a tenant's set-up on its own and safe to repeat, each with cause, remedy and owner. */

import { monotonicMs } from '../clock.ts';
import type { Sql } from '../store/database.ts';
import type { HistoryOrigin } from '../store/history.ts';
import { type Instance, listInstances, noteTest } from '../store/instances/instance.ts';
import type { ConfirmStep } from '../store/row-types.ts';
import { resumeDeprovision, suspendDeprovision } from '../store/tenants/deprovision.ts';
import type { AccessFailure, Tenant } from '../store/tenants/tenant.ts';
import type { ConnectionAccess } from './access.ts';
import { intuneSteps } from './confirm-intune.ts';
import { type ConfirmObserver, withProgress } from './confirm-progress.ts';
import { type AddStep, bad, type ConfirmOptions, failedAccess, good, notTried } from './confirm-step.ts';
import { recordConfirmed, recordTried } from './record-confirm.ts';
import { resyncTenant } from './resync.ts';

/** The connector must hold these roles (contract section 11, `permissions`). */
const graphRole = 'Directory.Read.All';
const intuneRole = 'update_device_attributes';

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
async function tokenSteps(
  tenant: Tenant,
  { access, sql }: ConfirmOptions,
  add: AddStep,
): Promise<{ readonly intuneToken: string | undefined }> {
  const lately = await consentedLately(sql, tenant.tenantId);
  const end = monotonicMs() + (lately ? propagationPatienceMs : 0);
  let tokens = await takeTokens(tenant, access);
  if (!tokens.ok) return withoutToken(tokens.failure, add);
  await add(good('token'));
  while (tokens.missing.length > 0 && monotonicMs() < end) {
    await new Promise((resolve) => setTimeout(resolve, propagationPollMs));
    const again = await takeTokens(tenant, access);
    if (again.ok) tokens = again;
  }
  await add(permissionStep(tokens.missing, lately));
  return { intuneToken: tokens.intuneToken };
}

async function withoutToken(failure: AccessFailure, add: AddStep): Promise<{ intuneToken: undefined }> {
  await add(failedAccess('token', failure));
  await add(notTried('permissions', 'token'));
  return { intuneToken: undefined };
}

function permissionStep(missing: readonly string[], lately: boolean): ConfirmStep {
  const name = 'permissions';
  if (missing.length === 0) return good(name, `${graphRole}, ${intuneRole}`);
  const lack = `The tokens lack ${missing.join(' and ')}`;
  return lately
    ? bad(name, 'consent-propagating', `${lack} yet.`, 'Wait a minute or two and confirm again.', 'microsoft')
    : bad(name, 'permission-missing', `${lack}.`, 'Consent again.', 'configuration');
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
  disabled: 'Enable the tenant in place of confirming it.',
  disconnecting: 'Wait until the disconnect has ended, then connect the tenant again.',
  disconnected: 'Connect the tenant again, and have the consents given.',
};

export interface Confirmed {
  readonly ok: boolean;
  readonly steps: readonly ConfirmStep[];
}

const isClosed = ({ connectionState }: Tenant, enabling: boolean): string | undefined =>
  enabling && connectionState === 'disabled' ? undefined : closedStates[connectionState];

/** Confirms or, `enabling`, takes a disabled tenant up again. It goes on when nobody waits for it any more. */
export async function confirmTenant(
  tenant: Tenant,
  options: ConfirmOptions,
  by: HistoryOrigin,
  { enabling = false, ...observer }: { enabling?: boolean } & ConfirmObserver = {},
): Promise<Confirmed> {
  const { tenantId } = tenant;
  const steps = await withProgress(options, { tenantId, enabling }, observer, (add) =>
    takeSteps(tenant, options, { by, enabling }, add),
  );
  return { ok: steps.every((step) => step.ok), steps };
}

async function takeSteps(
  tenant: Tenant,
  options: ConfirmOptions,
  { by, enabling }: { readonly by: HistoryOrigin; readonly enabling: boolean },
  add: AddStep,
): Promise<readonly ConfirmStep[]> {
  const { sql } = options;
  const { connectionState, tenantId } = tenant;
  const action = enabling ? 'connection.enable' : 'connection.confirm';
  const closed = isClosed(tenant, enabling);
  if (closed !== undefined) {
    const said = `The connection is ${connectionState}.`;
    const step = bad('connection', connectionState, said, closed, 'configuration');
    await recordTried(sql, tenant, by, { action, failed: [step.name] });
    await add(step);
    return [step];
  }
  await suspendDeprovision(sql, tenantId);
  const steps: ConfirmStep[] = [];
  const addNext: AddStep = (step) => {
    steps.push(step);
    return add(step);
  };
  const { intuneToken } = await tokenSteps(tenant, options, addNext);
  const intune = await intuneSteps(tenant, intuneToken, options, addNext);
  if (!intune.provisioned && tenant.deprovisionWanted) await resumeDeprovision(sql, tenantId);
  const instances = (await listInstances(sql, tenantId)).filter((instance) => instance.enabled);
  const instanceSteps = instances.map(async (instance) => {
    const step = await instanceStep(instance, options);
    await add(step);
    return step;
  });
  steps.push(...(await Promise.all(instanceSteps)));
  const failed = steps.filter((step) => !step.ok).map((step) => step.name);
  if (intune.provisioned) {
    const cameBack = await recordConfirmed(options, tenant, intune.alive, by, { action, failed });
    // Intune may have marked or removed the Macs meanwhile: everything is told again, spread over time.
    if (cameBack) await resyncTenant(sql, tenantId);
    options.tenants.forget(tenantId);
  } else await recordTried(sql, tenant, by, { action, failed });
  return steps;
}
