/** Measures the pressure on this process (gateway/pressure.ts): event loop, heap and the queue for the database. */

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import type { Intake } from '../delivery/intake.ts';
import type { Pressure, Signals } from '../gateway/pressure.ts';
import { pressureEveryMs } from '../limits.ts';
import type { Sql } from '../store/database.ts';
import { longestWaitMs } from '../store/guarded-client.ts';

/** The monitor's timer wakes the process so often; its own interval is no delay. */
const resolutionMs = 20;

const nanosecondsPerMs = 1e6;

/** What requests wait for: the client of the database, and the part of its connections that the intake may hold. */
export interface WaitedFor {
  readonly sql: Sql;
  readonly intake: Pick<Intake, 'longestWaitMs'>;
}

/** Watches until the answer is called. */
export function watchPressure(pressure: Pressure, { intake, sql }: WaitedFor): () => void {
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  delay.enable();
  let lastMs = performance.now();
  const observe = (): void => {
    const median = delay.count === 0 ? 0 : delay.percentile(50) / nanosecondsPerMs - resolutionMs;
    delay.reset();
    const { heap_size_limit: limit, used_heap_size: used } = getHeapStatistics();
    const observed: Signals = {
      loopDelayMs: Math.max(0, median),
      heapShare: used / limit,
      poolWaitMs: Math.max(longestWaitMs(sql), intake.longestWaitMs()),
    };
    const nowMs = performance.now();
    pressure.observe(observed, Math.max(1, Math.round((nowMs - lastMs) / pressureEveryMs)));
    lastMs = nowMs;
  };
  const timer = setInterval(observe, pressureEveryMs);
  timer.unref();
  return () => {
    clearInterval(timer);
    delay.disable();
  };
}
