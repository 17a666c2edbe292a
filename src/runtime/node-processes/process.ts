/** The supervisor's hold on one process: its state, questions to it, orders, and how it ended. */

import type { Worker } from 'node:cluster';
import cluster from 'node:cluster';
import { within } from '../../deadline.ts';
import { processAnswerMs, processLastWordsMs, takingsUnread } from '../../limits.ts';
import type { MetricFamily } from '../../telemetry/counters.ts';
import type { AnswerOf, Beginning, Order, Question, ReadyFacts, Report, Taken } from './messages.ts';

export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: string | null;
  /** What it said of a start in vain. */
  readonly faults: readonly string[];
  readonly wasReady: boolean;
}

export interface SupervisedProcess {
  readonly number: number;
  readonly pid: number;
  /** Resolves when it is ready; undefined: it ended before. */
  readonly ready: Promise<ReadyFacts | undefined>;
  readonly ended: Promise<ProcessEnd>;
  /** Resolves when it delivers no more and holds no lease, or has ended. */
  readonly rested: Promise<void>;
  isReady(): boolean;
  /** True from the moment at which it exited, before all that it said was heard. */
  hasExited(): boolean;
  /** Rejects where it does not answer in time. */
  ask<Q extends Question>(question: Q): Promise<AnswerOf[Q['what']]>;
  /** What it counted, as it last said. */
  counted(): readonly MetricFamily[];
  order(order: Order): void;
  /** Tells it what another process took; not while it leaves many such messages unread. */
  tellTaken(taken: Taken): void;
  kill(): void;
}

const countsOnly = (families: readonly MetricFamily[]): readonly MetricFamily[] =>
  families.filter(({ kind }) => kind !== 'gauge');

type Waiting = Map<number, PromiseWithResolvers<AnswerOf[keyof AnswerOf]>>;

const hasEnded = (number: number): Error => new Error(`process ${number} has ended`);

function questionsTo(worker: Worker, number: number, waiting: Waiting) {
  let asked = 0;
  return async <Q extends Question>(question: Q): Promise<AnswerOf[Q['what']]> => {
    const id = ++asked;
    const answer = Promise.withResolvers<AnswerOf[keyof AnswerOf]>();
    waiting.set(id, answer);
    if (worker.isConnected()) worker.send({ kind: 'ask', id, question } satisfies Order);
    else answer.reject(hasEnded(number));
    try {
      return (await within(answer.promise, processAnswerMs, () => {
        throw new Error(`process ${number} does not answer`);
      })) as AnswerOf[Q['what']];
    } finally {
      waiting.delete(id);
    }
  };
}

function takingsTo(worker: Worker): SupervisedProcess['tellTaken'] {
  let unread = 0;
  return (taken) => {
    if (unread >= takingsUnread || !worker.isConnected()) return;
    unread += 1;
    worker.send({ kind: 'taken', taken } satisfies Order, () => {
      unread -= 1;
    });
  };
}

/**
 * Starts one, with these variables over the supervisor's own; undefined: without it. `beginning` is asked when the process is
 * there to hear it.
 */
export function startSupervised(
  number: number,
  beginning: () => Beginning,
  variables: Readonly<Record<string, string | undefined>>,
  /** Hears what it took of limits. */
  onTaken: (taken: Taken) => void,
): SupervisedProcess {
  const worker = cluster.fork(variables);
  const waiting: Waiting = new Map();
  const ready = Promise.withResolvers<ReadyFacts | undefined>();
  const rested = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<ProcessEnd>();
  let isReady = false;
  let wasReady = false;
  let faults: readonly string[] = [];
  let counted: readonly MetricFamily[] = [];
  const send = (order: Order): void => {
    // One that just ends takes no orders any more, which its end tells.
    if (worker.isConnected()) worker.send(order, () => undefined);
  };
  /** What only a scrape observes, as processor time, stays as it was last said. */
  const keep = (families: readonly MetricFamily[]): void => {
    const names = new Set(families.map(({ name }) => name));
    counted = [...families, ...counted.filter(({ name }) => !names.has(name))];
  };
  const hear = (report: Report): void => {
    switch (report.kind) {
      case 'hello':
        send(beginning());
        return;
      case 'ready':
        isReady = true;
        wasReady = true;
        ready.resolve(report);
        return;
      case 'fault':
        faults = report.lines;
        return;
      case 'rested':
        rested.resolve();
        return;
      case 'taken':
        onTaken(report.taken);
        return;
      case 'counted':
        keep(report.families);
        return;
      case 'answer':
        waiting.get(report.id)?.resolve(report.value);
    }
  };
  worker.on('message', hear);
  let end: Pick<ProcessEnd, 'code' | 'signal'> | undefined;
  let isSilent = false;
  // Its last words may still be in the channel when it has exited.
  const finish = (): void => {
    if (end === undefined || !isSilent) return;
    ended.resolve({ ...end, faults, wasReady });
  };
  worker.once('exit', (code: number | null, signal: string | null) => {
    end = { code, signal };
    isReady = false;
    ready.resolve(undefined);
    rested.resolve();
    for (const { reject } of waiting.values()) reject(hasEnded(number));
    finish();
    // A channel in which a connection was on its way to a process that was killed never says that it is closed.
    setTimeout(() => {
      isSilent = true;
      finish();
    }, processLastWordsMs).unref();
  });
  worker.once('disconnect', () => {
    isSilent = true;
    finish();
  });
  // Without this listener the event would end the supervisor.
  worker.on('error', (error: Error) => {
    if (worker.process.pid !== undefined) return;
    faults = [`espalier: a process cannot be started: ${error.message}`];
    worker.emit('exit', null, null);
    worker.emit('disconnect');
  });
  const ask = questionsTo(worker, number, waiting);
  return {
    number,
    pid: worker.process.pid ?? 0,
    ready: ready.promise,
    ended: ended.promise,
    rested: rested.promise,
    isReady: () => isReady,
    hasExited: () => end !== undefined,
    ask: async (question) => {
      const answer = await ask(question);
      if (question.what === 'metrics') keep(countsOnly(answer as AnswerOf['metrics']));
      return answer;
    },
    counted: () => counted,
    order: send,
    tellTaken: takingsTo(worker),
    kill: () => worker.process.kill('SIGKILL'),
  };
}
