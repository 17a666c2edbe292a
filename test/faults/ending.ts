import { setTimeout as wait } from 'node:timers/promises';
import postgres from 'postgres';
import { type Behind, findBehind } from './comparison.ts';
import type { Life } from './life.ts';
import type { Scene } from './scene.ts';
import type { Senders } from './senders.ts';

export interface Ending {
  readonly settled: boolean;
  readonly seconds: number;
  readonly behind: readonly Behind[];
  /** Failed reports that were replayed. */
  readonly replayed: number;
}

export interface EndingOptions {
  readonly scene: Scene;
  readonly life: Life;
  readonly senders: Senders;
  readonly settleSeconds: number;
  readonly signal: AbortSignal;
  readonly progress: (behind: number) => void;
  /** Something was not told in time: the storm is not passed, whatever comes now. */
  readonly isLost: () => boolean;
}

const lookEveryMs = 500;
const replayEveryMs = 5000;
const progressEveryMs = 10_000;
/** After the last device is told: a message too many would come now. */
const quietMs = 4000;

/** What an operator does when the trouble is over: everything that failed is told again. */
async function replayFailed({ life, scene }: EndingOptions): Promise<number> {
  const { api, database, world } = scene;
  const sql = postgres(database.url, { max: 1, onnotice: () => undefined });
  try {
    const failed = await sql<{ deviceId: string }[]>`
      select device_id as "deviceId" from reports where state = 'failed'`;
    if (failed.length === 0) return 0;
    const answer = await api('POST', '/reports/replay', { filter: 'state==failed' });
    if (answer.status === 404) {
      // Without replay a new state is what supersedes a failure (contract section 7).
      for (const { deviceId } of failed) {
        const mac = world.fleet.findByDevice(deviceId);
        if (mac) life.touch(mac);
      }
    } else if (answer.status >= 300) throw new Error(`replay was answered ${answer.status}: ${answer.text}`);
    return failed.length;
  } finally {
    await sql.end({ timeout: 2 });
  }
}

/** Waits until Intune holds the newest state of every device, or the time is over. */
export async function awaitTruth(options: EndingOptions): Promise<Ending> {
  const { isLost, life, progress, scene, senders, settleSeconds, signal } = options;
  const startedAt = Date.now();
  const deadline = startedAt + settleSeconds * 1000;
  let replayed = 0;
  let nextReplay = 0;
  let nextProgress = startedAt + progressEveryMs;
  let behind = findBehind(scene.world);
  for (;;) {
    const onTheWay = senders.pending() > 0 || !life.isQuiet();
    if (behind.length === 0 && !onTheWay) break;
    if (Date.now() > deadline || isLost()) break;
    signal.throwIfAborted();
    if (Date.now() >= nextReplay && !onTheWay) {
      replayed += await replayFailed(options);
      nextReplay = Date.now() + replayEveryMs;
    }
    if (Date.now() >= nextProgress) {
      progress(behind.length);
      nextProgress += progressEveryMs;
    }
    await wait(lookEveryMs, undefined, { signal });
    behind = findBehind(scene.world);
  }
  const seconds = (Date.now() - startedAt) / 1000;
  if (behind.length === 0) {
    await wait(quietMs, undefined, { signal });
    behind = findBehind(scene.world);
  }
  return { settled: behind.length === 0, seconds, behind, replayed };
}
