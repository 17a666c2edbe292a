/** Failures on the way to an instance as callers see them. */

import type { JamfFailure } from '../jamf/failure.ts';
import type { UpstreamFailure } from '../outbound/upstream.ts';
import { type Problem, problem } from '../problems.ts';

const addressRefused = (): Problem =>
  problem('address-refused', 'The address of the instance is not allowed.');
const timeout = (): Problem => problem('instance-timeout', 'The instance did not answer in time.');
const unreachable = (): Problem => problem('instance-unreachable', 'The connection to the instance failed.');

/** Seconds after which to try again where a failure does not say. */
const tryAgainSeconds = 5;

/** The problem of a forwarded call, as long as no part of the answer has been passed on. */
export function problemOfUpstream(failure: UpstreamFailure): Problem {
  switch (failure.kind) {
    case 'refused-address':
      return addressRefused();
    case 'connect':
    case 'reset':
      return unreachable();
    case 'connect-timeout':
    case 'first-byte-timeout':
    case 'idle-timeout':
      return timeout();
    case 'invalid-answer':
      return problem('instance-error', 'The instance gave no valid HTTP answer.');
    case 'aborted':
      return problem('invalid-request', 'The request did not arrive whole.', {
        errors: [{ code: 'BODY_INCOMPLETE', field: null, description: 'the body broke off or stopped' }],
      });
    case 'circuit-open':
      return problem('instance-paused', 'The instance failed too often just now and is left alone.', {
        retryAfterSeconds: failure.retryAfterSeconds ?? tryAgainSeconds,
      });
    case 'overloaded':
      return problem('overloaded', 'Too many calls wait for this instance.', {
        owner: 'instance',
        retryAfterSeconds: failure.retryAfterSeconds ?? tryAgainSeconds,
      });
  }
}

/** The problem of what a call needs before: the instance's token, and the version of its inventory. */
export function problemOfInstance(failure: JamfFailure): Problem {
  switch (failure.failure) {
    case 'refused-address':
      return addressRefused();
    case 'timeout':
      return timeout();
    case 'unreachable':
      return unreachable();
    case 'unauthenticated':
    case 'forbidden':
      return problem(
        'instance-error',
        "The instance refuses Espalier's API client; its operator has to renew it.",
        { owner: 'configuration' },
      );
    case 'no-secret':
      return problem(
        'instance-error',
        "The secret of Espalier's API client for this instance cannot be read; its operator has to mend it.",
        { owner: 'configuration' },
      );
    case 'not-found':
    case 'overloaded':
    case 'invalid-answer':
    case 'error':
      return problem('instance-error', `The instance gave no valid answer (${failure.failure}).`);
  }
}

/** The problem of an instance that is not to be called; undefined: it may be. */
export function problemOfPause(instance: {
  readonly name: string;
  readonly paused: boolean;
  readonly enabled: boolean;
}): Problem | undefined {
  if (!instance.paused && instance.enabled) return undefined;
  return problem('instance-paused', `Instance ${instance.name} is paused.`, { retryAfterSeconds: 60 });
}
