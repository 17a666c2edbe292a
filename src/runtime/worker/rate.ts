import { within } from '../../deadline.ts';
import type { SharedRate } from '../../gateway/rate.ts';
import type { Log } from '../../telemetry/log.ts';

/**
 * A rate limit of the platform, which all isolates of a location share. It counts approximately, and it is no reason to refuse
 * anything when it fails: the isolate's own bucket stands before it.
 */

/** What a `[[ratelimits]]` binding is. Its numbers are known to the platform alone; `.ci/worker-bindings.ts` holds them to the settings. */
export interface RateLimitBinding {
  limit(of: { readonly key: string }): Promise<{ readonly success: boolean }>;
}

/** The platform's period, after which all of a limit is free again. */
const periodSeconds = 10;
/** It is counted on the machine that the isolate is on: an answer takes no time. */
const answersWithinMs = 250;
/** For so long one that failed is not asked: each call would wait for it, and log it. */
const restMs = 10_000;

export function createPlatformRate(options: {
  readonly name: string;
  readonly binding: RateLimitBinding;
  readonly log: Log;
  readonly now: () => number;
}): SharedRate {
  const { binding, log, name, now } = options;
  let restsUntilMs = Number.NEGATIVE_INFINITY;
  const tooLate = (): never => {
    throw new Error(`no answer within ${answersWithinMs} ms`);
  };
  return {
    take: async (key) => {
      if (now() < restsUntilMs) return undefined;
      try {
        const { success } = await within(binding.limit({ key }), answersWithinMs, tooLate);
        return success ? undefined : periodSeconds;
      } catch (error) {
        restsUntilMs = now() + restMs;
        log.warn('rate.not-shared', { binding: name, error });
        return undefined;
      }
    },
  };
}
