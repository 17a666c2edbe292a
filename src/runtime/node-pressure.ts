/** Measures the pressure on this process (gateway/pressure.ts): event loop, heap and the queue for the database. */

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import type { Intake } from '../delivery/intake.ts';
import type { Pressure, Signals } from '../gateway/pressure.ts';
import { pressureEveryMs, pressureRememberedMs } from '../limits.ts';
import type { Sql } from '../store/database.ts';
import { longestWaitMs } from '../store/guarded-client.ts';
import type { ProcessRead } from '../telemetry/metrics.ts';

/** The monitor's timer wakes the process so often; its own interval is no delay. */
const resolutionMs = 20;

const nanosecondsPerMs = 1e6;
const microsecondsPerSecond = 1e6;

/** What requests wait for: the client of the database, and the part of its connections that the intake may hold. */
export interface WaitedFor {
  readonly sql: Sql;
  readonly intake: Pick<Intake, 'longestWaitMs'>;
}

export interface PressureWatch {
  /** The highest of each signal in the last minute, for those who look more rarely than it is measured. */
  highest(): Signals;
  stop(): void;
}

const looksRemembered = Math.ceil(pressureRememberedMs / pressureEveryMs);

export function watchPressure(pressure: Pressure, { intake, sql }: WaitedFor): PressureWatch {
  const looks: Signals[] = [];
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
    looks.push(observed);
    if (looks.length > looksRemembered) looks.shift();
    const nowMs = performance.now();
    pressure.observe(observed, Math.max(1, Math.round((nowMs - lastMs) / pressureEveryMs)));
    lastMs = nowMs;
  };
  const timer = setInterval(observe, pressureEveryMs);
  timer.unref();
  const highest = (signal: keyof Signals): number => Math.max(0, ...looks.map((look) => look[signal]));
  return {
    highest: () => ({
      loopDelayMs: highest('loopDelayMs'),
      heapShare: highest('heapShare'),
      poolWaitMs: highest('poolWaitMs'),
    }),
    stop: () => {
      clearInterval(timer);
      delay.disable();
    },
  };
}

/** What this process says of itself to whoever scrapes it. */
export function readProcess({ level }: Pressure, watch: PressureWatch): ProcessRead {
  const { heapShare, loopDelayMs, poolWaitMs } = watch.highest();
  const { system, user } = process.cpuUsage();
  return {
    pressure: level,
    eventLoopDelaySeconds: loopDelayMs / 1_000,
    heapShare,
    databaseWaitSeconds: poolWaitMs / 1_000,
    residentBytes: process.memoryUsage.rss(),
    processorSeconds: (system + user) / microsecondsPerSecond,
    startedAtSeconds: performance.timeOrigin / 1_000,
  };
}
