/**
 * V8's young generation grows with what survives its collections, on 64-bit Node up to 128 MB, and a collection, for which
 * everything waits, takes as long as copying the survivors. A gateway under load always has much that survives: what is in
 * work. So it is kept small, which makes collections shorter and more frequent (docs/performance.md).
 *
 * `--max-semi-space-size` says the same for a whole process, but must be there when it starts. The factor of its growth is read
 * each time, and 1 means that it does not grow.
 */

import { PerformanceObserver } from 'node:perf_hooks';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

const sizeBytes = (): number =>
  getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')?.space_size ?? 0;

/** From where it does not grow any more; V8 doubles it, and a collection is over before this is heard of. */
export const youngGenerationBytes = 16 * 1024 * 1024;

/** Until the process ends. V8 makes the space smaller by itself when there is little to do, and then it may grow again. */
export function boundYoungGeneration(bytes = youngGenerationBytes): void {
  let grows = true;
  const look = (): void => {
    const mayGrow = sizeBytes() < bytes;
    if (mayGrow === grows) return;
    grows = mayGrow;
    setFlagsFromString(`--semi-space-growth-factor=${mayGrow ? 2 : 1}`);
  };
  new PerformanceObserver(look).observe({ entryTypes: ['gc'] });
}
