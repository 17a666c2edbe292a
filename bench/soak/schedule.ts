import { setTimeout as pause } from 'node:timers/promises';
import type { Fault } from '../../src/simulator/faults.ts';
import { until } from '../run.ts';
import {
  type KeyedInstance,
  type OperatorKey,
  rotateInstanceKey,
  rotateInstanceSecret,
  rotateOperatorKey,
} from './key-rotations.ts';
import type { FailedCall, Outcomes } from './outcomes.ts';
import type { People } from './people.ts';
import { rotateListenerCertificate, rotateWithRestarts } from './restart-rotations.ts';
import type { SoakScene } from './scene.ts';

/** Faults and rotations of a run, one after the other, at shares of its length. */
export interface Step {
  readonly at: number;
  readonly what: string;
  run(): Promise<void>;
}

export interface Stage {
  readonly soak: SoakScene;
  readonly instances: ReadonlyMap<string, KeyedInstance>;
  readonly outcomes: Outcomes;
  readonly people: People;
  readonly signal: AbortSignal;
  /** Length of the run. */
  readonly lengthMs: number;
  /** A crash of the database may make a gateway say something twice. */
  readonly crashed: (at: number) => void;
  /** No process is replaced any more: from now on everything has to be flat. */
  readonly settled: () => void;
}

/** After it is back: pools wait before they connect again. */
const databaseRecoversMs = 20_000;
/** After it answers again: circuits are closed by a try. */
const instanceRecoversMs = 40_000;

const wait = (ms: number, signal: AbortSignal): Promise<void> => pause(ms, undefined, { signal });

async function stopDatabase(stage: Stage, mode: 'fast' | 'immediate', downMs: number): Promise<void> {
  const { crashed, outcomes, signal, soak } = stage;
  const { database } = soak.scene;
  const end = outcomes.begin(performance.now(), ({ reason }) => reason.startsWith('503'));
  crashed(Date.now());
  await database.stop(mode);
  await wait(downMs, signal);
  await database.start();
  crashed(Date.now());
  end(performance.now() + databaseRecoversMs);
  // What is rotated next is written to it.
  const patience = { everyMs: 500, patienceMs: databaseRecoversMs, signal };
  await until('the database is written to again', patience, async () => {
    const { status } = await soak.scene.api('GET', '/tenants');
    return { done: status === 200, now: String(status) };
  });
}

interface Spell {
  readonly forMs: number;
  readonly faults: readonly Omit<Fault, 'id'>[];
  /** Calls that may fail with it. */
  readonly explains?: (call: FailedCall) => boolean;
}

async function playSpell({ outcomes, signal, soak }: Stage, spell: Spell): Promise<void> {
  const { explains = () => false, faults, forMs } = spell;
  const played = soak.scene.world.faults;
  const ids = faults.map((fault) => played.add(fault).id);
  const end = outcomes.begin(performance.now(), explains);
  try {
    await wait(forMs, signal);
  } finally {
    for (const id of ids) played.remove(id);
    end(performance.now() + instanceRecoversMs);
  }
}

/** A device call that leads to the instance is answered in its place. */
const ofInstance =
  (name: string) =>
  ({ instance, kind, reason }: FailedCall): boolean =>
    kind === 'device call' && instance === name && /^(502|503|504) instance-/.test(reason);

/** Everything that is rotated without a restart. */
function keyRotations(stage: Stage): () => Promise<void> {
  const { instances, people, signal, soak } = stage;
  let operatorKey: OperatorKey | undefined;
  return async () => {
    for (const instance of instances.values()) await rotateInstanceSecret(soak.scene, instance);
    await Promise.all(
      [...instances.values()].map((instance) =>
        rotateInstanceKey(soak.scene, instance, (ms) => wait(ms, signal)),
      ),
    );
    operatorKey = await rotateOperatorKey(soak, operatorKey, people.signInWith, signal);
    await rotateListenerCertificate(soak, signal);
  };
}

export function scheduleOf(stage: Stage): Step[] {
  const { lengthMs, settled, signal, soak } = stage;
  const forMs = (share: number): number => share * lengthMs;
  const rotateKeys = keyRotations(stage);
  const keys = (at: number): Step => ({ at, what: 'secrets, keys and certificate', run: rotateKeys });
  const restarts = (at: number, turn: number): Step => ({
    at,
    what: 'sealing key, applications and certificate, three SIGHUPs',
    run: () => rotateWithRestarts(soak, turn, signal),
  });
  const spell = (at: number, what: string, one: Spell): Step => ({
    at,
    what,
    run: () => playSpell(stage, one),
  });
  const retryAfter = { 'retry-after': '2' };
  return [
    restarts(0.03, 1),
    restarts(0.12, 2),
    { at: 0.21, what: 'steady from here', run: async () => settled() },
    {
      at: 0.28,
      what: 'database restarted',
      run: () => stopDatabase(stage, 'fast', forMs(0.002) + 1_000),
    },
    keys(0.33),
    spell(0.38, 'Intune 503', {
      forMs: forMs(0.03),
      faults: [{ service: 'intune', status: 503, headers: retryAfter, share: 0.8 }],
    }),
    spell(0.44, 'berlin hangs', {
      forMs: forMs(0.02),
      faults: [{ service: 'jamf:berlin', delayMs: 60_000 }],
      explains: ofInstance('berlin'),
    }),
    keys(0.5),
    spell(0.55, 'connections break', {
      forMs: forMs(0.03),
      faults: [
        { service: 'intune', path: 'DataUploadMessages', reset: 'after', share: 0.4 },
        { service: 'jamf:oslo', reset: 'before', share: 0.4 },
      ],
      explains: ofInstance('oslo'),
    }),
    {
      at: 0.61,
      what: 'database crashed',
      run: () => stopDatabase(stage, 'immediate', forMs(0.002) + 1_000),
    },
    keys(0.66),
    spell(0.71, 'Intune 429', {
      forMs: forMs(0.03),
      faults: [{ service: 'intune', status: 429, headers: retryAfter, share: 0.6 }],
    }),
    spell(0.77, 'Entra 503', {
      forMs: forMs(0.015),
      faults: [{ service: 'entra', path: 'token', status: 503 }],
    }),
    keys(0.82),
  ];
}

/** Plays the steps, each when it is due and the one before is over. */
export async function play(
  steps: readonly Step[],
  { lengthMs, signal }: Stage,
  print: (line: string) => void,
): Promise<void> {
  const startedAt = performance.now();
  for (const { at, run, what } of steps) {
    await wait(Math.max(0, startedAt + at * lengthMs - performance.now()), signal);
    const begun = performance.now();
    await run().catch((cause: unknown) => {
      throw new Error(`${what}: ${cause instanceof Error ? cause.message : cause}`, { cause });
    });
    print(`${what}: ${Math.round((performance.now() - begun) / 1_000)} s`);
  }
}
