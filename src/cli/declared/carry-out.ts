/** Carries out one tenant's operations in their order, and stops at the first that fails. */

import { randomUUID } from 'node:crypto';
import { ZodError } from 'zod';
import { type AdminApi, CommandFailure } from '../admin-api.ts';
import { type Warning, warningsOf } from '../output/warnings.ts';
import { created, presentInstance, waitsForApproval } from './api-fields.ts';
import type { PresentInstance, PresentTenant } from './model.ts';
import type { ClientToSend, InstanceKey, Operation, TenantPlan } from './plan.ts';
import { readTenantAnswer, tenantPath } from './read-present.ts';
import type { SecretOf } from './read-secrets.ts';
import { sameValue } from './same-value.ts';

export interface StepResult {
  readonly operation: Operation;
  readonly state: 'done' | 'failed' | 'not-done' | 'waiting';
  readonly detail?: string | undefined;
  /** Warnings of the gateway about settings that it accepted although they do not work yet. */
  readonly warnings?: readonly Warning[] | undefined;
}

export interface CarryOutOptions {
  /** Deletes also what has devices. */
  readonly force: boolean;
  readonly secretOf: SecretOf;
}

/** A resource as it was found; undefined: this run made it, so nobody else has changed it yet. */
type Known<T> = T | undefined;

interface Run {
  readonly api: AdminApi;
  readonly path: string;
  readonly tenantId: string;
  readonly options: CarryOutOptions;
  tenant: Known<PresentTenant>;
  /** Instances by id. */
  readonly instances: Map<string, PresentInstance>;
  /** Ids of what this run made, by name. */
  readonly made: Map<string, string>;
  /** Those of the answers to the step that is being done. */
  warnings: Warning[];
}

const changedMeanwhile = 'it was changed since the plan was made; run apply again for a new plan';

class Changed extends Error {}

/** A change that waits for a second operator is accepted and not done (docs/declarative.md). */
class Waiting extends Error {}

async function send(
  run: Run,
  method: 'DELETE' | 'PATCH' | 'POST',
  path: string,
  body?: unknown,
  version?: number,
): Promise<unknown> {
  const answer = await run.api.call(method, path, body, {
    'idempotency-key': randomUUID(),
    ...(version === undefined ? {} : { 'if-match': `"${version}"` }),
  });
  const held = waitsForApproval.safeParse(answer);
  if (held.success) throw new Waiting(`approval ${held.data.approvalId}`);
  run.warnings.push(...warningsOf(answer));
  return answer;
}

function clientBody({ clientId, secret }: ClientToSend, { options }: Run): Record<string, string> {
  return secret.kind === 'gateway'
    ? { clientId, secretRef: secret.reference }
    : { clientId, clientSecret: options.secretOf(secret) };
}

function idOf({ made }: Run, key: InstanceKey): string {
  const id = 'id' in key ? key.id : made.get(key.made);
  if (id === undefined) throw new Error(`the instance ${'made' in key ? key.made : ''} was not made`);
  return id;
}

const instancePath = ({ path }: Run, id: string): string => `${path}/instances/${encodeURIComponent(id)}`;

async function changeInstance(run: Run, key: InstanceKey, fields: Record<string, unknown>): Promise<void> {
  const id = idOf(run, key);
  const answer = await send(run, 'PATCH', instancePath(run, id), fields, run.instances.get(id)?.versionLock);
  run.instances.set(id, presentInstance.parse(answer));
}

/**
 * Pausing moves the version on without saying to which one. The next step may take it for its own only when nothing else
 * has changed with it.
 */
async function pauseInstance(run: Run, key: InstanceKey, paused: boolean): Promise<void> {
  const id = idOf(run, key);
  const before = run.instances.get(id);
  await send(run, 'POST', `${instancePath(run, id)}/${paused ? 'pause' : 'resume'}`);
  if (before === undefined) return;
  const after = presentInstance.parse(await run.api.call('GET', instancePath(run, id)));
  if (!sameValue({ ...before, paused, versionLock: 0 }, { ...after, versionLock: 0 })) throw new Changed();
  run.instances.set(id, after);
}

async function pauseTenant(run: Run, paused: boolean): Promise<void> {
  const before = run.tenant;
  await send(run, 'POST', `${run.path}/${paused ? 'pause' : 'resume'}`);
  if (before === undefined) return;
  const after = readTenantAnswer(await run.api.call('GET', run.path));
  if (!sameValue({ ...before, paused, versionLock: 0 }, { ...after, versionLock: 0 })) throw new Changed();
  run.tenant = after;
}

async function changeTenant(run: Run, body: Record<string, unknown>): Promise<void> {
  const answer = await send(run, 'PATCH', run.path, body, run.tenant?.versionLock);
  if (run.tenant !== undefined) run.tenant = readTenantAnswer(answer);
}

async function createInstance(
  run: Run,
  { instance, name }: Extract<Operation, { kind: 'create-instance' }>,
): Promise<void> {
  const body = { ...instance, apiClient: clientBody(instance.apiClient, run) };
  // A new one has none of what null would end.
  const given = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
  const answer = await send(run, 'POST', `${run.path}/instances`, given);
  run.made.set(name, created.parse(answer).id);
}

/** A client in the fields becomes what the API takes. */
function fieldsBody(
  fields: Readonly<Record<string, unknown>> & {
    readonly apiClient?: ClientToSend | undefined;
    readonly application?: ClientToSend | undefined;
  },
  run: Run,
): Record<string, unknown> {
  const { apiClient, application, ...rest } = fields;
  return {
    ...rest,
    ...(apiClient === undefined ? {} : { apiClient: clientBody(apiClient, run) }),
    ...(application === undefined ? {} : { application: clientBody(application, run) }),
  };
}

async function createTenant(
  run: Run,
  { tenant }: Extract<Operation, { kind: 'create-tenant' }>,
): Promise<void> {
  const body = { tenantId: run.tenantId, ...fieldsBody({ ...tenant }, run) };
  const given = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
  await send(run, 'POST', '/tenants', given);
}

async function perform(run: Run, operation: Operation): Promise<void> {
  const force = run.options.force ? '?force=true' : '';
  switch (operation.kind) {
    case 'create-tenant':
      return createTenant(run, operation);
    case 'change-tenant':
      return changeTenant(run, fieldsBody({ ...operation.fields }, run));
    case 'set-landing': {
      const { defaultInstance, landing } = operation;
      const target = defaultInstance === undefined ? {} : { defaultInstanceId: idOf(run, defaultInstance) };
      return changeTenant(run, { landing: { ...landing, ...target } });
    }
    case 'pause-tenant':
    case 'resume-tenant':
      return pauseTenant(run, operation.kind === 'pause-tenant');
    case 'delete-tenant':
      await send(run, 'DELETE', `${run.path}${force}`, undefined, run.tenant?.versionLock);
      return undefined;
    case 'create-instance':
      return createInstance(run, operation);
    case 'change-instance':
      return changeInstance(run, operation.key, fieldsBody({ ...operation.fields }, run));
    case 'enable-instance':
    case 'disable-instance':
      return changeInstance(run, operation.key, { enabled: operation.kind === 'enable-instance' });
    case 'pause-instance':
    case 'resume-instance':
      return pauseInstance(run, operation.key, operation.kind === 'pause-instance');
    case 'delete-instance': {
      const id = idOf(run, operation.key);
      await send(
        run,
        'DELETE',
        `${instancePath(run, id)}${force}`,
        undefined,
        run.instances.get(id)?.versionLock,
      );
      return undefined;
    }
  }
}

/** Text of a failure that the operator can act on; what is none is a fault of ours and thrown on. */
function failureText(error: unknown): string {
  if (error instanceof Changed) return changedMeanwhile;
  if (error instanceof ZodError) return 'the answer is not one of this version of Espalier';
  if (!(error instanceof CommandFailure)) throw error;
  return error.message.startsWith('HTTP 412') ? changedMeanwhile : error.message;
}

/** `present` undefined: the plan makes the tenant. Never rejects for what the gateway answers. */
export async function carryOutTenant(
  api: AdminApi,
  { operations, tenantId }: TenantPlan,
  present: PresentTenant | undefined,
  options: CarryOutOptions,
): Promise<StepResult[]> {
  const run: Run = {
    ...{ api, tenantId, options, path: tenantPath(tenantId) },
    tenant: present === undefined ? undefined : { ...present, instances: [] },
    instances: new Map(present?.instances.map((instance) => [instance.id, instance])),
    made: new Map(),
    warnings: [],
  };
  const results: StepResult[] = [];
  for (const operation of operations) {
    if (results.some(({ state }) => state === 'failed')) {
      results.push({ operation, state: 'not-done' });
      continue;
    }
    run.warnings = [];
    try {
      await perform(run, operation);
      const { warnings } = run;
      results.push({ operation, state: 'done', ...(warnings.length > 0 ? { warnings } : {}) });
    } catch (error) {
      results.push(
        error instanceof Waiting
          ? { operation, state: 'waiting', detail: error.message }
          : { operation, state: 'failed', detail: failureText(error) },
      );
    }
  }
  return results;
}
