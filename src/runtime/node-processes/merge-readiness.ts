/** `/health/ready` of several processes. Pure. */

import type { Readiness } from '../../gateway/ops.ts';

/** In `degraded`: fewer processes serve than should. */
export const missingProcesses = 'processes';

/**
 * Ready when each process is that is there. One that is being started anew leaves the others' calls where they are: a
 * balancer that sent them elsewhere would make a loss of one process the loss of a machine. Undefined: it is not there.
 */
export function mergeReadiness(processes: readonly (Readiness | undefined)[]): Readiness {
  const there = processes.filter((one) => one !== undefined);
  const isMissing = (one: Readiness): boolean => !one.ready && one.reason === 'starting';
  const serving = there.filter((one) => !isMissing(one));
  if (serving.length === 0) return { ready: false, reason: 'starting' };
  const refusing = serving.find((one) => !one.ready);
  if (refusing) return refusing;
  const degraded = new Set(serving.flatMap((one) => (one.ready ? (one.degraded ?? []) : [])));
  const ages = serving.flatMap((one) => (one.ready && one.age !== undefined ? [one.age] : []));
  if (serving.length < processes.length) degraded.add(missingProcesses);
  return {
    ready: true,
    ...(degraded.size > 0 ? { degraded: [...degraded] } : {}),
    ...(ages.length > 0 ? { age: Math.max(...ages) } : {}),
  };
}
