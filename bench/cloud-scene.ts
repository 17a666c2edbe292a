import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type postgres from 'postgres';
import { type Answer, call, read } from '../test/harness/http.ts';
import { freePort } from '../test/harness/ports.ts';
import { type AdminApi, adminApi, ownSettings } from './admin-api.ts';
import { startAnsweringInstance } from './answering-instance.ts';
import type { AnsweringFacts, AnsweringPlan } from './answering-worker.ts';
import { startDatabase } from './database.ts';
import { complianceGroup } from './fleet.ts';
import { type Gateway, startGateway } from './gateway.ts';
import type { PushesPlan, PushesResult } from './pushes.ts';
import type { Run } from './run.ts';
import type { Processes } from './usage.ts';
import { startWorker, type Worker } from './worker.ts';
import type { BenchTenant, Caller, WorldFacts, WorldPlan } from './world.ts';

/** A tenant that is connected, with one instance that pushes. */
export interface ConnectedTenant extends BenchTenant {
  /** Its place among the tenants, which its devices' ids follow from (fleet.ts). */
  readonly number: number;
  readonly devices: number;
  readonly instanceId: string;
  readonly key: string;
  /** Process of its instance. */
  readonly instancePid: number;
}

/** The gateway between pushing instances and a simulated Microsoft cloud, each in a process of its own. */
export interface CloudScene {
  readonly sql: postgres.Sql;
  readonly gateway: Gateway;
  /** PEM of the gateway's certificate. */
  readonly trust: string;
  /** PEM of the world's authority. */
  readonly ca: string;
  readonly processes: Processes;
  readonly tenants: readonly ConnectedTenant[];
  readonly caller: Caller;
  /** A server's certificate for localhost of the world's authority. */
  readonly certificate: { readonly certificatePem: string; readonly keyPem: string };
  readonly api: AdminApi;
  readonly pushes: Worker<PushesPlan, PushesResult>;
  /** On the simulator's control API; throws for an answer that is no success. */
  control(method: string, path: string, body?: unknown): Promise<Answer['json']>;
}

const worldStartMs = 60_000;
const workerStartMs = 30_000;
const redirects = 10;

/** Follows redirects between Microsoft's consent pages and the gateway, as the administrator's browser does. */
async function browse(first: string, ca: string[]): Promise<void> {
  let next = first;
  for (let hop = 0; hop < redirects; hop += 1) {
    const answer = await call(next, { ca });
    if (answer.status === 200) return;
    if (answer.status !== 302) throw new Error(`the consent ended with ${answer.status}: ${answer.text}`);
    next = new URL(String(answer.headers.location), next).href;
  }
  throw new Error('the redirects of the consent do not end');
}

interface RunningInstance extends AnsweringFacts {
  readonly pid: number;
}

interface Connecting {
  readonly api: AdminApi;
  readonly instance: RunningInstance;
  /** PEM of what the administrator's browser trusts. */
  readonly ca: string[];
}

async function connect(
  { api, ca, instance }: Connecting,
  tenant: BenchTenant,
  number: number,
  devices: number,
): Promise<ConnectedTenant> {
  const path = `/tenants/${tenant.tenantId}`;
  await api('POST', '/tenants', {
    tenantId: tenant.tenantId,
    cloud: 'public',
    displayName: `Tenant ${number}`,
  });
  const { consentUrls } = await api('POST', `${path}/connect`);
  await browse(consentUrls[0].url, ca);
  // Before there is an instance, which would be asked for more than the bench's can say.
  const confirmed = await api('POST', `${path}/confirm`);
  if (!confirmed.ok) throw new Error(`confirm: ${JSON.stringify(confirmed)}`);
  const { clientId, clientSecret, url } = instance;
  const { id: instanceId } = await api('POST', `${path}/instances`, {
    name: `instance-${number}`,
    url,
    apiClient: { clientId, clientSecret },
    // The verdict comes with the pushed record: no instance has to be asked.
    compliance: { source: 'smart-group', complianceGroup: complianceGroup.id },
  });
  const { key } = await api('POST', `${path}/instances/${instanceId}/keys`, {});
  return { ...tenant, number, devices, instanceId, key, instancePid: instance.pid };
}

export interface CloudSceneOptions {
  /** Devices by tenant. */
  readonly tenants: readonly number[];
  /** Of the gateway, beside its own and the world's. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Each tenant's instance has a process of its own, and the tenant's inventory; else one answers for all, without. */
  readonly ownInstances?: boolean;
  /** Of every record of own instances; default: the time at which it is read, so that every read has news. */
  readonly reportDate?: string;
  /** Every record of own instances has another version, which is told to Intune. */
  readonly isEverNew?: boolean;
  /** `name=value`, of PostgreSQL. */
  readonly serverSettings?: readonly string[];
  /** The gateway's processor; default: any. */
  readonly core?: number;
}

type Certificate = AnsweringPlan['certificate'];

async function startOwnInstance(
  stack: Run['stack'],
  certificate: Certificate,
  tenant: number,
  { isEverNew, reportDate }: CloudSceneOptions,
) {
  const worker: Worker<AnsweringPlan, AnsweringFacts> = startWorker('./answering-worker.ts');
  stack.defer(() => worker.stop());
  return {
    ...(await worker.ask({ certificate, tenant, reportDate, isEverNew }, workerStartMs)),
    pid: worker.pid,
  };
}

async function startSharedInstance(stack: Run['stack'], certificate: Certificate): Promise<RunningInstance> {
  const instance = await startAnsweringInstance(certificate);
  stack.defer(() => instance.close());
  return { ...instance, pid: process.pid };
}

export async function startCloudScene({ stack }: Run, options: CloudSceneOptions): Promise<CloudScene> {
  const dir = mkdtempSync(join(tmpdir(), 'espalier-bench-'));
  stack.defer(() => rmSync(dir, { recursive: true, force: true }));
  const database = await startDatabase(stack, dir, options.serverSettings);
  const dataPort = await freePort();
  const world: Worker<WorldPlan, WorldFacts> = startWorker('./world.ts');
  stack.defer(() => world.stop());
  const publicUrl = `https://localhost:${dataPort}`;
  const facts = await world.ask(
    { dir: join(dir, 'world'), publicUrl, tenants: options.tenants },
    worldStartMs,
  );
  const shared = options.ownInstances ? undefined : await startSharedInstance(stack, facts.certificate);
  const pushes: CloudScene['pushes'] = startWorker('./pushes.ts');
  stack.defer(() => pushes.stop());

  const environment = {
    ...facts.environment,
    ...ownSettings(dir, database.url, dataPort),
    ...options.settings,
  };
  const gateway = await startGateway(environment, options.core === undefined ? {} : { core: options.core });
  stack.defer(() => gateway.stop());
  const trust = read(join(dir, 'data', 'tls.crt'));
  const api = adminApi(gateway.admin, trust);
  const tenants: ConnectedTenant[] = [];
  for (const [number, tenant] of facts.tenants.entries()) {
    const instance = shared ?? (await startOwnInstance(stack, facts.certificate, number, options));
    const connecting = { api, instance, ca: [trust, facts.ca] };
    tenants.push(await connect(connecting, tenant, number, options.tenants[number] ?? 0));
  }
  const control: CloudScene['control'] = async (method, path, body) => {
    const answer = await call(`${facts.control}${path}`, {
      method,
      ca: facts.ca,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (answer.status >= 300) throw new Error(`${method} ${path} answered ${answer.status}: ${answer.text}`);
    return answer.json;
  };
  return {
    ...{ sql: database.sql, gateway, trust, ca: facts.ca, tenants, pushes, control, api },
    caller: facts.caller,
    certificate: facts.certificate,
    processes: { gateway: gateway.pid, intune: world.pid, postgres: database.pid },
  };
}
