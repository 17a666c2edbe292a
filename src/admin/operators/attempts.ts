import ipaddr from 'ipaddr.js';
import { LRUCache } from 'lru-cache';
import { createRateLimit } from '../../gateway/rate.ts';
import {
  failedCredentialsBurst,
  failedCredentialsPerSecond,
  knownCredentialMs,
  signInStartsBurst,
  signInStartsPerSecond,
} from '../../limits.ts';
import { ProblemError, problem } from '../../problems.ts';

/**
 * Bounds on strangers, by source address. Keys and tokens cannot be guessed: this is about the look-ups and rows that
 * each try costs.
 */
export interface Attempts {
  /**
   * Throws `rate-limited` when this address has shown too many wrong credentials; one that was right in the last minutes
   * goes on, for behind a load balancer all operators have one address.
   */
  checkCredential(source: string | undefined, credentialHash: string): void;
  noteRight(credentialHash: string): void;
  noteWrong(source: string | undefined): void;
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

export function createAttempts(now: () => number = Date.now): Attempts {
  const wrong = createRateLimit(failedCredentialsPerSecond, now, failedCredentialsBurst);
  const starts = createRateLimit(signInStartsPerSecond, now, signInStartsBurst);
  const right = new LRUCache<string, true>({ max: 10_000, ttl: knownCredentialMs });
  return {
    checkCredential: (source, credentialHash) => {
      const waitSeconds = wrong.look(sourceKey(source));
      if (waitSeconds === undefined || right.has(credentialHash)) return;
      throw new ProblemError(
        problem('rate-limited', 'Too many wrong credentials came from this address.', {
          retryAfterSeconds: waitSeconds,
        }),
      );
    },
    noteRight: (credentialHash) => void right.set(credentialHash, true),
    noteWrong: (source) => void wrong.take(sourceKey(source)),
    startSignIn: (source) => starts.take(sourceKey(source)),
  };
}
