import { setTimeout as wait } from 'node:timers/promises';
import type postgres from 'postgres';
import type { World } from '../../src/simulator/world.ts';
import { findAppliedBackwards, findBehind } from '../faults/comparison.ts';
import { createLedgerCheck } from '../faults/ledger-check.ts';
import type { AddedInstance, Connecting } from '../harness/gateway.ts';
import { type AnswersCheck, checkAnswers } from './answers.ts';
import { readVersions, watchCommits } from './history.ts';
import { createLife, type Life } from './life.ts';
import type { Traffic } from './traffic.ts';
import { startTrafficThread } from './traffic-thread.ts';
import type { Twin } from './twins.ts';

/**
 * Devices go half-way to another instance and back, and then all of them, while they are asked for and while they
 * change: what every call was answered with, and what Intune was told.
 */

export interface Place {
  readonly name: string;
  readonly instance: AddedInstance;
}

export interface MoveScene {
  readonly world: World;
  readonly api: Connecting['api'];
  readonly sql: postgres.Sql;
  /** Data listeners. */
  readonly origins: readonly string[];
  readonly trust: string;
  readonly token: string;
  readonly tenantId: string;
  readonly from: Place;
  readonly to: Place;
  readonly twins: readonly Twin[];
}

export interface MovePlan {
  readonly callsPerSecond: number;
  readonly changesPerSecond: number;
  /** Percent of a step on the way to the half. */
  readonly percent: number;
  /** Between two steps. */
  readonly stepMs: number;
  /** Until Intune holds the newest state of every Mac. */
  readonly settleMs: number;
  /** Afterwards everything is moved for good. */
  readonly allTheWay: boolean;
}

export interface MoveFindings extends Omit<AnswersCheck, 'misanswered' | 'failed'> {
  readonly devices: number;
  readonly calls: number;
  readonly callsPerSecond: number;
  /** Calls that were due while too many were open: then the machine did not give the rate that was asked for. */
  readonly unsent: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly answeredBy: Readonly<Record<string, number>>;
  readonly compared: number;
  readonly differed: number;
  readonly movedToHalf: number;
  readonly rolledBack: number;
  readonly movedInAll: number;
  readonly routeVersions: number;
  readonly changes: number;
  readonly reports: number;
  readonly messages: number;
  readonly duplicates: number;
  readonly behind: number;
  /** Everything that must not be, one line each. */
  readonly complaints: readonly string[];
}

/** A route that is kept a second, the query that read it, and a commit that is on its way to the disk. */
export const maxBehindMs = 1_000 + 250;
const quietMs = 3_000;
const introductionMs = 600_000;
const progressEveryMs = 10_000;

interface MoveAnswer {
  readonly state: string;
  readonly percent: number;
  readonly pending: number;
  readonly devices: { readonly moved: number; readonly rolledBack: number; readonly planned: number };
  readonly shadowing: { readonly compared: number; readonly differed: number; readonly needed: number };
}

function operator({ api, from, tenantId, to }: MoveScene) {
  const ask = async (method: string, path: string, body?: unknown): Promise<MoveAnswer> => {
    const answer = await api(method, path, body);
    if (answer.status >= 300)
      throw new Error(`${method} ${path} was answered ${answer.status}: ${answer.text}`);
    return answer.json;
  };
  const read = (path: string): Promise<MoveAnswer> => ask('GET', path);
  /** Until nothing follows by itself any more. */
  const settled = async (path: string): Promise<MoveAnswer> => {
    for (;;) {
      const move = await read(path);
      if (move.pending === 0) return move;
      await wait(100);
    }
  };
  return {
    plan: async (body: object): Promise<string> => {
      const ends = { from: from.instance.id, to: to.instance.id };
      const { id } = (await ask('POST', `/tenants/${tenantId}/moves`, { ...ends, ...body })) as unknown as {
        id: string;
      };
      return `/tenants/${tenantId}/moves/${id}`;
    },
    read,
    advance: async (path: string): Promise<MoveAnswer> => {
      await ask('POST', `${path}/advance`, {});
      return settled(path);
    },
    rollBack: async (path: string): Promise<MoveAnswer> => {
      await ask('POST', `${path}/rollback`, { reason: 'half-way back' });
      return settled(path);
    },
  };
}

async function until(
  what: string,
  { everyMs, withinMs }: { readonly everyMs: number; readonly withinMs: number },
  check: () => boolean | Promise<boolean>,
): Promise<void> {
  for (const end = Date.now() + withinMs; !(await check()); await wait(everyMs)) {
    if (Date.now() > end) throw new Error(`${what} within ${withinMs} ms`);
  }
}

async function moveThereAndBack(scene: MoveScene, plan: MovePlan, print: (line: string) => void) {
  const { advance, plan: planned, read, rollBack } = operator(scene);
  const first = await planned({ percent: plan.percent, reason: 'half-way' });
  await advance(first);
  await until('enough answers compared', { everyMs: 500, withinMs: 60_000 }, async () => {
    const { compared, needed } = (await read(first)).shadowing;
    return compared >= needed;
  });
  let half = await read(first);
  while (half.percent < 50) {
    half = await advance(first);
    print(
      `${half.percent} %: ${half.devices.moved} devices moved, ${half.shadowing.compared} answers compared`,
    );
    await wait(plan.stepMs);
  }
  const back = await rollBack(first);
  print(`rolled back: ${back.devices.rolledBack} devices`);
  await wait(plan.stepMs);
  if (!plan.allTheWay) return { half, back, all: back };
  const second = await planned({ percent: 25, shadow: false, reason: 'all the way' });
  let all = await read(second);
  while (all.state !== 'done') {
    all = await advance(second);
    print(`${all.percent} %: ${all.devices.moved} devices moved`);
    await wait(plan.stepMs);
  }
  return { half, back, all };
}

const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;

async function finishedCalls(traffic: Traffic) {
  const { calls, perSecond, unsent } = await traffic.stop();
  const took = calls.map(({ endedAt, startedAt }) => endedAt - startedAt).sort((a, b) => a - b);
  const callsPerSecond = Math.round(perSecond);
  return {
    calls,
    callsPerSecond,
    unsent,
    p50Ms: percentile(took, 0.5),
    p99Ms: percentile(took, 0.99),
  };
}

const show = (lines: readonly string[]): string[] =>
  lines.length <= 10 ? [...lines] : [...lines.slice(0, 10), `… and ${lines.length - 10} more`];

/** What Intune was told, when it is quiet. */
async function told(
  { tenantId, world }: MoveScene,
  life: Life,
  settleMs: number,
  print: (line: string) => void,
) {
  await life.stop();
  const end = Date.now() + settleMs;
  let nextPrint = 0;
  for (let left = 1; left > 0 && Date.now() < end; await wait(500)) {
    left = findBehind(world).length;
    if (Date.now() < nextPrint) continue;
    nextPrint = Date.now() + progressEveryMs;
    print(`${left} Macs whose newest state Intune does not hold yet`);
  }
  await wait(quietMs);
  const behind = findBehind(world);
  const { cloud } = world.tenants.find((tenant) => tenant.tenantId === tenantId)!;
  const intune = world.cloud(cloud).intune.tenant(tenantId);
  const ledger = createLedgerCheck({
    ledgers: [intune.ledger],
    crashes: () => [],
    hasFailed: (messageId) => intune.messages.get(messageId)?.status === 'Failed',
  });
  ledger.look();
  const counts = ledger.counts();
  const complaints = [
    ...show(behind.map(({ told: has, truth, wanted }) => `lost ${truth.deviceId}: ${wanted} and not ${has}`)),
    ...show(ledger.violations.map(({ deviceId, kind, text }) => `${kind} ${deviceId}: ${text}`)),
    ...show(findAppliedBackwards(world).map((text) => `applied backwards ${text}`)),
  ];
  return { behind, counts, complaints };
}

export async function runMoves(
  scene: MoveScene,
  plan: MovePlan,
  print: (line: string) => void,
): Promise<MoveFindings> {
  const { from, origins, sql, tenantId, to, token, trust: ca, twins, world } = scene;
  const names = { from: from.name, to: to.name };
  const [origin = ''] = origins;
  const life = createLife({ world, origin, ca, twins, from: from.instance, to: to.instance, names });
  await life.introduce();
  await until('every Mac told to Intune', { everyMs: 1_000, withinMs: introductionMs }, async () => {
    const [row] = await sql<{ due: number }[]>`
      select count(*)::int as due from computers where wanted_revision > done_revision`;
    return row?.due === 0 && findBehind(world).length === 0;
  });
  print(`${twins.length} Macs are known to both instances and told to Intune; the calls begin`);
  await watchCommits(sql);
  const deviceIds = twins.map(({ deviceId }) => deviceId);
  const instanceIds = new Map([from, to].map(({ instance, name }) => [name, instance.id]));
  const traffic = await startTrafficThread({
    ...{ origins, ca, token, tenantId, deviceIds, instanceIds },
    perSecond: plan.callsPerSecond,
  });
  life.start(plan.changesPerSecond);
  const { all, back, half } = await moveThereAndBack(scene, plan, print);
  const { calls, ...pace } = await finishedCalls(traffic);
  print(`the calls end: ${calls.length}`);
  const { behind, complaints, counts } = await told(scene, life, plan.settleMs, print);
  const versions = await readVersions(sql, tenantId);
  const { failed, misanswered, ...answers } = checkAnswers(calls, versions, maxBehindMs);
  const nameOf = (id: string | undefined): string =>
    id === from.instance.id ? from.name : id === to.instance.id ? to.name : 'nobody';
  return {
    devices: twins.length,
    calls: calls.length,
    ...pace,
    answeredBy: Object.fromEntries(
      [...Map.groupBy(calls, ({ instanceId }) => nameOf(instanceId))].map(([name, own]) => [
        name,
        own.length,
      ]),
    ),
    ...answers,
    ...{ compared: half.shadowing.compared, differed: half.shadowing.differed },
    movedToHalf: half.devices.moved,
    rolledBack: back.devices.rolledBack,
    movedInAll: all.devices.moved,
    routeVersions: new Set(versions.map(({ version }) => version)).size,
    changes: life.changes(),
    reports: counts.reports,
    messages: counts.messages,
    duplicates: counts.duplicatesUnexplained,
    behind: behind.length,
    complaints: [
      ...show(
        misanswered.map(
          ({ allowed, call }) =>
            `misanswered ${call.deviceId} by ${nameOf(call.instanceId)} from ${call.startedAt} to ${call.endedAt}: the versions name ${allowed.join(', ')}`,
        ),
      ),
      ...show(failed.map(({ deviceId, problem }) => `not answered ${deviceId}: ${problem}`)),
      ...complaints,
    ],
  };
}
