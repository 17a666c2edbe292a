import { writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import type { Mac } from '../src/simulator/jamf/mac.ts';
import { planChanges } from '../test/faults/changes.ts';
import { findBehind } from '../test/faults/comparison.ts';
import { introduce } from '../test/faults/introduction.ts';
import type { LedgerCheck } from '../test/faults/ledger-check.ts';
import { createLife, type Life } from '../test/faults/life.ts';
import { createSenders, type Senders } from '../test/faults/senders.ts';
import type { Finding, Run } from './run.ts';
import { type DeviceCalls, startDeviceCalls } from './soak/device-calls.ts';
import { prove, watchLedgers } from './soak/ending.ts';
import { findingOf } from './soak/findings.ts';
import { keyedInstances } from './soak/key-rotations.ts';
import { createSamples, type Samples } from './soak/measures.ts';
import { createOutcomes, type Outcomes, reasonOf } from './soak/outcomes.ts';
import { type People, startPeople } from './soak/people.ts';
import { createSampler } from './soak/sampler.ts';
import { type SoakScene, startSoakScene } from './soak/scene.ts';
import { play, type Stage, scheduleOf } from './soak/schedule.ts';
import { tenths, whole } from './table.ts';

/**
 * A gateway under moderate load for an hour, with faults and with the rotation of every credential: whether memory, handles,
 * the event loop and tables stay flat, and whether anything is lost (docs/performance.md).
 */

const defaultMinutes = 60;
const defaultMacs = 2_000;
const rates = { callsPerSecond: 20, changesPerSecond: 2, secondsBetweenPushes: 10, pushed: 20 } as const;
const minuteMs = 60_000;
/** In a shorter run more often, so that there are samples enough. */
const sampleEveryMs = (minutes: number): number => Math.min(10_000, Math.max(2_000, minutes * 1_000));
/** Of what is left when the last process was replaced: caches fill, and V8 finds its size. */
const warmUpShare = 0.15;

interface Load {
  readonly soak: SoakScene;
  readonly outcomes: Outcomes;
  readonly senders: Senders;
  readonly life: Life;
  readonly check: LedgerCheck;
  /** When the database was stopped, milliseconds since the epoch. */
  readonly crashes: number[];
  readonly complaints: string[];
  readonly instances: ReturnType<typeof keyedInstances>;
}

async function prepare({ options, stack }: Run, minutes: number): Promise<Load> {
  const soak = await startSoakScene(stack, { macs: options.devices ?? defaultMacs, minutes });
  const { gateways, world } = soak.scene;
  const outcomes = createOutcomes();
  const complaints: string[] = [];
  const crashes: number[] = [];
  const senders = createSenders({
    gateways,
    trust: world.authority.certificatePem,
    resendWebhooks: true,
    complain: (what) => complaints.push(what),
    onMiss: (miss, at) => {
      const reason = 'broken' in miss ? miss.broken : reasonOf(miss.status, miss.text);
      outcomes.failed({ kind: 'webhook or push', reason, at });
    },
  });
  stack.defer(() => senders.close());
  const instances = keyedInstances(soak.scene);
  const life = createLife({
    ...{ world, instances, senders },
    nextChange: planChanges(world.seed, world.fleet.macs().length, 0),
    accepted: () => outcomes.ok('webhook or push'),
  });
  stack.defer(() => life.stop());
  const check = watchLedgers(soak.scene, () => crashes);
  return { soak, outcomes, senders, life, check, crashes, complaints, instances };
}

/** An instance after the other pushes the next of its Macs; the function ends it. */
function startPushes({ life, soak }: Load): () => void {
  const byInstance = [
    ...Map.groupBy(soak.scene.world.fleet.macs(), ({ instanceName }) => instanceName).values(),
  ];
  let turn = 0;
  const next = (): Mac[] => {
    const macs = byInstance[turn % byInstance.length]!;
    const from = (Math.floor(turn / byInstance.length) * rates.pushed) % macs.length;
    turn += 1;
    return macs.slice(from, from + rates.pushed);
  };
  const timer = setInterval(() => life.changeTogether(next()), rates.secondsBetweenPushes * 1_000);
  return () => clearInterval(timer);
}

interface Watch {
  /** Samples count from then on, after a warm-up. */
  settled(): void;
  stop(): Promise<void>;
}

/** Samples, and prints a line a minute. */
function startWatch(load: Load, samples: Samples, minutes: number, print: (line: string) => void): Watch {
  const { check, outcomes, soak } = load;
  const sampler = createSampler(soak);
  const startedAt = performance.now();
  const now = (): number => performance.now() - startedAt;
  let countsFromMs = Number.POSITIVE_INFINITY;
  let printedAt = 0;
  let isStopped = false;
  const printMinute = (values: ReadonlyMap<string, number>): void => {
    printedAt = now();
    check.look();
    const calls = outcomes.counts().reduce((sum, one) => sum + (one.outcome === 'ok' ? one.calls : 0), 0);
    const reasons = new Set(outcomes.unexplained().map(({ kind, reason }) => `${kind} ${reason}`));
    const value = (name: string): string => tenths(values.get(name) ?? 0);
    const heaps = [...values].filter(([name]) => name.endsWith(': heap')).map(([, mebibytes]) => mebibytes);
    print(
      [
        `${tenths(now() / minuteMs)} min`,
        `${whole(calls)} calls ok, ${outcomes.unexplained().length} failed unexplained`,
        ...reasons,
        `${load.life.counts.changes} changes, ${findBehind(soak.scene.world).length} behind`,
        `${check.violations.length} violations`,
        `heaps ${heaps.map(tenths).join(' ')} MiB`,
        `${value('database connections')} connections, ${value('dead rows overdue')} dead rows overdue`,
        `gateway ${sampler.processors().toFixed(2)} processors, load ${(loadavg()[0] ?? 0).toFixed(2)}`,
      ].join('; '),
    );
  };
  const watching = (async () => {
    for (let turn = 1; !isStopped; turn += 1) {
      const values = await sampler.look();
      if (now() >= countsFromMs) samples.add(now() / (60 * minuteMs), values);
      if (now() - printedAt >= minuteMs) printMinute(values);
      const dueMs = turn * sampleEveryMs(minutes);
      while (!isStopped && now() < dueMs) await new Promise((resolve) => setTimeout(resolve, 100));
    }
  })();
  // Whoever stops it hears of its failure too, but not before the run is over.
  watching.catch((error: unknown) => print(`sampling ended: ${error}`));
  return {
    settled: () => {
      const leftMs = Math.max(0, minutes * minuteMs - now());
      countsFromMs = now() + warmUpShare * leftMs;
    },
    stop: async () => {
      isStopped = true;
      await watching;
    },
  };
}

interface Running {
  readonly calls: DeviceCalls;
  readonly people: People;
  readonly watch: Watch;
  stop(): Promise<void>;
}

async function begin(load: Load, samples: Samples, run: Run, minutes: number): Promise<Running> {
  const { life, outcomes, soak } = load;
  await introduce({ scene: soak.scene, life, senders: load.senders }, run.signal);
  const people = await startPeople(soak.scene, soak.operatorKey.current, outcomes);
  const calls = await startDeviceCalls(soak.scene, rates.callsPerSecond, outcomes);
  const watch = startWatch(load, samples, minutes, run.print);
  life.start(rates.changesPerSecond);
  const endPushes = startPushes(load);
  let ending: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    endPushes();
    life.stop();
    await Promise.all([watch.stop(), calls.stop(), people.stop()]);
  };
  const stop = (): Promise<void> => {
    ending ??= end();
    return ending;
  };
  run.stack.defer(() => stop().catch(() => undefined));
  return { calls, people, watch, stop };
}

export async function soakBench(run: Run): Promise<Finding[]> {
  const minutes = run.options.minutes ?? defaultMinutes;
  const load = await prepare(run, minutes);
  const { check, complaints, life, outcomes, senders, soak } = load;
  const { scene } = soak;
  const samples = createSamples();
  const loadAtStart = loadavg()[0] ?? 0;
  const running = await begin(load, samples, run, minutes);
  const startedAt = performance.now();
  const stage: Stage = {
    ...{ soak, outcomes, instances: load.instances, people: running.people, signal: run.signal },
    lengthMs: minutes * minuteMs,
    crashed: (at) => load.crashes.push(at),
    settled: running.watch.settled,
  };
  try {
    await play(scheduleOf(stage), stage, run.print);
    while (performance.now() - startedAt < stage.lengthMs) {
      run.signal.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    await running.stop();
    const proof = await prove({ ...{ scene, life, senders, check }, signal: run.signal, print: run.print });
    const [gateway] = scene.gateways;
    const finding = findingOf({
      title: `${minutes} minutes, ${whole(scene.world.fleet.macs().length)} Macs; load ${loadAtStart.toFixed(2)} to ${(loadavg()[0] ?? 0).toFixed(2)}`,
      judged: samples.judge(),
      ...{ outcomes, proof },
      misroutedCalls: running.calls.misrouted(),
      complaints: [
        ...complaints,
        ...gateway!.deaths.map((at) => `the gateway ended at ${new Date(at).toISOString()}`),
      ],
      webhooksAccepted: senders.counts.webhooksAccepted,
      pushesAccepted: senders.counts.pushesAccepted,
    });
    if (finding.fails) keep(load, samples, run.print);
    return [finding];
  } catch (error) {
    keep(load, samples, run.print);
    throw error;
  }
}

/** Whoever looks for the cause needs what the gateway wrote, and every sample. */
function keep({ soak: { scene } }: Load, samples: Samples, print: (line: string) => void): void {
  scene.keep();
  writeFileSync(join(scene.dir, 'samples.json'), JSON.stringify(Object.fromEntries(samples.lines())));
  print(`the gateway's log and the samples are kept in ${scene.dir}`);
}
