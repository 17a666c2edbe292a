import { setTimeout as wait } from 'node:timers/promises';
import { startOwnPostgres } from '../harness/own-postgres.ts';
import { planChanges } from './changes.ts';
import { findAppliedBackwards, findBehind } from './comparison.ts';
import { type Crashes, createCrashes } from './crashes.ts';
import { diagnose } from './diagnosis.ts';
import { awaitTruth, type Ending } from './ending.ts';
import { introduce } from './introduction.ts';
import { createLedgerCheck, type LedgerCheck, type LedgerCounts } from './ledger-check.ts';
import { createLife, type Life } from './life.ts';
import type { StormOptions } from './options.ts';
import { makePlan } from './plan.ts';
import { createPromptness, type Promptness } from './promptness.ts';
import { type Scene, startScene } from './scene.ts';
import { createSenders, type Senders, type Sent } from './senders.ts';
import { judge, nothingJudged, type Verdict } from './verdict.ts';
import { createWeather, type StormWeather } from './weather.ts';
import { installWitness } from './witness.ts';

/** The numbers of one storm, and whether it was passed. */
export interface StormResult extends LedgerCounts, Readonly<Sent> {
  readonly seed: number;
  readonly batch: number;
  readonly seconds: number;
  readonly devices: number;
  readonly changes: number;
  readonly webhooksLost: number;
  readonly webhooksDoubled: number;
  readonly webhooksLate: number;
  readonly oldPushesReplayed: number;
  readonly spells: number;
  readonly poisonings: number;
  readonly kills: number;
  /** Durable Objects that were ended. */
  readonly aborts: number;
  readonly databaseRestarts: number;
  /** Gateways that ended although nothing had killed them. */
  readonly deaths: number;
  readonly failedStarts: number;
  readonly reportsReplayed: number;
  /** Heartbeats that came to Intune. */
  readonly heartbeats: number;
  /** Tries of messages whose outcome was not clear to the gateway. */
  readonly unclear: number;
  readonly violations: number;
  /** States that were answered 202 and not told in time (promptness.ts); null where webhooks are lost. */
  readonly reportedTooLate: number | null;
  /** Fair seconds from the 202 to Intune of the slowest state. */
  readonly slowestReportSeconds: number;
  /** Devices of which Intune does not hold the newest state. */
  readonly behind: number;
  readonly settleSeconds: number;
  readonly passed: boolean;
}

interface Storm {
  readonly scene: Scene;
  readonly life: Life;
  readonly senders: Senders;
  readonly weather: StormWeather;
  readonly crashes: Crashes;
  readonly check: LedgerCheck;
  readonly promptness: Promptness;
  /** Whether it is part of the verdict. */
  readonly allInTime: boolean;
  /** What else must not happen. */
  readonly complaints: string[];
  /** Since when the database is watched, milliseconds since the epoch. */
  readonly watchedSince: number;
}

const progressEveryMs = 10_000;
const shownViolations = 20;
/**
 * Fair seconds from a 202 until Intune has it, at most: a lease of a killed gateway (12 s), a message of which others
 * hold a part (24 s), and back-off (5 s) beside it.
 */
const reportedWithinSeconds = 45;
const promptnessEveryMs = 250;
/** What the only gateway had in work waits for so long when it ended. */
const leaseMs = 12_000;

function printer({ check, crashes, life, scene, weather }: Storm, print: (line: string) => void) {
  const startedAt = Date.now();
  return (behind: number = findBehind(scene.world).length): void => {
    check.look();
    const { duplicatesAfterCrash, duplicatesUnexplained, messages, reports, resends } = check.counts();
    const found = check.violations.length;
    print(
      [
        `${Math.round((Date.now() - startedAt) / 1000)} s`.padStart(6),
        `${life.counts.changes} changes`,
        `${reports} accepted in ${messages} messages`,
        `${resends} resent`,
        `${behind} devices behind`,
        `${crashes.counts.kills} kills`,
        `${crashes.counts.aborts} aborts`,
        `${crashes.counts.databaseRestarts} database restarts`,
        `${scene.world.faults.list().length} faults`,
        `${weather.poisoned()} poisoned`,
        `${duplicatesAfterCrash}+${duplicatesUnexplained} duplicates`,
        ...(found > 0 ? [`${found} VIOLATIONS`] : []),
      ].join(', '),
    );
  };
}

function promptnessOf({ crashes, scene, weather }: Pick<Storm, 'crashes' | 'scene' | 'weather'>): Promptness {
  const { database, gateways, world } = scene;
  const cloudOf = new Map(world.tenants.map(({ cloud, tenantId }) => [tenantId, cloud]));
  return createPromptness({
    withinSeconds: reportedWithinSeconds,
    ledgerOf: (tenantId) => world.cloud(cloudOf.get(tenantId)!).intune.tenant(tenantId).ledger,
    isFair: (tenantId, instance) =>
      database.isUp() &&
      gateways.some((gateway) => gateway.isUp()) &&
      weather.isClear(tenantId, instance) &&
      (gateways.length > 1 || crashes.calmMs() > leaseMs),
    isPoisoned: weather.wasPoisoned,
    now: () => performance.now(),
  });
}

async function prepare(options: StormOptions, stack: AsyncDisposableStack): Promise<Storm> {
  const plan = makePlan(options);
  const scene = await startScene(plan, stack, async (dir) => {
    const database = await startOwnPostgres(dir);
    stack.defer(() => database.stop('immediate'));
    return database;
  });
  const { gateways, instances, world } = scene;
  await installWitness(scene.database.url);
  const watchedSince = Date.now();
  const complaints: string[] = [];
  const senders = createSenders({
    gateways,
    trust: world.authority.certificatePem,
    resendWebhooks: options.lost === 0,
    complain: (what) => complaints.push(what),
  });
  stack.defer(() => senders.close());
  const nextChange = planChanges(options.seed, world.fleet.macs().length, options.lost);
  const weather = createWeather(scene, plan);
  stack.defer(() => weather.lift());
  const crashes = createCrashes(scene, plan);
  const promptness = promptnessOf({ crashes, scene, weather });
  const life = createLife({ world, instances, senders, nextChange, accepted: promptness.accepted });
  stack.defer(() => life.stop());
  const tenants = world.tenants.map(({ cloud, tenantId }) => world.cloud(cloud).intune.tenant(tenantId));
  const check = createLedgerCheck({
    ledgers: tenants.map(({ ledger }) => ledger),
    crashes: () => [...crashes.times, ...gateways.flatMap(({ deaths }) => deaths)],
    hasFailed: (messageId) => tenants.some(({ messages }) => messages.get(messageId)?.status === 'Failed'),
  });
  const allInTime = !plan.polls;
  return { scene, life, senders, weather, crashes, check, promptness, allInTime, complaints, watchedSince };
}

async function rage(storm: Storm, options: StormOptions, progress: () => void, signal: AbortSignal) {
  const { crashes, life, weather } = storm;
  const timer = setInterval(progress, progressEveryMs);
  const crashing = crashes.run();
  // Whoever waits for it next hears of its failure.
  crashing.catch(() => undefined);
  try {
    weather.start();
    life.start(options.rate);
    await Promise.race([
      wait(options.seconds * 1000, undefined, { signal }),
      // A database that does not come back ends the storm at once.
      crashing.then(() => new Promise<never>(() => undefined)),
    ]);
  } finally {
    clearInterval(timer);
    life.stop();
    weather.lift();
    crashes.stop();
  }
  await crashing;
}

/** Everything that must not be, one line each. */
function complaintsOf(storm: Storm, verdict: Verdict): string[] {
  const { allInTime, check, complaints, promptness, scene } = storm;
  return [
    ...check.violations.map(({ deviceId, kind, text }) => `${kind} ${deviceId}: ${text}`),
    ...findAppliedBackwards(scene.world).map((text) => `applied backwards ${text}`),
    ...scene.gateways.flatMap(({ deaths, name }) =>
      deaths.map((at) => `death ${name} ended by itself at ${new Date(at).toISOString()}: its log says why`),
    ),
    ...(allInTime ? promptness.overdue() : []).map(
      ({ acceptedAt, deviceId, instance, osVersion }) =>
        `late ${deviceId} of ${instance}: ${osVersion} was answered 202 at ${new Date(acceptedAt).toISOString()} and not told within ${reportedWithinSeconds} fair seconds`,
    ),
    ...verdict.complaints,
    ...complaints,
  ];
}

function resultOf(storm: Storm, options: StormOptions, ending: Ending, verdict: Verdict): StormResult {
  const { allInTime, check, crashes, life, promptness, scene, senders, weather } = storm;
  const violations = complaintsOf(storm, verdict).length;
  const { changes, doubled, late, lost, replayed } = life.counts;
  return {
    seed: options.seed,
    batch: makePlan(options).batch,
    seconds: options.seconds,
    devices: scene.world.fleet.truth().length,
    changes,
    ...senders.counts,
    ...{ webhooksLost: lost, webhooksDoubled: doubled, webhooksLate: late, oldPushesReplayed: replayed },
    ...weather.counts,
    ...crashes.counts,
    deaths: storm.scene.gateways.reduce((sum, gateway) => sum + gateway.deaths.length, 0),
    failedStarts: storm.scene.gateways.reduce((sum, gateway) => sum + gateway.failedStarts(), 0),
    ...check.counts(),
    reportsReplayed: ending.replayed,
    heartbeats: verdict.heartbeats,
    unclear: verdict.unclear,
    violations,
    reportedTooLate: allInTime ? promptness.overdue().length : null,
    slowestReportSeconds: promptness.slowestSeconds(),
    behind: ending.behind.length,
    settleSeconds: ending.seconds,
    passed: violations === 0 && ending.settled,
  };
}

async function explain(
  storm: Storm,
  ending: Ending,
  verdict: Verdict,
  print: (line: string) => void,
): Promise<void> {
  const { scene } = storm;
  scene.keep();
  const all = complaintsOf(storm, verdict);
  for (const text of all.slice(0, shownViolations)) print(text);
  if (all.length > shownViolations) print(`… and ${all.length - shownViolations} more`);
  if (!ending.settled) for (const text of await diagnose(scene, ending.behind)) print(text);
  print(`the gateways' logs are kept in ${scene.dir}`);
}

/** One storm from its beginning to its proof. Throws when it cannot be held, not when it is not passed. */
export async function runStorm(
  options: StormOptions,
  signal: AbortSignal,
  print: (line: string) => void,
): Promise<StormResult> {
  await using stack = new AsyncDisposableStack();
  const storm = await prepare(options, stack);
  try {
    await introduce(storm, signal);
    // What is introduced at once is a backlog: nobody promises when it is told.
    const watching = setInterval(storm.promptness.look, promptnessEveryMs);
    stack.defer(() => clearInterval(watching));
    const progress = printer(storm, print);
    await rage(storm, options, () => progress(), signal);
    print('the storm is over: no more faults, every device cured');
    const { life, scene, senders } = storm;
    const { settleSeconds } = options;
    const isLost = (): boolean => storm.allInTime && storm.promptness.overdue().length > 0;
    const ending = await awaitTruth({ scene, life, senders, settleSeconds, signal, progress, isLost });
    storm.promptness.look();
    storm.check.look();
    // What is not told yet was not sent again yet, either.
    const verdict = ending.settled ? await judge(scene, storm.watchedSince) : nothingJudged;
    const result = resultOf(storm, options, ending, verdict);
    if (!result.passed) await explain(storm, ending, verdict, print);
    return result;
  } catch (error) {
    if (!signal.aborted) {
      storm.scene.keep();
      print(`the gateways' logs are kept in ${storm.scene.dir}`);
    }
    throw error;
  }
}
