/** How a process tells the others of its machine what it let pass of the limits that they have together. */

import type { Takings, TakingsOf } from '../../gateway/rate.ts';
import { takingsToldMs, takingsWaiting } from '../../limits.ts';
import type { Taken } from './messages.ts';

export interface ToldTakings {
  readonly of: TakingsOf;
  /** What another process told. */
  heard(taken: Taken): void;
}

interface Waiting {
  readonly limit: string;
  readonly key: string;
  amount: number;
}

/** `send` resolves when the message has left; until then what comes is gathered for the next one. */
export function createTakings(processes: number, send: (taken: Taken) => Promise<void>): ToldTakings {
  const listeners = new Map<string, Parameters<Takings['onOthers']>[0]>();
  const waiting = new Map<string, Waiting>();
  let isOnItsWay = false;

  const sendAll = async (): Promise<void> => {
    const taken = [...waiting.values()].map(({ amount, key, limit }) => [limit, key, amount] as const);
    waiting.clear();
    await send(taken);
    isOnItsWay = false;
    if (waiting.size > 0) sendSoon();
  };
  const sendSoon = (): void => {
    if (isOnItsWay) return;
    isOnItsWay = true;
    setTimeout(() => void sendAll(), takingsToldMs).unref();
  };
  const tell = (limit: string, key: string, amount: number): void => {
    const id = `${limit} ${key}`;
    const before = waiting.get(id);
    if (before !== undefined) before.amount += amount;
    else if (waiting.size < takingsWaiting) waiting.set(id, { limit, key, amount });
    sendSoon();
  };
  return {
    of: (limit) => ({
      processes,
      tell: (key, amount) => tell(limit, key, amount),
      onOthers: (listener) => {
        if (listeners.has(limit)) throw new RangeError(`two limits are called ${limit}`);
        listeners.set(limit, listener);
      },
    }),
    heard: (taken) => {
      for (const [limit, key, amount] of taken) listeners.get(limit)?.(key, amount);
    },
  };
}
