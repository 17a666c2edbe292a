import { Pool } from 'undici';
import { type MacState, macRecord } from './fleet.ts';
import { answerQuestions } from './worker.ts';

/** Pushes one record after the other at a steady rate, whether or not the ones before were answered. */

export interface StreamPlan {
  readonly origin: string;
  /** PEM. */
  readonly ca: string;
  /** Of every sender; they take turns. */
  readonly perSecond: number;
  readonly durationMs: number;
  readonly senders: readonly {
    readonly number: number;
    readonly instanceId: string;
    readonly key: string;
    /** The first device; each push is of the next one. */
    readonly firstDevice: number;
  }[];
  readonly state: MacState;
}

export interface StreamResult {
  /** When each push began, milliseconds since the epoch: by sender, in the order of devices. */
  readonly sentAt: readonly (readonly number[])[];
}

const connections = 32;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

type Sender = StreamPlan['senders'][number];

async function push(pool: Pool, sender: Sender, device: number, state: MacState): Promise<void> {
  const answer = await pool.request({
    method: 'POST',
    path: `/jamf/${sender.instanceId}/inventory`,
    headers: { 'content-type': 'application/json', 'x-api-key': sender.key },
    body: macRecord(sender.number, device, state),
  });
  const text = await answer.body.text();
  if (answer.statusCode !== 202 || !text.includes('"accepted":1,')) {
    throw new Error(`a push was answered ${answer.statusCode}: ${text.slice(0, 300)}`);
  }
}

answerQuestions(async (plan: StreamPlan): Promise<StreamResult> => {
  const { ca, durationMs, origin, perSecond, senders, state } = plan;
  const pool = new Pool(origin, { connections, pipelining: 1, connect: { ca } });
  const count = Math.floor((durationMs / 1_000) * perSecond);
  const sentAt: number[][] = senders.map(() => []);
  const pushing: Promise<void>[] = [];
  const started = performance.now();
  const turn = 1_000 / perSecond / senders.length;
  try {
    for (let device = 0; device < count; device += 1) {
      for (const [index, sender] of senders.entries()) {
        const dueMs = (device * senders.length + index) * turn;
        await pause(Math.max(0, dueMs - (performance.now() - started)));
        sentAt[index]?.push(Date.now());
        pushing.push(push(pool, sender, sender.firstDevice + device, state));
      }
    }
    await Promise.all(pushing);
    return { sentAt };
  } finally {
    await Promise.allSettled(pushing);
    await pool.destroy();
  }
});
