import {
  type OutboundRequest,
  type OutboundResponse,
  type Send,
  wholeAnswerFactor,
} from '../../outbound/port.ts';
import { createFairPlaces } from '../../semaphore.ts';

/** What the platform lets one event of a Durable Object do, so that delivery goes on in the next one before it is exceeded. */
export interface Budget {
  /** A slice begins, as an event of its own. */
  begin(): void;
  isOver(): boolean;
  /** For how long no request has come to an end, in milliseconds. */
  sinceEndMs(): number;
  /**
   * Counts what is sent, and bounds how much of it is under way, until its answer is read: of an event's six connections the
   * database has three. A tenant has not all of them, so that what hangs for one leaves a place to the others.
   */
  readonly counted: (send: Send) => Send;
  /** The same for what delivery does not wait for: its end says nothing of delivery. */
  readonly aside: (send: Send) => Send;
}

export interface BudgetLimits {
  readonly sliceMs: number;
  readonly requests: number;
  readonly atOnce: number;
  /** Of those. */
  readonly ofTenant: number;
}

export const sliceLimits: BudgetLimits = { sliceMs: 20_000, requests: 4_000, atOnce: 3, ofTenant: 2 };

/** A request that belongs to no single tenant, such as one for Entra's keys, is counted by its host. */
const shareOf = ({ tenantId, url }: OutboundRequest): string => tenantId ?? new URL(url).host;

async function* untilEnd(body: AsyncIterable<Uint8Array>, end: () => void): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } finally {
    end();
  }
}

/** The answer, which calls `leave` when it is read or given up, or was left alone for longer than reading may take. */
function heldUntilRead(answer: OutboundResponse, longestMs: number, leave: () => void): OutboundResponse {
  const timer = setTimeout(leave, longestMs);
  const end = (): void => {
    clearTimeout(timer);
    leave();
  };
  return {
    ...answer,
    body: untilEnd(answer.body, end),
    text: (limitBytes) => answer.text(limitBytes).finally(end),
    discard: () => answer.discard().finally(end),
  };
}

export function createBudget(limits: BudgetLimits, now: () => number): Budget {
  const { atOnce, ofTenant, requests, sliceMs } = limits;
  const places = createFairPlaces(atOnce, ofTenant);
  let beganAtMs = now();
  let sent = 0;
  let endedAtMs = now();
  const placed =
    (send: Send, onEnd: () => void): Send =>
    async (request) => {
      const giveBack = await places.enter(shareOf(request));
      const leave = (): void => {
        onEnd();
        giveBack();
      };
      sent += 1;
      try {
        const answer = await send(request);
        // A refused token is tried again before this answer is read (entra/issued-tokens.ts), which needs a place too.
        if (answer.ok && answer.status !== 401)
          return heldUntilRead(answer, request.timeoutMs * wholeAnswerFactor, leave);
        leave();
        return answer;
      } catch (error) {
        leave();
        throw error;
      }
    };
  return {
    begin: () => {
      beganAtMs = now();
      sent = 0;
    },
    isOver: () => sent >= requests || now() - beganAtMs >= sliceMs,
    sinceEndMs: () => now() - endedAtMs,
    counted: (send) =>
      placed(send, () => {
        endedAtMs = now();
      }),
    aside: (send) => placed(send, () => undefined),
  };
}
