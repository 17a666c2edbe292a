/** The problem of an answer (contract section 6) as lines for a person, with the exit code that it calls for. */

import { isRecord } from '../../untrusted/bounded-json.ts';
import { CommandFailure, exitCodes } from '../failure.ts';

/** The part of the request that bears on the answer. */
export interface Attempt {
  /** The connection broke after the first sending, and it was sent again. */
  readonly repeated: boolean;
  readonly retryAfter: string | undefined;
}

const owners: Readonly<Record<string, string>> = {
  caller: 'you: the request has to be another one',
  routing: "whoever keeps Espalier's tenants, instances and devices",
  configuration: "whoever keeps Espalier's settings and credentials",
  instance: 'whoever runs the Jamf Pro server',
  microsoft: 'Microsoft, or whoever administers the Entra tenant',
  espalier: 'whoever runs this gateway',
};

const exitCodeOf = (status: number): number => {
  if (status === 401) return exitCodes.authentication;
  if (status === 403) return exitCodes.permission;
  if (status === 404) return exitCodes.notFound;
  if (status === 429) return exitCodes.rateLimited;
  return exitCodes.error;
};

/** The remedy, where the answer itself rarely names one. */
function adviceOf(
  status: number,
  slug: string | undefined,
  { repeated, retryAfter }: Attempt,
): string | undefined {
  if (repeated && status === 404)
    return 'the connection broke and the request was sent twice: the first time may have removed it';
  if (repeated && status === 409)
    return 'the connection broke and the request was sent twice: the first time may have done it, so look before you repeat it';
  if (status === 401)
    return 'the key that was sent opens nothing here: "espalier profiles test" says which one that is and tries it; an admin makes a new one with "espalier keys create"';
  if (status === 403 && slug === 'forbidden')
    return '"espalier whoami" shows the role and the tenants of the key in use; take a key that may do it, or ask an admin for one ("espalier keys create")';
  if (status === 409)
    return 'something there stands against it, or another write came first; look at it, then repeat';
  if (status === 412) return 'it was changed since it was read; read it again, then repeat';
  if (status === 429 || status === 503)
    return retryAfter === undefined ? 'try again in a moment' : `try again in ${retryAfter} s`;
  return undefined;
}

const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;

const slugOf = (type: unknown): string | undefined => textOf(type)?.split('/').at(-1);

/** A line is shown only where it says more than `detail` does. */
function fieldLines(errors: unknown, detail: string): string[] {
  if (!Array.isArray(errors)) return [];
  return errors.filter(isRecord).flatMap(({ code, description, field }) => {
    const text = textOf(description) ?? textOf(code) ?? 'not valid';
    const name = textOf(field);
    if (name === undefined) return text === detail ? [] : [`  ${text}`];
    return [`  ${name}: ${text}`];
  });
}

/** No other key helps who asked for the change, and the detail says what does. */
const isOwnRequest = (errors: unknown): boolean =>
  Array.isArray(errors) && errors.some((error) => isRecord(error) && error.code === 'OWN_REQUEST');

export function refusalOf(status: number, body: unknown, attempt: Attempt): CommandFailure {
  const problem = isRecord(body) ? body : {};
  const detail = textOf(problem.detail);
  if (detail === undefined) {
    const message = `HTTP ${status}: no Espalier answer. Does the URL lead to the admin listener, without a proxy that answers itself?`;
    return new CommandFailure(exitCodeOf(status), message);
  }
  const slug = slugOf(problem.type);
  const owner = textOf(problem.owner);
  const requestId = textOf(problem.instance);
  const advice = isOwnRequest(problem.errors) ? undefined : adviceOf(status, slug, attempt);
  const lines = [
    `HTTP ${status}: ${detail}${slug === undefined ? '' : ` (${slug})`}`,
    ...fieldLines(problem.errors, detail),
    ...(advice === undefined ? [] : [`  what helps: ${advice}`]),
    ...(owner === undefined ? [] : [`  who must act: ${owners[owner] ?? owner}`]),
    ...(requestId === undefined ? [] : [`  request id: ${requestId}`]),
  ];
  return new CommandFailure(exitCodeOf(status), lines.join('\n'));
}
