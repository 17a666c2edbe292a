import ipaddr from 'ipaddr.js';
import {
  failedCredentialsBurst,
  failedCredentialsInAllPerSecond,
  failedCredentialsPerSecond,
  signInStartsBurst,
  signInStartsPerSecond,
  suspectLooksPerSecond,
} from '../limits.ts';
import { type Problem, problem } from '../problems.ts';
import { createRateLimits, type RateLimits } from './rate.ts';

/**
 * Bounds on strangers, by source address. A credential is always looked at first, and only wrong ones count: behind a
 * balancer or a hosting provider many customers have one address, and what one of them sends must not keep the others
 * out. Keys and tokens cannot be guessed, and what each try costs is bounded by `store/credentials.ts`.
 */
export interface Attempts {
  /** Counts a wrong credential; the answer in place of 401 when this address has shown too many. */
  wrong(source: string | undefined): Problem | undefined;
  /**
   * For credentials that are costly to look at, as a signature is. A problem: this address has shown too many wrong ones, or
   * some while strangers of all addresses show too many, and what is looked at for all such addresses together is used up
   * for the moment. So a right one from there is let in with some patience, and from elsewhere at once.
   */
  lookAt(source: string | undefined): Problem | undefined;
  /** Seconds to wait before the next sign-in may be begun from there; undefined: go on. */
  startSignIn(source: string | undefined): number | undefined;
}

/** One address of IPv4; of IPv6 the network of 64 bits, which is the least that one subscriber has. */
export function sourceKey(source: string | undefined): string {
  const bare = source?.replace(/%.*$/, '') ?? '';
  if (!ipaddr.isValid(bare)) return 'unknown';
  const address = ipaddr.process(bare);
  return address.kind() === 'ipv4' ? address.toString() : address.toByteArray().slice(0, 8).join('.');
}

const everybody = 'all';

/** `listener` keeps what is counted at one apart from what is counted at another. */
export function createAttempts(
  listener: 'admin' | 'data',
  limits: RateLimits = createRateLimits(),
): Attempts {
  const wrong = limits(`${listener}/wrong`, failedCredentialsPerSecond, failedCredentialsBurst);
  const starts = limits(`${listener}/sign-ins`, signInStartsPerSecond, signInStartsBurst);
  const wrongInAll = limits(`${listener}/wrong-in-all`, failedCredentialsInAllPerSecond);
  const looks = limits(`${listener}/looks`, suspectLooksPerSecond);
  const refusal = (retryAfterSeconds: number | undefined): Problem | undefined =>
    retryAfterSeconds === undefined
      ? undefined
      : problem('rate-limited', 'Too many wrong credentials came from this address.', { retryAfterSeconds });
  return {
    wrong: (source) => {
      wrongInAll.take(everybody);
      return refusal(wrong.take(sourceKey(source)));
    },
    lookAt: (source) => {
      const key = sourceKey(source);
      const isSuspect =
        wrong.peek(key) !== undefined || (wrongInAll.peek(everybody) !== undefined && wrong.isUsed(key));
      return isSuspect ? refusal(looks.take(everybody)) : undefined;
    },
    startSignIn: (source) => starts.take(sourceKey(source)),
  };
}
