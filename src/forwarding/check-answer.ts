/**
 * Decides whether an answer comes from Jamf Pro: it speaks JSON, and the Classic API XML. Anything else comes from
 * something in front of it, whatever its status (contract section 11).
 */

import type { UpstreamHead } from '../outbound/upstream.ts';
import { type Problem, problem } from '../problems.ts';

const json = /^application\/(?:[\w.+-]+\+)?json\b/i;
/** `application/xhtml+xml` is left out: that is a page. */
const xml = /^(?:application|text)\/xml\b/i;

/** An empty success says all it has to; an empty error says nothing that a caller could use. */
const isEmptySuccess = ({ contentLength, status }: UpstreamHead): boolean =>
  status === 204 || (status < 300 && contentLength === 0);

export const isTokenRefused = ({ status }: UpstreamHead): boolean => status === 401;

function refusal({ status }: UpstreamHead): Problem | undefined {
  if (status !== 401 && status !== 403) return undefined;
  return problem('instance-error', "The instance refuses Espalier's API client: check its privileges.", {
    owner: 'configuration',
  });
}

const noAnswer = (head: UpstreamHead, expected: string): Problem =>
  problem('instance-error', `The instance answered ${head.status} without ${expected}.`);

/** Problem of the answer to a device call; undefined: it may be passed on. */
export function checkDeviceAnswer(head: UpstreamHead): Problem | undefined {
  const refused = refusal(head);
  if (refused) return refused;
  if (isEmptySuccess(head) || json.test(head.header('content-type') ?? '')) return undefined;
  return noAnswer(head, 'JSON');
}

/** The same for a passed-through call, which may also find that nothing has changed. */
export function checkPassThroughAnswer(head: UpstreamHead): Problem | undefined {
  const refused = refusal(head);
  if (refused) return refused;
  const type = head.header('content-type') ?? '';
  if (isEmptySuccess(head) || head.status === 304) return undefined;
  // A redirection names the instance or a sign-in page in front of it, and nobody follows it here.
  if (head.status >= 300 && head.status < 400) return noAnswer(head, 'an answer of its own');
  return json.test(type) || xml.test(type) ? undefined : noAnswer(head, 'JSON or XML');
}
