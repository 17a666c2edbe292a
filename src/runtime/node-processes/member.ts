/**
 * The side of one process: takes the supervisor's orders, and answers its questions. Signals are the supervisor's matter: a
 * terminal and systemd send them to every process of a group, which must not end before the supervisor says so. Without the
 * supervisor the process ends, by node:cluster's own rule.
 */

import { Buffer } from 'node:buffer';
import type { Readiness } from '../../gateway/ops.ts';
import type { TakingsOf } from '../../gateway/rate.ts';
import type { Counters } from '../../telemetry/counters.ts';
import { type ChangingTicketSecret, createTicketSecret } from '../node-ticket-keys.ts';
import type { Order, Question, ReadyFacts, Report } from './messages.ts';
import { createTakings, type ToldTakings } from './takings.ts';

/** What a gateway has to know of being one of several. */
export interface Member {
  readonly number: number;
  readonly processes: number;
  /** Others serve already: it takes no connection before it can answer. */
  readonly besides: boolean;
  readonly holder: string;
  readonly ticketSecret: ChangingTicketSecret;
  /** Limits that the processes have together. */
  readonly takingsOf: TakingsOf;
  /** Calls back once, when this process is to deliver. */
  onTurn(begin: () => void): void;
  /** It delivers no more and holds no lease. */
  rested(): void;
  /** From now on the supervisor's questions are answered by these. */
  observe(parts: { readonly readiness: () => Promise<Readiness>; readonly counters: Counters }): void;
}

export interface MemberChannel extends Member {
  ready(facts: ReadyFacts): void;
  /** Resolves when the supervisor has the lines. */
  fault(lines: readonly string[]): Promise<void>;
  /** Resolves when the supervisor has the last counts. */
  farewell(): Promise<void>;
  onStop(stop: (delayMs: number, closed: boolean) => void): void;
}

function report(message: Report): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve();
    // A supervisor that is gone ends this process by itself.
    else process.send(message, () => resolve());
  });
}

type Observed = Parameters<Member['observe']>[0];

async function answer(question: Question, observed: Observed | undefined) {
  if (question.what === 'readiness')
    return observed?.readiness() ?? { ready: false as const, reason: 'starting' };
  if (observed === undefined) return [];
  if (question.gauges === undefined) return observed.counters.counted();
  return (await observed.counters.read(question.gauges)).families;
}

/** Resolves when the supervisor has said what this process has to know. */
export async function joinSupervisor(): Promise<MemberChannel> {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined);
  const begun = Promise.withResolvers<MemberChannel>();
  let observed: Observed | undefined;
  let isTurn = false;
  let begin: (() => void) | undefined;
  let stopAsked: { delayMs: number; closed: boolean } | undefined;
  let stop: ((delayMs: number, closed: boolean) => void) | undefined;
  // Orders may come before the first one has begun this process; its beginning holds the newest secret, and it has taken nothing yet.
  let ticketSecret: ChangingTicketSecret | undefined;
  let takings: ToldTakings | undefined;
  const obey = async (order: Order): Promise<void> => {
    switch (order.kind) {
      case 'begin': {
        ticketSecret = createTicketSecret(Buffer.from(order.ticketSecret, 'base64'));
        const { besides, holder, number, processes } = order;
        takings = createTakings(processes, (taken) => report({ kind: 'taken', taken }));
        const own = { besides, holder, number, processes, ticketSecret, takingsOf: takings.of };
        begun.resolve({ ...channel, ...own });
        return;
      }
      case 'tickets':
        ticketSecret?.set(Buffer.from(order.ticketSecret, 'base64'));
        return;
      case 'taken':
        takings?.heard(order.taken);
        return;
      case 'deliver':
        isTurn = true;
        begin?.();
        return;
      case 'stop':
        stopAsked = order;
        stop?.(order.delayMs, order.closed);
        return;
      case 'ask':
        await report({ kind: 'answer', id: order.id, value: await answer(order.question, observed) });
    }
  };
  type OfBeginning = 'besides' | 'holder' | 'number' | 'processes' | 'takingsOf' | 'ticketSecret';
  const channel: Omit<MemberChannel, OfBeginning> = {
    onTurn: (next) => {
      begin = next;
      if (isTurn) next();
    },
    rested: () => void report({ kind: 'rested' }),
    observe: (parts) => {
      observed = parts;
    },
    ready: (facts) => void report({ kind: 'ready', ...facts }),
    fault: (lines) => report({ kind: 'fault', lines }),
    farewell: () => report({ kind: 'counted', families: observed?.counters.counted() ?? [] }),
    onStop: (next) => {
      stop = next;
      if (stopAsked) next(stopAsked.delayMs, stopAsked.closed);
    },
  };
  // An order that cannot be obeyed is a bug, and ends the process as any other.
  process.on('message', (order: Order) => void obey(order));
  await report({ kind: 'hello' });
  return begun.promise;
}
