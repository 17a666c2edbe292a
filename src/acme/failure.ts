import { oneLine } from '../telemetry/one-line.ts';

/**
 * Why a certificate was not issued, in the authority's own words where it gives any. A stranger wrote them, so they are cut to
 * one line of bounded length.
 */

export interface CaFailure {
  /**
   * `unreachable`: no answer; whether the authority acted is unknown. `refused`: it answered with a problem. `unusable`: its
   * answer is none that RFC 8555 knows. `sealed`: a key of ours does not open.
   */
  readonly kind: 'unreachable' | 'refused' | 'unusable' | 'sealed';
  readonly detail: string;
  /** The last part of `urn:ietf:params:acme:error:…` (RFC 8555 section 6.7). */
  readonly type?: string;
  readonly status?: number;
  /** Seconds for which it asked to be left alone. */
  readonly retryAfterSeconds?: number;
}

export class CaError extends Error {
  override readonly name = 'CaError';
  readonly failure: CaFailure;
  constructor(failure: CaFailure) {
    super(failure.detail);
    this.failure = failure;
  }
}

const detailCharacters = 400;
const shownSubproblems = 3;
const typePattern = /^urn:ietf:params:acme:error:([A-Za-z]{1,40})$/;

interface Problem {
  readonly type?: unknown;
  readonly detail?: unknown;
  readonly subproblems?: unknown;
}

const isObject = (value: unknown): value is Problem => typeof value === 'object' && value !== null;

/** Type and words of a problem document (RFC 7807), whatever it holds. */
export function readProblem(problem: unknown): Pick<CaFailure, 'detail' | 'type'> {
  if (!isObject(problem)) return { detail: 'it gave no reason' };
  const type = typeof problem.type === 'string' ? typePattern.exec(problem.type)?.[1] : undefined;
  const parts = Array.isArray(problem.subproblems) ? problem.subproblems.slice(0, shownSubproblems) : [];
  const texts = [problem, ...parts].flatMap((one: unknown) =>
    isObject(one) && typeof one.detail === 'string' ? [one.detail] : [],
  );
  const detail = oneLine(texts.join(' / '), detailCharacters).trim();
  return { detail: detail === '' ? 'it gave no reason' : detail, ...(type === undefined ? {} : { type }) };
}

/** A line for an operator. */
export function describeFailure({ detail, kind, status, type }: CaFailure): string {
  if (kind === 'sealed') return `ESPALIER_SECRETS_KEY does not open a kept key: ${detail}`;
  if (kind === 'unreachable') return `The authority cannot be reached: ${detail}`;
  const facts = [status, type].filter((fact) => fact !== undefined).join(' ');
  const said = kind === 'refused' ? 'The authority refuses' : 'The answer of the authority is of no use';
  return oneLine(`${said}${facts === '' ? '' : ` (${facts})`}: ${detail}`, detailCharacters + 100);
}

/** A line for an operator who reads the failure above: what ends it. */
export function remedyOf(failure: string): string {
  if (failure.startsWith('ESPALIER_SECRETS_KEY'))
    return 'Put the key that sealed it back into ESPALIER_SECRETS_KEY.';
  const type = /^The authority refuses \((?:\d{3} ?)?([A-Za-z]*)\)/.exec(failure)?.[1] ?? '';
  return remedies[type] ?? (failure.startsWith('The authority cannot') ? unreachable : other);
}

const unreachable =
  'Look whether this machine reaches ESPALIER_ACME_DIRECTORY; a private address has to be in ESPALIER_UPSTREAM_ALLOW, an own CA in NODE_EXTRA_CA_CERTS.';
const other = 'Read what the authority says, and docs/tls.md.';
const reachable =
  'The authority must reach the name from the internet: look whether its DNS records lead here, and port 80 (http-01) or 443 (tls-alpn-01) is open.';

const remedies: Readonly<Record<string, string>> = {
  connection: reachable,
  dns: reachable,
  tls: reachable,
  unauthorized: reachable,
  incorrectResponse: reachable,
  caa: 'Let the CAA records of the name permit this authority.',
  rejectedIdentifier:
    'The authority issues no certificate for this name: take it out of ESPALIER_ACME_NAMES.',
  unsupportedIdentifier:
    'The authority issues no certificate for this name: take it out of ESPALIER_ACME_NAMES.',
  rateLimited: 'Nothing: it is tried again when the authority permits it.',
  externalAccountRequired: 'Choose an authority that registers accounts without an external account.',
  userActionRequired: 'Follow what the authority says.',
};
