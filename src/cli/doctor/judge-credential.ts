/** Certificates and secrets of our applications, and of our listeners. */

import { remedyOf } from '../../acme/failure.ts';
import { dayMs } from '../../clock.ts';
import type { AcmeNameState } from '../../store/acme.ts';
import { soonDays } from './judge-network.ts';
import { about, type Line } from './line.ts';

export interface CertificateFacts {
  readonly file: string;
  readonly subject: string;
  readonly validToMs: number;
  /** True where the key's file can be read by others than its owner; undefined where the system cannot say. */
  readonly keyIsOpen: boolean | undefined;
  readonly keyFile: string;
}

export type CredentialFacts =
  | ({ readonly kind: 'certificate' } & CertificateFacts)
  | { readonly kind: 'secret'; readonly variable: string }
  | { readonly kind: 'unreadable'; readonly file: string; readonly code: string };

const dateOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

export function judgeCredential(subject: string, facts: CredentialFacts, nowMs: number): Line {
  const say = about('credential', subject);
  if (facts.kind === 'unreadable') {
    const found = `${facts.file} cannot be read (${facts.code})`;
    return say.fail(found, 'Give the user of the gateway the right to read it.', 'configuration');
  }
  if (facts.kind === 'secret') {
    return say.warn(
      `${facts.variable} is a secret: nobody but Entra knows when it ends`,
      'Use a certificate; until then note the date under App registrations, Certificates & secrets.',
      'configuration',
    );
  }
  const days = Math.floor((facts.validToMs - nowMs) / dayMs);
  const rotate = `Add a new certificate to the application in Entra, name it in the variable with _NEXT, and swap them.`;
  if (facts.validToMs <= nowMs)
    return say.fail(`${facts.file} ended on ${dateOf(facts.validToMs)}`, rotate, 'configuration');
  if (facts.keyIsOpen === true)
    return say.warn(
      `others may read ${facts.keyFile}`,
      `chmod 600 ${facts.keyFile}; a key that others could read is to be replaced.`,
      'configuration',
    );
  if (days < soonDays)
    return say.warn(
      `${facts.file} ends on ${dateOf(facts.validToMs)}, in ${days} days`,
      rotate,
      'configuration',
    );
  return say.ok(`${facts.file}, ${days} days left`);
}

/** `first`, `next`: the current pair and the one with `_NEXT`. */
export function judgeNext(
  subject: string,
  first: CredentialFacts,
  next: CredentialFacts | undefined,
  nowMs: number,
): Line {
  const say = about('credential.next', subject);
  const ends = first.kind === 'certificate' ? first.validToMs : undefined;
  if (next === undefined) {
    if (ends !== undefined && ends - nowMs < soonDays * dayMs) {
      return say.warn(
        'there is no second credential, and the first ends soon',
        'Set the variables with _NEXT before it does.',
        'configuration',
      );
    }
    return say.ok('none, and none is needed yet');
  }
  if (next.kind === 'certificate' && ends !== undefined && next.validToMs <= ends) {
    return say.warn(
      `the second ends on ${dateOf(next.validToMs)}, not after the first`,
      'Give _NEXT the newer certificate, or take it away.',
      'configuration',
    );
  }
  return say.ok(next.kind === 'certificate' ? `there, until ${dateOf(next.validToMs)}` : 'there');
}

export interface ListenerFacts
  extends Pick<CertificateFacts, 'file' | 'validToMs' | 'keyIsOpen' | 'keyFile'> {
  /** Made by the gateway itself: nobody else trusts it. */
  readonly development: boolean;
  /** The host of ESPALIER_PUBLIC_URL is among its names. */
  readonly fitsPublicUrl: boolean;
  readonly keyFits: boolean;
}

/** `behindBalancer`: TLS is off, somebody in front ends it. */
export function judgeListener(
  facts: ListenerFacts | 'off' | 'acme' | 'absent',
  nowMs: number,
  subject = 'data and admin listeners',
): Line {
  const say = about('listener', subject);
  if (facts === 'off') return say.ok('ESPALIER_TLS is off: a load balancer in front ends TLS');
  if (facts === 'acme') return say.ok('certificates come by ACME');
  if (facts === 'absent') {
    return say.warn(
      'no certificate is there yet',
      'Set ESPALIER_TLS_CERT_FILE and ESPALIER_TLS_KEY_FILE; else the first start makes one that nobody trusts.',
      'configuration',
    );
  }
  const days = Math.floor((facts.validToMs - nowMs) / dayMs);
  if (!facts.keyFits)
    return say.fail(
      `${facts.keyFile} is not the key of ${facts.file}`,
      'Put the pair in place that belongs together.',
      'configuration',
    );
  if (facts.validToMs <= nowMs) {
    return say.fail(
      `${facts.file} ended on ${dateOf(facts.validToMs)}`,
      'Renew it; the gateway takes the new files without a restart.',
      'configuration',
    );
  }
  if (facts.keyIsOpen === true)
    return say.warn(`others may read ${facts.keyFile}`, `chmod 600 ${facts.keyFile}`, 'configuration');
  if (facts.development) {
    return say.warn(
      'made by the gateway itself: nobody else trusts it',
      'Set ESPALIER_TLS_CERT_FILE and ESPALIER_TLS_KEY_FILE to a pair of a public authority.',
      'configuration',
    );
  }
  if (!facts.fitsPublicUrl) {
    return say.warn(
      `${facts.file} is not for the name in ESPALIER_PUBLIC_URL`,
      'Right only where a load balancer in front has another certificate; else have one issued for it.',
      'configuration',
    );
  }
  if (days < soonDays) {
    return say.warn(
      `${facts.file} ends in ${days} days`,
      'Renew it; the gateway takes the new files without a restart.',
      'configuration',
    );
  }
  return say.ok(`${facts.file}, ${days} days left`);
}

/** Of each name of ESPALIER_ACME_NAMES; undefined: no gateway has looked after it yet. */
export function judgeAcme(name: string, state: AcmeNameState | undefined): Line {
  const say = about('acme', name);
  if (state === undefined)
    return say.warn(
      'no certificate was asked for yet',
      'A gateway with these settings asks for it when it starts.',
      'configuration',
    );
  const { expiresInSeconds, lastError, nextTryAt, notAfter } = state;
  const isThere = expiresInSeconds !== null && expiresInSeconds > 0;
  const end =
    notAfter === null ? 'none yet' : `${isThere ? 'until' : 'ended on'} ${dateOf(notAfter.getTime())}`;
  if (lastError === null)
    return isThere
      ? say.ok(`${end}, renewed on ${dateOf(nextTryAt.getTime())}`)
      : say.warn(end, 'It is being fetched: look again in a minute.', 'configuration');
  const found = `${end}; ${lastError}; the next try is at ${nextTryAt.toISOString()}`;
  return isThere
    ? say.warn(found, remedyOf(lastError), 'configuration')
    : say.fail(found, remedyOf(lastError), 'configuration');
}

/** A folder of ESPALIER_TLS_CERT_DIR; `facts` in words: why its pair cannot be read. */
export function judgeFolder(folder: string, facts: ListenerFacts | string, nowMs: number): Line {
  if (typeof facts !== 'string') return judgeListener(facts, nowMs, folder);
  return about('listener', folder).fail(
    `no pair can be read there: ${facts}`,
    'Put fullchain.pem and privkey.pem there, readable for the user of the gateway; a running gateway goes on with the pair before.',
    'configuration',
  );
}

/** When the authority of ESPALIER_CLIENT_CA_FILE ends; undefined: the file holds none. */
export function judgeClientAuthority(endMs: number | undefined, nowMs: number): Line {
  const say = about('listener', "authority of the instances' client certificates");
  if (endMs === undefined)
    return say.fail(
      'ESPALIER_CLIENT_CA_FILE holds no certificate',
      'Put the authority there, in PEM.',
      'configuration',
    );
  const days = Math.floor((endMs - nowMs) / dayMs);
  const remedy =
    'Put the new authority beside the old one in ESPALIER_CLIENT_CA_FILE, restart, and give the instances new certificates.';
  if (endMs <= nowMs) return say.fail(`it ended on ${dateOf(endMs)}`, remedy, 'configuration');
  if (days < soonDays) return say.warn(`it ends in ${days} days`, remedy, 'configuration');
  return say.ok(`${days} days left`);
}
