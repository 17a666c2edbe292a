import { newId } from '../ids.ts';
import type { PartnerApiVersions } from '../intune/api-versions.ts';
import type { IntuneSetback } from '../intune/call.ts';
import { putHeartbeat } from '../intune/heartbeat.ts';
import { putPartnerTenant } from '../intune/partner-tenants.ts';
import type { JamfClient } from '../jamf/client.ts';
import type { Send } from '../outbound/port.ts';
import type { Sql } from '../store/database.ts';
import { type Instance, listInstances } from '../store/instances.ts';
import { dueChannel } from '../store/notifications.ts';
import type { AccessFailure, Tenant, TenantDirectory } from '../store/tenants.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { ConnectionAccess } from './access.ts';

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
  readonly apiVersions: PartnerApiVersions;
  readonly clientOf: (instance: Instance) => JamfClient;
  readonly publicUrl: string;
  readonly timeoutMs: number;
  readonly metrics: Metrics;
  readonly now: () => number;
}

/** What the connector must hold (contract section 11, `permissions`). */
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

const failedCall = (name: string, setback: IntuneSetback): ConfirmStep =>
  bad(
    name,
    setback.outcome === 'refused' ? `refused-${setback.code}` : setback.outcome,
    setback.detail,
    setback.outcome === 'forbidden' || setback.outcome === 'unauthenticated'
      ? 'Check the permissions of the connector application and that the partner is added in Intune.'
      : 'Confirm again; if it stays, give Microsoft support the time and the tenant.',
    'microsoft',
  );

/** The steps at Entra: a token of each resource, and the roles in them. */
async function tokenSteps(tenant: Tenant, access: ConnectionAccess) {
  const graph = await access.token(tenant, 'graph', { fresh: true });
  if (!graph.ok) {
    return {
      steps: [failedAccess('token', graph), notTried('permissions', 'token')],
      intuneToken: undefined,
    };
  }
  const intune = await access.token(tenant, 'intune', { fresh: true });
  if (!intune.ok) {
    return {
      steps: [failedAccess('token', intune), notTried('permissions', 'token')],
      intuneToken: undefined,
    };
  }
  const missing = [
    ...(graph.roles.includes(graphRole) ? [] : [`Graph ${graphRole}`]),
    ...(intune.roles.includes(intuneRole) ? [] : [`Intune ${intuneRole}`]),
  ];
  const permissions =
    missing.length === 0
      ? good('permissions', `${graphRole}, ${intuneRole}`)
      : bad(
          'permissions',
          'permission-missing',
          `The tokens lack ${missing.join(' and ')}; after a consent this takes a minute or two.`,
          'Wait two minutes and confirm again; else consent again.',
          'configuration',
        );
  return { steps: [good('token'), permissions], intuneToken: intune.accessToken };
}

/** The steps at Intune: its address, the provisioning with our own pages, the first heartbeat. */
async function intuneSteps(tenant: Tenant, accessToken: string | undefined, options: ConfirmOptions) {
  const { access, apiVersions, metrics, publicUrl, send, timeoutMs } = options;
  if (accessToken === undefined) {
    return {
      steps: ['discovery', 'provisioning', 'heartbeat'].map((name) => notTried(name, 'token')),
      provisioned: false,
      alive: false,
    };
  }
  const found = await access.services(tenant, true);
  if (!found.ok) {
    const rest = ['provisioning', 'heartbeat'].map((name) => notTried(name, 'discovery'));
    return { steps: [failedAccess('discovery', found), ...rest], provisioned: false, alive: false };
  }
  const call = { send, service: found.services.tenant, accessToken, timeoutMs };
  const page = `${publicUrl}/t/${tenant.tenantId}`;
  const provisioned = await putPartnerTenant({
    ...call,
    apiVersion: apiVersions.PartnerTenants,
    clientRequestId: newId(),
    tenantId: tenant.tenantId,
    provisioning: 'provisioned',
    enrollmentUrl: `${page}/enroll`,
    remediationUrl: `${page}/remediate`,
  });
  if (provisioned.outcome !== 'done') {
    const steps = [
      good('discovery'),
      failedCall('provisioning', provisioned),
      notTried('heartbeat', 'provisioning'),
    ];
    return { steps, provisioned: false, alive: false };
  }
  const heartbeat = await putHeartbeat({
    ...call,
    apiVersion: apiVersions.PartnerTenantHeartbeat,
    clientRequestId: newId(),
    tenantId: tenant.tenantId,
    timestamp: new Date(options.now()),
  });
  const alive = heartbeat.outcome === 'alive';
  metrics.heartbeat(heartbeat.outcome);
  const last = alive ? good('heartbeat') : failedCall('heartbeat', heartbeat);
  return {
    steps: [good('discovery', found.services.tenant), good('provisioning'), last],
    provisioned: true,
    alive,
  };
}

/** Tests one instance and remembers its version. */
export async function testInstance(
  instance: Instance,
  options: Pick<ConfirmOptions, 'sql' | 'clientOf'>,
): Promise<ConfirmStep[]> {
  const client = options.clientOf(instance);
  const steps = await client.test();
  const version = await client.version();
  if (version.ok) {
    await options.sql`update instances set jamf_version = ${version.version}, last_seen_at = now(), last_error = null
      where tenant_id = ${instance.tenantId} and instance_id = ${instance.instanceId}`;
  }
  return steps.map(({ name, ok, detail, remedy }) =>
    ok
      ? good(name, detail)
      : bad(name, `instance-${name}`, detail, remedy ?? 'Look at the instance.', 'instance'),
  );
}

async function instanceStep(instance: Instance, options: ConfirmOptions): Promise<ConfirmStep> {
  const name = `instance:${instance.name}`;
  const failure = (await testInstance(instance, options)).find((step) => !step.ok);
  return failure ? { ...failure, name } : good(name);
}

async function noteConfirmed(sql: Sql, tenant: Tenant, alive: boolean): Promise<void> {
  await sql.begin(async (tx) => {
    await tx`
      update tenants set connection_state = 'connected', hold = null, connected_at = coalesce(connected_at, now()),
        last_confirm_at = now(), last_heartbeat_at = case when ${alive} then now() else last_heartbeat_at end,
        version = version + 1, updated_at = now()
      where tenant_id = ${tenant.tenantId}`;
    // Held reports are tried again at once (contract section 11).
    await tx`update reports set next_try_at = now() where tenant_id = ${tenant.tenantId} and state = 'held'`;
    await tx`select pg_notify(${dueChannel}, 'reports')`;
  });
}

export async function confirmTenant(
  tenant: Tenant,
  options: ConfirmOptions,
): Promise<{ ok: boolean; steps: ConfirmStep[] }> {
  const tokens = await tokenSteps(tenant, options.access);
  const intune = await intuneSteps(tenant, tokens.intuneToken, options);
  const instances = (await listInstances(options.sql, tenant.tenantId)).filter(
    (instance) => instance.enabled,
  );
  const instanceSteps = await Promise.all(instances.map((instance) => instanceStep(instance, options)));
  if (intune.provisioned) {
    await noteConfirmed(options.sql, tenant, intune.alive);
    options.tenants.forget(tenant.tenantId);
  }
  const steps = [...tokens.steps, ...intune.steps, ...instanceSteps];
  return { ok: steps.every((step) => step.ok), steps };
}
