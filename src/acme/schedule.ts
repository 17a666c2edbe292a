/** When a certificate is renewed, and when a failed try is repeated. Pure: the clock and chance are arguments. */

/** A certificate is renewed after this share of its life, with a third of it left to find out why that fails. */
const renewalShare = 2 / 3;
/** Names that were issued together are renewed up to this share of their lives earlier, each at a time of its own. */
const jitterShare = 1 / 20;

/** Seconds until a certificate of this life is renewed. */
export function renewInSeconds(
  life: { readonly notBefore: Date; readonly notAfter: Date },
  nowMs: number,
  random: () => number = Math.random,
): number {
  const beginsMs = life.notBefore.getTime();
  const lifeMs = life.notAfter.getTime() - beginsMs;
  const dueMs = beginsMs + lifeMs * (renewalShare - random() * jitterShare);
  return Math.max(1, (dueMs - nowMs) / 1_000);
}

export interface FailureBackoff {
  readonly baseSeconds: number;
  readonly maxSeconds: number;
}

/**
 * Seconds until the next try after the `attempts`-th failed one (1 is the first): tripling, a tenth earlier at random, and
 * never before the time that the authority asked for. From a base of a minute on there are five tries in the first hour, as
 * many failed validations of a name as Let's Encrypt admits.
 */
export function retryInSeconds(
  attempts: number,
  askedSeconds: number | undefined,
  { baseSeconds, maxSeconds }: FailureBackoff,
  random: () => number = Math.random,
): number {
  const ceiling = Math.min(maxSeconds, baseSeconds * 3 ** Math.min(attempts - 1, 12));
  return Math.max(ceiling * (1 - random() / 10), askedSeconds ?? 0);
}
