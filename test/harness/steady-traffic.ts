/**
 * Callers that ask again and again whatever happens, and what became of each request. How late this process itself was
 * meanwhile is told too: a machine that is busy must not be taken for a slow answer.
 */

import { setTimeout as wait } from 'node:timers/promises';

export interface Sent {
  readonly kind: string;
  readonly atMs: number;
  /** From asking to the whole answer, without the time in which this process stood still. */
  readonly ms: number;
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly json: unknown;
  /** Counts up within the kind. */
  readonly turn: number;
}

interface Answered {
  readonly status: number;
  readonly headers: Sent['headers'];
  readonly json: unknown;
}

const monitorMs = 20;

export function startTraffic(
  kinds: Readonly<Record<string, (turn: number) => Promise<Answered>>>,
  everyMs: number,
) {
  const sent: Sent[] = [];
  let stopped = false;
  /** In all, so far. */
  let lateMs = 0;
  let lastMs = performance.now();
  const monitor = setInterval(() => {
    const nowMs = performance.now();
    lateMs += Math.max(0, nowMs - lastMs - monitorMs);
    lastMs = nowMs;
  }, monitorMs);
  const pending = new Set<Promise<void>>();
  const ask = async (
    kind: string,
    work: (turn: number) => Promise<Answered>,
    turn: number,
  ): Promise<void> => {
    const [atMs, lateBefore] = [performance.now(), lateMs];
    const { headers, json, status } = await work(turn).catch((error: Error) => ({
      status: 0,
      headers: {},
      json: { error: String(error) },
    }));
    const ms = performance.now() - atMs - (lateMs - lateBefore);
    sent.push({ kind, atMs, ms, status, headers, json, turn });
  };
  const caller = async (kind: string, work: (turn: number) => Promise<Answered>): Promise<void> => {
    for (let turn = 0; !stopped; turn += 1) {
      // Not after the answer: callers do not wait for one another.
      const one: Promise<void> = ask(kind, work, turn).finally(() => pending.delete(one));
      pending.add(one);
      await wait(everyMs * (0.75 + Math.random() / 2));
    }
  };
  const callers = Object.entries(kinds).map(([kind, work]) => caller(kind, work));
  return {
    sent,
    stop: async (): Promise<readonly Sent[]> => {
      stopped = true;
      await Promise.all(callers);
      await Promise.all(pending);
      clearInterval(monitor);
      return sent;
    },
  };
}
