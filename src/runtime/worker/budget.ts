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
   * database has three. A tenant has not all of them. One that was not answered lately has one, and such tenants have not
   * all of them together, so that what hangs leaves a place to the others.
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
  /** Of those, for all tenants together that were not answered lately. */
  readonly ofUnanswered: number;
}

export const sliceLimits: BudgetLimits = {
  sliceMs: 20_000,
  requests: 4_000,
  atOnce: 3,
  ofTenant: 2,
  ofUnanswered: 2,
};

/** An answer that comes within this is a quick one. */
const quickMs = 5_000;
/** Whoever gave a quick answer is believed to give another one for so long. */
const believedMs = 10_000;

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

/** Remembers who has answered quickly of late. */
function createAnswerers(now: () => number) {
  /** By the time of the answer, the oldest first. */
  const answeredAtMs = new Map<string, number>();
  const isOld = (atMs: number): boolean => now() - atMs > believedMs;
  return {
    answered: (share: string, quickly: boolean): void => {
      answeredAtMs.delete(share);
      if (quickly) answeredAtMs.set(share, now());
      for (const [one, atMs] of answeredAtMs) {
        if (!isOld(atMs)) return;
        answeredAtMs.delete(one);
      }
    },
    isUnanswered: (share: string): boolean => isOld(answeredAtMs.get(share) ?? Number.NEGATIVE_INFINITY),
  };
}

export function createBudget(limits: BudgetLimits, now: () => number): Budget {
  const { atOnce, ofTenant, ofUnanswered, requests, sliceMs } = limits;
  const { answered, isUnanswered } = createAnswerers(now);
  const places = createFairPlaces({
    ...{ limit: atOnce, ofKey: ofTenant, ofDoubtful: ofUnanswered },
    isDoubtful: isUnanswered,
  });
  let beganAtMs = now();
  let sent = 0;
  let endedAtMs = now();
  const placed =
    (send: Send, onEnd: () => void): Send =>
    async (request) => {
      const share = shareOf(request);
      const giveBack = await places.enter(share);
      const sentAtMs = now();
      const leave = (): void => {
        onEnd();
        giveBack();
      };
      sent += 1;
      try {
        const answer = await send(request);
        answered(share, answer.ok && now() - sentAtMs <= quickMs);
        // A refused token is tried again before this answer is read (entra/issued-tokens.ts), which needs a place too.
        if (answer.ok && answer.status !== 401)
          return heldUntilRead(answer, request.timeoutMs * wholeAnswerFactor, leave);
        leave();
        return answer;
      } catch (error) {
        answered(share, false);
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
