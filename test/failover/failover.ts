import { setTimeout as wait } from 'node:timers/promises';
import postgres from 'postgres';
import { planChanges } from '../faults/changes.ts';
import { type Behind, findAppliedBackwards, findBehind } from '../faults/comparison.ts';
import { diagnose } from '../faults/diagnosis.ts';
import { createLedgerCheck, type LedgerCheck } from '../faults/ledger-check.ts';
import { createLife, type Life } from '../faults/life.ts';
import { makePlan } from '../faults/plan.ts';
import { createPromptness, type Promptness } from '../faults/promptness.ts';
import { type Scene, startScene } from '../faults/scene.ts';
import { createSenders, type Senders } from '../faults/senders.ts';
import { type Cluster, startCluster } from './cluster.ts';
import type { FailoverOptions } from './options.ts';

/** One failover of the database under traffic, and what it came to. Polls and reconciliations are off. */
export interface FailoverResult {
  readonly seed: number;
  readonly devices: number;
  readonly changes: number;
  readonly webhooksAccepted: number;
  /** Answered 503 or not at all. Jamf Pro sends none again: what they told of has to be made up for. */
  readonly webhooksMissed: number;
  readonly pushesAccepted: number;
  readonly messages: number;
  readonly resends: number;
  readonly duplicatesAfterCrash: number;
  /** States that were answered 202 and that Intune does not have in the end, nor a newer one of the device. */
  readonly untold: number;
  /** Rows of computers and of reports that still wait for something in the end. */
  readonly due: number;
  /** Devices of which Intune does not have the newest state in the end, also where their webhook was missed. */
  readonly behind: number;
  readonly slowestReportSeconds: number;
  readonly settleSeconds: number;
  readonly complaints: readonly string[];
  readonly passed: boolean;
}

interface Failover {
  readonly scene: Scene<Cluster>;
  readonly senders: Senders;
  readonly life: Life;
  readonly promptness: Promptness;
  readonly check: LedgerCheck;
  readonly crashes: number[];
  readonly complaints: string[];
}

const lookEveryMs = 250;
const introductionTimeoutMs = 90_000;
const settleTimeoutMs = 180_000;
const reportedWithinSeconds = 45;
/** After the last was told: a message too many would come now. */
const quietMs = 3_000;

async function prepare(
  options: FailoverOptions,
  binaries: string,
  stack: AsyncDisposableStack,
): Promise<Failover> {
  const { macs, seconds, seed } = options;
  const storm = makePlan({ runtime: 'node', seed, seconds, macs, batch: undefined, lost: 0 });
  const plan = { ...storm, crashes: [], weather: [], poison: [] };
  const scene = await startScene(plan, stack, async () => {
    const cluster = await startCluster(binaries);
    stack.defer(() => cluster.stop());
    return cluster;
  });
  const { database, gateways, instances, world } = scene;
  const complaints: string[] = [];
  const senders = createSenders({
    gateways,
    trust: world.authority.certificatePem,
    resendWebhooks: false,
    complain: (what) => complaints.push(what),
  });
  stack.defer(() => senders.close());
  const tenants = new Map(
    world.tenants.map(({ cloud, tenantId }) => [tenantId, world.cloud(cloud).intune.tenant(tenantId)]),
  );
  const promptness = createPromptness({
    withinSeconds: reportedWithinSeconds,
    ledgerOf: (tenantId) => tenants.get(tenantId)!.ledger,
    isFair: () => database.isUp() && gateways.some((gateway) => gateway.isUp()),
    isPoisoned: () => false,
    now: () => performance.now(),
  });
  const timer = setInterval(promptness.look, lookEveryMs);
  stack.defer(() => clearInterval(timer));
  const nextChange = planChanges(seed, world.fleet.macs().length, 0);
  const life = createLife({ world, instances, senders, nextChange, accepted: promptness.accepted });
  stack.defer(() => life.stop());
  const crashes: number[] = [];
  const check = createLedgerCheck({
    ledgers: [...tenants.values()].map(({ ledger }) => ledger),
    crashes: () => crashes,
    hasFailed: (id) => [...tenants.values()].some(({ messages }) => messages.get(id)?.status === 'Failed'),
  });
  return { scene, senders, life, promptness, check, crashes, complaints };
}

/** Rows that wait for something: to be read, to be told, or to be followed until Intune is done with them. */
async function countDue({ url }: Pick<Cluster, 'url'>): Promise<number> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    const [row] = await sql<{ due: number }[]>`
      select ((select count(*) from computers where wanted_revision > done_revision or next_try_at is not null)
        + (select count(*) from reports where next_try_at is not null or state not in ('completed', 'verified')))::int
        as due`;
    return row?.due ?? 0;
  } finally {
    await sql.end({ timeout: 2 });
  }
}

/** Resolves with the seconds it took until nothing was on its way any more, or it is clear that something was lost. */
async function settle(failover: Failover, timeoutMs: number, signal: AbortSignal): Promise<number> {
  const { life, promptness, scene, senders } = failover;
  const startedAt = performance.now();
  while (performance.now() - startedAt < timeoutMs) {
    promptness.look();
    if (promptness.overdue().length > 0) break;
    const quiet = senders.pending() === 0 && life.isQuiet() && promptness.waiting().length === 0;
    const told = quiet && findBehind(scene.world).length === 0;
    if (told && (await countDue(scene.database)) === 0) break;
    await wait(lookEveryMs, undefined, { signal });
  }
  return (performance.now() - startedAt) / 1_000;
}

async function introduce(failover: Failover, signal: AbortSignal): Promise<void> {
  failover.life.introduce();
  await settle(failover, introductionTimeoutMs, signal);
  if (findBehind(failover.scene.world).length > 0) throw new Error('the Macs cannot be introduced');
}

function complaintsOf(
  { check, complaints, promptness, scene }: Failover,
  due: number,
  behind: readonly Behind[],
): string[] {
  return [
    ...behind.map(({ told, truth, wanted }) => `behind ${truth.deviceId}: ${told} instead of ${wanted}`),
    ...check.violations.map(({ deviceId, kind, text }) => `${kind} ${deviceId}: ${text}`),
    ...findAppliedBackwards(scene.world).map((text) => `applied backwards ${text}`),
    ...scene.gateways.flatMap(({ deaths, name }) => (deaths.length > 0 ? [`${name} ended by itself`] : [])),
    ...promptness.waiting().map(({ deviceId, osVersion }) => `untold ${deviceId}: ${osVersion}`),
    ...promptness
      .overdue()
      .map(
        ({ deviceId, osVersion }) =>
          `late ${deviceId}: ${osVersion} was not told within ${reportedWithinSeconds} fair seconds`,
      ),
    ...(due > 0 ? [`${due} rows still wait`] : []),
    ...complaints,
  ];
}

async function resultOf(failover: Failover, seed: number, settleSeconds: number): Promise<FailoverResult> {
  const { check, life, promptness, scene, senders } = failover;
  check.look();
  promptness.look();
  const due = await countDue(scene.database);
  const behind = findBehind(scene.world);
  const complaints = complaintsOf(failover, due, behind);
  const { duplicatesAfterCrash, messages, resends } = check.counts();
  const { pushesAccepted, webhooksAccepted, webhooksMissed } = senders.counts;
  return {
    seed,
    devices: scene.world.fleet.truth().length,
    changes: life.counts.changes,
    ...{ webhooksAccepted, webhooksMissed, pushesAccepted, messages, resends, duplicatesAfterCrash },
    untold: promptness.waiting().length,
    due,
    behind: behind.length,
    slowestReportSeconds: promptness.slowestSeconds(),
    settleSeconds,
    complaints,
    passed: complaints.length === 0,
  };
}

/** Throws when it cannot be held, not when it is not passed. */
export async function runFailover(
  options: FailoverOptions,
  binaries: string,
  signal: AbortSignal,
  print: (line: string) => void,
): Promise<FailoverResult> {
  await using stack = new AsyncDisposableStack();
  const failover = await prepare(options, binaries, stack);
  const { crashes, life, scene } = failover;
  const { database } = scene;
  await introduce(failover, signal);
  print(`${options.macs} Macs are introduced; ${options.seconds} s of traffic`);
  life.start(options.rate);
  await wait(options.seconds * 1_000, undefined, { signal });
  crashes.push(Date.now());
  await database.killPrimary();
  print('the primary is killed');
  await wait(options.downSeconds * 1_000, undefined, { signal });
  await database.promote();
  crashes.push(Date.now());
  print('the replica is promoted and has the address');
  await wait(options.seconds * 1_000, undefined, { signal });
  life.stop();
  const settleSeconds = await settle(failover, settleTimeoutMs, signal);
  await wait(quietMs, undefined, { signal });
  const result = await resultOf(failover, options.seed, settleSeconds);
  if (!result.passed) {
    scene.keep();
    for (const text of await diagnose(scene, findBehind(scene.world))) print(text);
    print(`the gateways' logs are kept in ${scene.dir}`);
  }
  return result;
}
