import type { UpstreamFailure, UpstreamHead } from '../outbound/upstream.ts';
import { type Problem, problem } from '../problems.ts';
import { towardsCaller } from './headers.ts';

/**
 * The headers that cross (headers.ts) as lines of HTTP/1.1, for ways that write to sockets themselves, and what an
 * instance's answer is to a caller. Names are in lower case, in the order in which the `Headers` of the ordinary way
 * come out.
 */

export interface CrossingHeaders {
  readonly accept: string | undefined;
  readonly acceptLanguage: string | undefined;
  readonly traceparent: string | undefined;
  readonly tracestate: string | undefined;
}

/** Values are checked already: printable, without a line break. */
export function instanceHeaderLines(from: CrossingHeaders, requestId: string, instanceToken: string): string {
  let lines = `accept: ${from.accept ?? 'application/json'}\r\n`;
  if (from.acceptLanguage !== undefined) lines += `accept-language: ${from.acceptLanguage}\r\n`;
  if (from.traceparent !== undefined) lines += `traceparent: ${from.traceparent}\r\n`;
  if (from.tracestate !== undefined) lines += `tracestate: ${from.tracestate}\r\n`;
  return `${lines}x-request-id: ${requestId}\r\nuser-agent: Espalier\r\nauthorization: Bearer ${instanceToken}\r\n`;
}

export function callerHeaderLines(head: UpstreamHead, requestId: string): string {
  let lines = 'cache-control: no-store\r\n';
  for (const name of towardsCaller) {
    const value = head.header(name);
    if (value !== undefined) lines += `${name}: ${value}\r\n`;
  }
  return `${lines}x-content-type-options: nosniff\r\nx-request-id: ${requestId}\r\n`;
}

const json = /^application\/([\w.+-]+\+)?json\b/i;

/** Jamf speaks JSON; anything else comes from something in front of it, whatever its status (contract section 11). */
export function problemOfHead(head: UpstreamHead): Problem | undefined {
  const { contentLength, status } = head;
  if (status === 204 || (status < 300 && contentLength === 0)) return undefined;
  return json.test(head.header('content-type') ?? '')
    ? undefined
    : problem('instance-error', `The instance answered ${status} without JSON.`);
}

export function problemOfUpstream(failure: UpstreamFailure): Problem {
  const { retryAfterSeconds } = failure;
  switch (failure.kind) {
    case 'refused-address':
      return problem('address-refused', 'The address of the instance is not allowed.');
    case 'first-byte-timeout':
    case 'idle-timeout':
      return problem('instance-timeout', 'The instance did not answer in time.');
    case 'connect':
    case 'connect-timeout':
    case 'reset':
    case 'aborted':
      return problem('instance-unreachable', 'The connection to the instance failed.');
    case 'invalid-answer':
      return problem('instance-error', 'The instance gave no valid answer.');
    case 'circuit-open':
    case 'overloaded':
      return problem('overloaded', 'Too many calls of this instance fail or wait.', {
        owner: 'instance',
        ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
      });
  }
}
