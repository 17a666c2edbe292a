import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setPriority } from 'node:os';
import { adminApi } from './admin-api.ts';
import {
  type Asked,
  isOfOperators,
  noisyDevices,
  quietDevices,
  requestsOf,
  type Side,
} from './caller-requests.ts';
import { askToken } from './caller-token.ts';
import type { Caller, Manner } from './callers.ts';
import { type CloudScene, type ConnectedTenant, startCloudScene } from './cloud-scene.ts';
import { type Crowd, lastPriority, startCrowd } from './crowd.ts';
import { pushAll } from './delivery.ts';
import { deviceIdOf } from './fleet.ts';
import { type WatchedLoop, watchLoopOf } from './loop-file.ts';
import { gatewayCore, loadCore, stayOn } from './peers/server.ts';
import { requireTools } from './peers/tools.ts';
import { settledVersion } from './push-bodies.ts';
import { type Run, until } from './run.ts';
import type { SinkPlan } from './sink.ts';
import { processorSeconds } from './usage.ts';
import { startWorker, type Worker } from './worker.ts';

/**
 * Two tenants whose devices can be called: a quiet one, and one beside it that makes noise. Where the gateway is apart it has
 * a processor to itself and everything else the other, where the makers of noise come after everybody. Otherwise all share
 * all processors, so that the gateway has too little of them.
 */
export interface CallerScene {
  readonly scene: CloudScene;
  readonly watched: WatchedLoop;
  readonly crowds: Readonly<Record<SideName, Crowd>>;
  /** The quiet tenant's, or of the noisy one and of strangers. */
  callerOf(side: SideName, asked: Asked, manner: Manner): Caller;
  /** Base URL of a server that stands for the gateway where the noise alone is measured. */
  readonly sink: string;
  /** Way of the gateway's fast lane, from its metrics. */
  readonly laneWay: string;
}

export type SideName = 'quiet' | 'noisy';

/** Routes of the noisy tenant that are only listed and exported. */
const listedRoutes = 100_000;
const operatorsOfTenant = 6;
const learntWithinMs = 120_000;
const drainPatienceMs = 180_000;
/** The gateway is idle when it takes less than this share of its processor. */
const idleProcessors = 0.05;
const idleMs = 400;

/** An instance that gives a token and answers no other request. */
async function startHangingInstance(certificate: CloudScene['certificate']) {
  const { certificatePem: cert, keyPem: key } = certificate;
  const granted = JSON.stringify({ access_token: 'hangs', token_type: 'Bearer', expires_in: 3_600 });
  const server = createServer({ cert, key }, ({ url = '' }, outgoing) => {
    if (!url.endsWith('/oauth/token')) return;
    outgoing.writeHead(200, { 'content-type': 'application/json', 'content-length': granted.length });
    outgoing.end(granted);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `https://localhost:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** The hanging instance, with one device that is pinned to it. */
async function addHangingDevice(scene: CloudScene, tenant: ConnectedTenant, url: string) {
  const { devices, number, tenantId } = tenant;
  const path = `/tenants/${tenantId}`;
  const apiClient = { clientId: 'c', clientSecret: 's' };
  const { id } = await scene.api('POST', `${path}/instances`, { name: 'hangs', url, apiClient });
  const deviceId = deviceIdOf(number, devices);
  await scene.api('PUT', `${path}/devices/${deviceId}`, { instanceId: id, jamfComputerId: 1, pinned: true });
  return deviceId;
}

/** Every device is told to Intune and gets its route. */
async function learnDevices(scene: CloudScene, signal: AbortSignal): Promise<void> {
  const state = { osVersion: settledVersion, compliant: true, reportDate: new Date().toISOString() };
  await pushAll(scene, state, signal);
  const patience = { everyMs: 500, patienceMs: learntWithinMs, signal };
  await until('every device had its route', patience, async () => {
    const [row] = await scene.sql<{ count: number }[]>`select count(*)::int as count from routes`;
    return { done: row?.count === quietDevices + noisyDevices, now: `${row?.count} routes` };
  });
}

/** Routes of devices whose computers were never seen: nothing of them is due. */
async function fillRoutes(
  { sql }: CloudScene,
  { instanceId, number, tenantId }: ConnectedTenant,
): Promise<void> {
  const from = 2 * noisyDevices;
  await sql`
    insert into routes (tenant_id, device_id, instance_id, jamf_computer_id, serial_number, udid, rule, version)
    select ${tenantId}, (${deviceIdOf(number, 0).slice(0, 24)} || lpad(to_hex(d), 12, '0'))::uuid, ${instanceId}, d + 1,
      'C02F' || d, upper(md5('udid' || d)::uuid::text), 'only-claim', 1
    from generate_series(${from}::int, ${from + listedRoutes - 1}::int) d`;
  await sql`analyze routes`;
}

/** Real keys: one is believed for a second, while the bootstrap key asks the database each time, and ends with the first. */
async function addOperators({ api, gateway, trust }: CloudScene): Promise<string[]> {
  const { key: first } = await api('POST', '/keys', { name: 'operator-0', role: 'admin' });
  const asFirst = adminApi(gateway.admin, trust, first);
  const keys: string[] = [first];
  for (let nth = 1; nth < operatorsOfTenant; nth += 1)
    keys.push((await asFirst('POST', '/keys', { name: `operator-${nth}`, role: 'admin' })).key);
  return keys;
}

async function laneWayOf({ gateway }: CloudScene): Promise<string> {
  const text = await fetch(`${gateway.ops}/metrics`).then((answer) => answer.text());
  return /^espalier_fast_lane\{[^}]*way="(\w+)"/m.exec(text)?.[1] ?? 'unknown';
}

async function startSink({ stack }: Run, certificate: CloudScene['certificate']): Promise<string> {
  const worker: Worker<SinkPlan, { origin: string }> = startWorker('./sink.ts');
  stack.defer(() => worker.stop());
  setPriority(worker.pid, lastPriority);
  return (await worker.ask(certificate, 30_000)).origin;
}

export async function startCallerScene(
  run: Run,
  { isApart, settings }: { readonly isApart: boolean; readonly settings: Readonly<Record<string, string>> },
): Promise<CallerScene> {
  if (isApart) {
    requireTools(['taskset']);
    stayOn(run.stack, loadCore);
  }
  const watched = watchLoopOf(run);
  const scene = await startCloudScene(run, {
    tenants: [quietDevices, noisyDevices],
    settings: { ...settings, ...watched.environment },
    ownInstances: true,
    ...(isApart ? { core: gatewayCore } : {}),
  });
  const [quiet, noisy] = scene.tenants;
  if (!quiet || !noisy) throw new Error('the scene has too few tenants');
  const hanging = await startHangingInstance(scene.certificate);
  run.stack.defer(() => hanging.close());
  await learnDevices(scene, run.signal);
  const hangingDevice = await addHangingDevice(scene, noisy, hanging.url);
  await fillRoutes(scene, noisy);
  const operatorKeys = await addOperators(scene);
  const sideOf = async (tenant: ConnectedTenant): Promise<Side> => {
    const token = await askToken(scene.caller, tenant.tenantId, scene.ca);
    return { tenant, token, hangingDevice, operatorKeys };
  };
  const sides = { quiet: await sideOf(quiet), noisy: await sideOf(noisy) };
  const sink = await startSink(run, scene.certificate);
  // What the noisy tenant's instance does is part of the noise: in earnest it has a machine of its own.
  if (isApart) setPriority(noisy.instancePid, lastPriority);
  const ca = `${scene.trust}\n${scene.ca}`;
  return {
    ...{ scene, watched, sink, laneWay: await laneWayOf(scene) },
    crowds: {
      quiet: startCrowd(run, { ca, isBehind: false }),
      noisy: startCrowd(run, { ca, isBehind: isApart }),
    },
    callerOf: (side, asked, manner) => ({
      ...{ name: asked.kind, connections: asked.connections, manner },
      origin: isOfOperators(asked.kind) ? scene.gateway.admin : scene.gateway.data,
      requests: requestsOf(sides[side], asked),
    }),
  };
}

/** What waits for a later time is due at once: a round shall not take as long as the longest back-off. */
async function hurry({ sql }: CloudScene, instances: readonly string[]): Promise<void> {
  await sql`
    update computers set next_try_at = now()
    where instance_id = any(${instances}::uuid[]) and wanted_revision > done_revision and next_try_at > now() + interval '2 seconds'`;
  await sql`
    update reports set next_try_at = now()
    where state in ('due', 'held', 'sent') and next_try_at > now() + interval '2 seconds'`;
}

/** Nothing that a noise left behind is in the next round: no computer is due, no report open, and the gateway is idle. */
export async function drained(scene: CloudScene, signal: AbortSignal): Promise<void> {
  const { gateway, sql, tenants } = scene;
  // Not the one that hangs, whose computer is never read.
  const instances = tenants.map(({ instanceId }) => instanceId);
  const patience = { everyMs: 200, patienceMs: drainPatienceMs, signal };
  await until('the gateway had nothing to do', patience, async () => {
    await hurry(scene, instances);
    const [row] = await sql<{ computers: number; reports: number }[]>`
      select (select count(*)::int from computers
          where instance_id = any(${instances}::uuid[]) and wanted_revision > done_revision) as computers,
        (select count(*)::int from reports where state not in ('completed', 'verified')) as reports`;
    const before = processorSeconds(gateway.pid) ?? 0;
    await new Promise((resolve) => setTimeout(resolve, idleMs));
    const processors = ((processorSeconds(gateway.pid) ?? 0) - before) / (idleMs / 1_000);
    return {
      done: row?.computers === 0 && row.reports === 0 && processors < idleProcessors,
      now: `${row?.computers} computers due, ${row?.reports} reports open, ${processors.toFixed(2)} processors\n${gateway.output()}`,
    };
  });
}
