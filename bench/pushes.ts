import { Pool } from 'undici';
import { type MacState, macRecord } from './fleet.ts';
import { type Pace, pace } from './pace.ts';
import { answerQuestions } from './worker.ts';

/** Pushes a state of every Mac to the gateway as NDJSON, in a process of its own. */

export interface PushesPlan {
  readonly origin: string;
  /** PEM. */
  readonly ca: string;
  readonly connections: number;
  readonly recordsInPush: number;
  readonly tenants: readonly {
    readonly number: number;
    readonly devices: number;
    readonly instanceId: string;
    readonly key: string;
  }[];
  readonly state: MacState;
}

export interface PushesResult {
  /** Milliseconds since the epoch, when the first push began. */
  readonly startedAt: number;
  /** An operation is a push. */
  readonly pace: Pace;
}

interface Push {
  readonly tenant: PushesPlan['tenants'][number];
  readonly first: number;
  readonly count: number;
}

/** The tenants take turns, as they do when each pushes on its own. */
function pushesOf({ recordsInPush, tenants }: PushesPlan): Push[] {
  const most = Math.max(...tenants.map(({ devices }) => devices));
  const pushes: Push[] = [];
  for (let first = 0; first < most; first += recordsInPush) {
    for (const tenant of tenants) {
      const count = Math.min(recordsInPush, tenant.devices - first);
      if (count > 0) pushes.push({ tenant, first, count });
    }
  }
  return pushes;
}

async function send(pool: Pool, { count, first, tenant }: Push, state: MacState): Promise<void> {
  const records = Array.from({ length: count }, (_, index) => macRecord(tenant.number, first + index, state));
  const answer = await pool.request({
    method: 'POST',
    path: `/jamf/${tenant.instanceId}/inventory`,
    headers: { 'content-type': 'application/x-ndjson', 'x-api-key': tenant.key },
    body: records.join('\n'),
  });
  const text = await answer.body.text();
  if (answer.statusCode !== 202 || !text.includes(`"accepted":${count},`)) {
    throw new Error(`a push was answered ${answer.statusCode}: ${text.slice(0, 300)}`);
  }
}

answerQuestions(async (plan: PushesPlan): Promise<PushesResult> => {
  const { ca, connections, origin, state } = plan;
  const pool = new Pool(origin, { connections, pipelining: 1, connect: { ca } });
  const waiting = pushesOf(plan).values();
  try {
    const startedAt = Date.now();
    const measured = await pace(connections, Number.POSITIVE_INFINITY, async () => {
      const { done, value } = waiting.next();
      if (done) return false;
      await send(pool, value, state);
      return true;
    });
    return { startedAt, pace: measured };
  } finally {
    await pool.destroy();
  }
});
