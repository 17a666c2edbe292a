import { type Arrivals, arrivalsOf } from './arrivals.ts';
import { type CloudScene, type ConnectedTenant, startCloudScene } from './cloud-scene.ts';
import { pushAll, stateOf } from './delivery.ts';
import type { MacState } from './fleet.ts';
import { percentile } from './pace.ts';
import { median } from './rounds.ts';
import { type Finding, type Run, unlessAborted, until, wait } from './run.ts';
import type { StreamPlan, StreamResult } from './stream.ts';
import { columns, tenths, whole } from './table.ts';
import { startWorker, type Worker } from './worker.ts';

/**
 * Whether one tenant's fault slows another: the way of tenant A's devices from the request to their acceptance at
 * Intune, in pairs of rounds, once while tenant B's Intune answers and once while it answers nothing. B has the same
 * load in both.
 */

const defaultDevices = 4_000;
const defaultRounds = 5;
const perSecond = 50;
const roundMs = 10_000;
/** From the beginning of B's load, and of its Intune's silence, until A is measured: everything B can hold it holds. */
const leadInMs = 15_000;
const silenceMs = 600_000;
const arrivalPatienceMs = 60_000;
const drainPatienceMs = 300_000;

interface Round {
  readonly silent: boolean;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

interface Neighbours {
  readonly scene: CloudScene;
  readonly a: ConnectedTenant;
  readonly b: ConnectedTenant;
  readonly stream: Worker<StreamPlan, StreamResult>;
  readonly signal: AbortSignal;
}

/**
 * B's load is over before the next round begins. What it waits with after an outage is made due at once: a pair of
 * rounds shall not take as long as the longest back-off.
 */
async function drain({ b, scene, signal }: Neighbours): Promise<void> {
  const { tenantId } = b;
  await until('the load of B was over', { everyMs: 2_000, patienceMs: drainPatienceMs, signal }, async () => {
    await scene.sql`
      update reports set next_try_at = now()
      where tenant_id = ${tenantId} and state in ('due', 'held', 'sent') and next_try_at > now() + interval '2 seconds'`;
    const [row] = await scene.sql<{ open: number }[]>`
      select count(*)::int as open from reports where state not in ('completed', 'verified')`;
    return { done: row?.open === 0, now: `${row?.open} reports are open\n${scene.gateway.output()}` };
  });
}

/** A's and B's steady streams, side by side. */
function streamBoth({ a, b, scene, signal, stream }: Neighbours, durationMs: number, state: MacState) {
  const senders = [a, b].map(({ instanceId, key, number }) => ({ number, instanceId, key, firstDevice: 0 }));
  const { gateway, trust: ca } = scene;
  const plan = { origin: gateway.data, ca, perSecond, durationMs, senders, state };
  return unlessAborted(signal, stream.ask(plan, durationMs + arrivalPatienceMs));
}

const nameOf = (silent: boolean): string => (silent ? "B's Intune is silent" : "B's Intune answers");

async function arrivalsOfA(
  { a, scene, signal }: Neighbours,
  state: MacState,
  sentAt: readonly number[],
  silent: boolean,
): Promise<number[]> {
  let arrived: Arrivals['at'] = new Map();
  const what = `every device of A reached Intune while ${nameOf(silent)}`;
  await until(what, { everyMs: 500, patienceMs: arrivalPatienceMs, signal }, async () => {
    arrived = (await arrivalsOf(scene, a, state, sentAt[0] ?? 0)).at;
    return { done: arrived.size >= sentAt.length, now: `${arrived.size} of ${sentAt.length}` };
  });
  return sentAt.map((at, device) => {
    const acceptedAt = arrived.get(device);
    if (acceptedAt === undefined) throw new Error(`device ${device} of A is not among those that arrived`);
    return acceptedAt - at;
  });
}

async function playRound(neighbours: Neighbours, number: number, silent: boolean): Promise<Round> {
  const { b, scene, signal } = neighbours;
  const fault = silent
    ? await scene.control('POST', '/faults', {
        service: 'intune',
        tenant: b.tenantId,
        delayMs: silenceMs,
      })
    : undefined;
  try {
    // Thousands of B's devices become due, then its stream goes on; A's goes along so that nothing of it is cold.
    await pushAll({ ...scene, tenants: [b] }, stateOf(number), signal);
    await streamBoth(neighbours, leadInMs, stateOf(number + 1));
    const state = stateOf(number + 2);
    const { sentAt } = await streamBoth(neighbours, roundMs, state);
    const took = await arrivalsOfA(neighbours, state, sentAt[0] ?? [], silent);
    took.sort((x, y) => x - y);
    return { silent, p50Ms: percentile(took, 0.5), p99Ms: percentile(took, 0.99) };
  } finally {
    if (fault) await scene.control('DELETE', `/faults/${fault.id}`);
    await drain(neighbours);
    await wait(1_000, signal);
  }
}

const statesInRound = 3;

function summary(rounds: readonly Round[]): Finding {
  const of = (silent: boolean) => rounds.filter((round) => round.silent === silent);
  const row = (name: string, some: readonly Round[]): string[] => {
    const p99 = some.map(({ p99Ms }) => p99Ms);
    const spread = `${whole(Math.min(...p99))} to ${whole(Math.max(...p99))}`;
    return [name, tenths(median(some.map(({ p50Ms }) => p50Ms))), tenths(median(p99)), spread];
  };
  const without = median(of(false).map(({ p99Ms }) => p99Ms));
  const withFault = median(of(true).map(({ p99Ms }) => p99Ms));
  const risePercent = (withFault / without - 1) * 100;
  // Rounds come in pairs, in changing order.
  const rises: number[] = [];
  for (let pair = 0; pair + 1 < rounds.length; pair += 2) {
    const two = rounds.slice(pair, pair + 2);
    const silent = two.find((round) => round.silent)?.p99Ms ?? 0;
    rises.push((silent / (two.find((round) => !round.silent)?.p99Ms ?? 1) - 1) * 100);
  }
  return {
    title: `tenant A, ${perSecond} records a second, from request to accepted, beside tenant B`,
    lines: [
      ...columns([
        ['', 'p50 ms', 'p99 ms', 'p99 of rounds'],
        row(nameOf(false), of(false)),
        row(nameOf(true), of(true)),
      ]),
      `the median p99 rises by ${tenths(risePercent)} %; by pairs ${rises.map((rise) => `${tenths(rise)} %`).join(', ')}; every record of A arrived`,
    ],
    data: { perSecond, rounds, risePercent, risesPercent: rises },
  };
}

export async function neighbour(run: Run): Promise<Finding[]> {
  const { devices = defaultDevices, rounds: pairs = defaultRounds } = run.options;
  const each = Math.ceil(devices / 2);
  const fewest = (Math.max(roundMs, leadInMs) / 1_000) * perSecond;
  if (each < fewest) throw new Error(`the streams need ${2 * fewest} devices`);
  // A circuit that the silence opened would stay open for minutes into the next round.
  const settings = { ESPALIER_RETRY_MAX_SECONDS: '5' };
  const scene = await startCloudScene(run, { tenants: [each, each], settings });
  const stream: Neighbours['stream'] = startWorker('./stream.ts');
  run.stack.defer(() => stream.stop());
  const [a, b] = scene.tenants;
  if (!a || !b) throw new Error('the scene has too few tenants');
  const neighbours = { scene, a, b, stream, signal: run.signal };
  // Warm: every device of both has its route and its first report.
  await pushAll(scene, stateOf(1), run.signal);
  await drain(neighbours);
  let number = 2;
  await playRound(neighbours, number, false);
  const rounds: Round[] = [];
  for (let pair = 0; pair < pairs; pair += 1) {
    for (const silent of pair % 2 === 0 ? [false, true] : [true, false]) {
      number += statesInRound;
      rounds.push(await playRound(neighbours, number, silent));
    }
  }
  return [summary(rounds)];
}
