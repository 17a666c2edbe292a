import { acceptedReports, proveArrivals } from './arrivals.ts';
import { type CloudScene, startCloudScene } from './cloud-scene.ts';
import type { MacState } from './fleet.ts';
import type { Pace } from './pace.ts';
import { type Finding, type Run, unlessAborted, until } from './run.ts';
import { busy, columns, tenths, whole } from './table.ts';
import type { UploadsPlan } from './uploads.ts';
import { residentMegabytes, startUsage, type Usage } from './usage.ts';
import { startWorker, type Worker } from './worker.ts';

/**
 * How many devices a second go all the way: pushed by an instance, committed, read, routed, and accepted by a simulated
 * Intune in a process of its own. The peer puts the same messages straight to that Intune.
 */

const defaultDevices = 20_000;
const defaultPerUpload = [1, 50] as const;
/** A warm run and this many measured ones. */
const defaultRounds = 1;
const pushConnections = 8;
const uploadConnections = 64;
export const recordsInPush = 100;
const patienceMs = 600_000;

interface Measured {
  readonly name: string;
  readonly perSecond: number;
  readonly seconds: number;
  readonly messages: number;
  readonly resent: number;
  readonly usage: Usage;
  readonly gatewayMegabytes: number | undefined;
}

/** Each state differs from the one before in version and verdict. */
export const stateOf = (round: number): MacState => ({
  osVersion: `26.${round}`,
  compliant: round % 2 === 1,
  reportDate: new Date().toISOString(),
});

/** Nothing that goes on behind an acceptance, such as looking at an upload's outcome, is left for the next run. */
export const settled = (scene: CloudScene, signal: AbortSignal): Promise<void> =>
  until('the end of delivery came', { everyMs: 1_000, patienceMs, signal }, async () => {
    const [row] = await scene.sql<{ open: number }[]>`
      select count(*)::int as open from reports where state not in ('completed', 'verified')`;
    return { done: row?.open === 0, now: `${row?.open} reports are open` };
  });

export function pushAll(scene: CloudScene, state: MacState, signal: AbortSignal) {
  const { gateway, tenants, trust: ca } = scene;
  const plan = { origin: gateway.data, ca, connections: pushConnections, recordsInPush, tenants, state };
  return unlessAborted(signal, scene.pushes.ask(plan, patienceMs));
}

async function deliver(
  scene: CloudScene,
  name: string,
  round: number,
  signal: AbortSignal,
): Promise<Measured> {
  const state = stateOf(round);
  const devices = scene.tenants.reduce((sum, tenant) => sum + tenant.devices, 0);
  const before = await acceptedReports(scene, scene.tenants);
  const endUsage = startUsage(scene.processes);
  const { startedAt } = await pushAll(scene, state, signal);
  await until('the reports were accepted', { everyMs: 250, patienceMs, signal }, async () => {
    const accepted = (await acceptedReports(scene, scene.tenants)) - before;
    return { done: accepted >= devices, now: `${accepted} of ${devices}\n${scene.gateway.output()}` };
  });
  const usage = endUsage();
  const gatewayMegabytes = residentMegabytes(scene.processes.gateway);
  const { lastAt, messages, resent } = await proveArrivals(scene, state, startedAt);
  const seconds = (lastAt - startedAt) / 1_000;
  await settled(scene, signal);
  return { name, perSecond: devices / seconds, seconds, messages, resent, usage, gatewayMegabytes };
}

/** The same devices, as many in a message, by a script that only sends them; its first run warms both up. */
async function putStraight(
  scene: CloudScene,
  uploads: Worker<UploadsPlan, Pace>,
  devicesPerMessage: number,
  round: number,
): Promise<Measured> {
  const [tenant] = scene.tenants;
  if (!tenant) throw new Error('the scene has no tenant');
  const state = stateOf(round);
  const { devices, number: tenantNumber } = tenant;
  const startedAt = Date.now();
  const endUsage = startUsage({ ...scene.processes, gateway: uploads.pid });
  const { operations, seconds } = await uploads.ask(
    { ca: scene.ca, tenant, tenantNumber, devices, devicesPerMessage, connections: uploadConnections, state },
    patienceMs,
  );
  const usage = endUsage();
  const { messages, resent } = await proveArrivals(scene, state, startedAt);
  if (messages !== operations) throw new Error(`${messages} of ${operations} messages reached Intune`);
  const name = 'script to Intune';
  return {
    name,
    perSecond: devices / seconds,
    seconds,
    messages,
    resent,
    usage,
    gatewayMegabytes: undefined,
  };
}

const headings = ['', 'reports/s', 'seconds', 'messages', 'sender', 'Intune', 'PostgreSQL', 'sender MB'];

const row = ({ gatewayMegabytes, messages, name, perSecond, seconds, usage }: Measured): string[] => [
  name,
  whole(perSecond),
  tenths(seconds),
  whole(messages),
  busy(usage.gateway),
  busy(usage.intune),
  busy(usage.postgres),
  gatewayMegabytes === undefined ? '' : whole(gatewayMegabytes),
];

async function measure(run: Run, devices: number, perUpload: number): Promise<Finding> {
  const { signal } = run;
  await using stack = new AsyncDisposableStack();
  const scene = await startCloudScene(
    { ...run, stack },
    { tenants: [devices], settings: { ESPALIER_UPLOAD_MAX_DEVICES: String(perUpload) } },
  );
  const uploads: Worker<UploadsPlan, Pace> = startWorker('./uploads.ts');
  stack.defer(() => uploads.stop());
  const measured = [await deliver(scene, 'warm run, first state', 1, signal)];
  const rounds = run.options.rounds ?? defaultRounds;
  for (let round = 2; round < 2 + rounds; round += 1) {
    measured.push(await deliver(scene, `espalier serve, state ${round}`, round, signal));
  }
  await putStraight(scene, uploads, perUpload, 2 + rounds);
  const peer = await putStraight(scene, uploads, perUpload, 3 + rounds);
  const rates = measured.slice(1).map(({ perSecond }) => perSecond);
  const best = rates.toSorted((a, b) => a - b)[Math.floor(rates.length / 2)] ?? 0;
  const resent = measured.reduce((sum, one) => sum + one.resent, 0);
  return {
    title: `${whole(devices)} devices of one tenant, up to ${perUpload} in an upload`,
    lines: [
      ...columns([headings, ...[...measured, peer].map(row)]),
      `ratio ${(best / peer.perSecond).toFixed(2)}; every state of every device arrived, ${resent} messages were sent again`,
    ],
    data: { devices, perUpload, measured, peer },
  };
}

export async function delivery(run: Run): Promise<Finding[]> {
  const { devices = defaultDevices, perUpload = defaultPerUpload } = run.options;
  const findings: Finding[] = [];
  for (const each of perUpload) findings.push(await measure(run, devices, each));
  return findings;
}
