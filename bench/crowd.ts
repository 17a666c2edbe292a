import { setPriority } from 'node:os';
import type { Caller, CallerResult, CallersPlan } from './callers.ts';
import { type Run, unlessAborted } from './run.ts';
import { startWorker, type Worker } from './worker.ts';

/** Callers in a process of their own, so that one crowd does not delay another. */
export interface Crowd {
  readonly pid: number;
  /** Before they play: handshakes are in nobody's time then. */
  connect(callers: readonly Caller[]): Promise<void>;
  play(callers: readonly Caller[], seconds: number): Promise<readonly CallerResult[]>;
  /** They play until the function ends it. */
  begin(callers: readonly Caller[]): () => Promise<readonly CallerResult[]>;
}

export interface CrowdPlan {
  /** PEM. */
  readonly ca: string;
  /** Whatever else is on the processor goes before it. */
  readonly isBehind: boolean;
}

/** Header of a request to the sink: bytes of the answer that is wanted. */
export const answerBytesHeader = 'x-answer-bytes';

/** The last of Linux: such a process has what the others leave. */
export const lastPriority = 19;
const patienceMs = 120_000;
const longestMs = 600_000;

export function startCrowd({ signal, stack }: Run, { ca, isBehind }: CrowdPlan): Crowd {
  const worker: Worker<CallersPlan, readonly CallerResult[]> = startWorker('./callers.ts');
  stack.defer(() => worker.stop());
  if (isBehind) setPriority(worker.pid, lastPriority);
  const ask = (callers: readonly Caller[], durationMs: number): Promise<readonly CallerResult[]> =>
    unlessAborted(signal, worker.ask({ ca, durationMs, callers }, durationMs + patienceMs));
  return {
    pid: worker.pid,
    connect: async (callers) => {
      await ask(callers, 0);
    },
    play: (callers, seconds) => ask(callers, seconds * 1_000),
    begin: (callers) => {
      const told = ask(callers, longestMs);
      // A failure is told by the function that ends the noise, which may be called much later.
      told.catch(() => undefined);
      return () => {
        process.kill(worker.pid, 'SIGUSR2');
        return told;
      };
    },
  };
}
