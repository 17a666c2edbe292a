import type { Send } from '../../outbound/port.ts';
import { createSemaphore } from '../../semaphore.ts';

/** What the platform lets one event of a Durable Object do, so that delivery goes on in the next one before it is exceeded. */
export interface Budget {
  /** A slice begins, as an event of its own. */
  begin(): void;
  isOver(): boolean;
  /** Counts what is sent, and bounds how much of it is under way: of an event's six connections the database has three. */
  readonly counted: (send: Send) => Send;
}

export interface BudgetLimits {
  readonly sliceMs: number;
  readonly requests: number;
  readonly atOnce: number;
}

export const sliceLimits: BudgetLimits = { sliceMs: 20_000, requests: 4_000, atOnce: 3 };

export function createBudget({ atOnce, requests, sliceMs }: BudgetLimits, now: () => number): Budget {
  const inTurn = createSemaphore(atOnce);
  let beganAtMs = now();
  let sent = 0;
  return {
    begin: () => {
      beganAtMs = now();
      sent = 0;
    },
    isOver: () => sent >= requests || now() - beganAtMs >= sliceMs,
    counted: (send) => (request) =>
      inTurn(() => {
        sent += 1;
        return send(request);
      }),
  };
}
