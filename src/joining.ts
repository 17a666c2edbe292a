/**
 * Work that all who ask for the same thing at the same time share. A process shares it, and so does one Durable Object.
 * Requests of a Worker must not: workerd cancels a request that waits for what another one began, and what it held never
 * comes back. Whatever lets callers wait for each other is made here or by `Sharing`, and `.ci/shared-waits.ts` looks.
 */

import { ChurningMap } from './churn.ts';

/** `process`: whoever asks may wait for what another one began. `request`: each caller does its own work (Workers). */
export type Sharing = 'process' | 'request';

/** Work that its caller does not wait for. The runtime sees to it that it may end. */
export type After = (work: Promise<unknown>) => void;

/** The work goes on by itself, as it does in a process. It must not reject. */
export const afterInProcess: After = (work) => {
  void work;
};

export interface Joining<T> {
  /** Runs `work`, or waits for that of the same key which is under way. */
  once(key: string, work: () => Promise<T>): Promise<T>;
}

export function createJoining<T>(sharing: Sharing): Joining<T> {
  if (sharing === 'request') return { once: (_key, work) => work() };
  const underWay = new ChurningMap<string, Promise<T>>();
  return {
    once: (key, work) => {
      const known = underWay.get(key);
      if (known !== undefined) return known;
      const begun = work().finally(() => underWay.delete(key));
      underWay.set(key, begun);
      return begun;
    },
  };
}
