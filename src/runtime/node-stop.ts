/**
 * The end of a process (docs/architecture.md, "Start and end"). First it is only not ready any more, and goes on serving
 * until whoever sends it calls has noticed; then it takes no new work, finishes what is under way, and closes.
 */

import { drainMs, lingerMs } from '../limits.ts';
import type { Delivery } from './delivery.ts';
import type { Listener } from './node-http.ts';
import type { ReadinessState } from './node-readiness.ts';

export interface StopParts {
  readonly readiness: ReadinessState;
  /** Listeners for callers; none where the process only delivers. */
  readonly serving: readonly Listener[];
  /** Probes and scrapers are answered to the last; undefined where a supervisor answers them. */
  readonly ops: Listener | undefined;
  readonly delivery: Pick<Delivery, 'stop'>;
  /** The delay begins. */
  readonly onDraining: () => void;
  /** No new work from now on: what has no end of its own has to end. */
  readonly onEnding: () => void;
  readonly dispose: () => Promise<void>;
}

/**
 * Resolves when the process can exit. A second call ends the delay of the first. `closed`: it takes no new connections during
 * the delay, for another process of the machine does.
 */
export type Stop = (delayMs: number, closed?: boolean) => Promise<void>;

export function createStop(parts: StopParts): Stop {
  const { delivery, dispose, onDraining, onEnding, ops, readiness, serving } = parts;
  const hurry = Promise.withResolvers<void>();
  const drain = async (delayMs: number, closed: boolean): Promise<void> => {
    readiness.notReady('draining');
    onDraining();
    for (const listener of serving) {
      if (closed) listener.closeToNew();
      listener.closeAfterAnswers();
    }
    const timer = setTimeout(hurry.resolve, delayMs);
    await hurry.promise;
    clearTimeout(timer);
  };
  const end = async (delayMs: number, closed: boolean): Promise<void> => {
    if (delayMs > 0) await drain(delayMs, closed);
    readiness.notReady('stopping');
    onEnding();
    // Rows in work that do not end in time are taken up again by another process.
    const patience = new Promise<void>((resolve) => setTimeout(resolve, drainMs).unref());
    const done = [...serving.map((listener) => listener.drain(drainMs)), delivery.stop()];
    await Promise.race([Promise.all(done), patience]);
    await ops?.drain(lingerMs);
    await dispose();
  };
  let ended: Promise<void> | undefined;
  return (delayMs, closed = false) => {
    if (ended === undefined) ended = end(delayMs, closed);
    else hurry.resolve();
    return ended;
  };
}
