import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Traffic, TrafficOptions, TrafficRecord } from './traffic.ts';

/** The calls from a thread of their own: the simulated instances that answer them keep the first one busy. */
export async function startTrafficThread(options: TrafficOptions): Promise<Traffic> {
  const worker = new Worker(new URL('./traffic-worker.ts', import.meta.url), { workerData: options });
  const failed = once(worker, 'error').then(([error]) => Promise.reject(error));
  // Between start and stop nobody waits for this one.
  failed.catch(() => undefined);
  await Promise.race([once(worker, 'message'), failed]);
  return {
    stop: async () => {
      worker.postMessage('stop');
      const [record] = await Promise.race([once(worker, 'message'), failed]);
      await worker.terminate();
      return record as TrafficRecord;
    },
  };
}
