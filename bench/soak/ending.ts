import postgres from 'postgres';
import { findAppliedBackwards, findBehind } from '../../test/faults/comparison.ts';
import { awaitTruth } from '../../test/faults/ending.ts';
import { createLedgerCheck, type LedgerCheck } from '../../test/faults/ledger-check.ts';
import type { Life } from '../../test/faults/life.ts';
import type { Scene } from '../../test/faults/scene.ts';
import type { Senders } from '../../test/faults/senders.ts';
import { wait } from '../run.ts';

/** What the simulators and the database say in the end: nothing lost, nothing twice, nothing backwards, nothing astray. */
export interface Proof {
  /** Reports by state, the wanted one being `verified`. */
  readonly states: Readonly<Record<string, number>>;
  /** Devices of which Intune does not hold the newest state. */
  readonly lost: number;
  readonly doubled: number;
  /** Within half a minute of a stop of the database, which is permitted. */
  readonly doubledAfterCrash: number;
  readonly backwards: number;
  /** Devices that were told to the Intune of another tenant. */
  readonly misrouted: number;
  readonly reportsTaken: number;
  readonly notes: readonly string[];
}

const settleSeconds = 300;
const verifiedWithinMs = 300_000;
const shownNotes = 10;

const intunes = ({ world }: Scene) =>
  world.tenants.map(({ cloud, tenantId }) => world.cloud(cloud).intune.tenant(tenantId));

/** `crashes`: when the database was stopped, milliseconds since the epoch. */
export function watchLedgers(scene: Scene, crashes: () => readonly number[]): LedgerCheck {
  const tenants = intunes(scene);
  return createLedgerCheck({
    ledgers: tenants.map(({ ledger }) => ledger),
    crashes,
    hasFailed: (messageId) => tenants.some(({ messages }) => messages.get(messageId)?.status === 'Failed'),
  });
}

async function statesOf(url: string): Promise<Record<string, number>> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    const rows = await sql<{ state: string; count: number }[]>`
      select state, count(*)::int as count from reports group by state`;
    return Object.fromEntries(rows.map(({ count, state }) => [state, count]));
  } finally {
    await sql.end({ timeout: 2 });
  }
}

async function awaitVerified(url: string, signal: AbortSignal): Promise<Record<string, number>> {
  const end = performance.now() + verifiedWithinMs;
  for (;;) {
    const states = await statesOf(url);
    if (Object.keys(states).every((state) => state === 'verified') || performance.now() > end) return states;
    await wait(1_000, signal);
  }
}

function toldElsewhere(scene: Scene): string[] {
  const truth = Map.groupBy(scene.world.fleet.truth(), ({ tenantId }) => tenantId);
  return scene.world.tenants.flatMap(({ cloud, tenantId }) => {
    const own = new Set(truth.get(tenantId)?.map(({ deviceId }) => deviceId));
    const told = [...scene.world.cloud(cloud).intune.tenant(tenantId).devices.keys()];
    return told
      .filter((deviceId) => !own.has(deviceId))
      .map((deviceId) => `${deviceId} was told to ${tenantId}`);
  });
}

export interface Ended {
  readonly scene: Scene;
  readonly life: Life;
  readonly senders: Senders;
  readonly check: LedgerCheck;
  readonly signal: AbortSignal;
  readonly print: (line: string) => void;
}

/** After the load has ended. */
export async function prove(ended: Ended): Promise<Proof> {
  const { check, print, scene, signal } = ended;
  const progress = (behind: number): void => print(`${behind} devices are not told yet`);
  await awaitTruth({ ...ended, settleSeconds, progress, isLost: () => false });
  const states = await awaitVerified(scene.database.url, signal);
  check.look();
  const { duplicatesAfterCrash, duplicatesUnexplained, reports } = check.counts();
  const others = check.violations.filter(({ kind }) => kind !== 'duplicate');
  const backwards = [...others.map(({ text }) => text), ...findAppliedBackwards(scene.world)];
  const [elsewhere, behind] = [toldElsewhere(scene), findBehind(scene.world)];
  return {
    states,
    lost: behind.length,
    doubled: duplicatesUnexplained,
    doubledAfterCrash: duplicatesAfterCrash,
    backwards: backwards.length,
    misrouted: elsewhere.length,
    reportsTaken: reports,
    notes: [
      ...backwards,
      ...elsewhere,
      ...check.violations.filter(({ kind }) => kind === 'duplicate').map(({ text }) => text),
      ...behind.map(({ told, truth, wanted }) => `${truth.deviceId}: wanted ${wanted}, told ${told}`),
    ].slice(0, shownNotes),
  };
}
