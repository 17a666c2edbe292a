/** Judges what was found of a host on the network. */

import { dayMs } from '../../clock.ts';
import type { Probe, ProbedTls } from '../../outbound/node-probe.ts';
import type { OutboundFailure } from '../../outbound/port.ts';
import type { Owner } from '../../problems.ts';
import { about, type Line } from './line.ts';

/** Kind of the host's owner: that decides who can mend it, and where a certificate authority is made known. */
export type HostKind = 'microsoft' | 'instance' | 'public' | 'public-local';

/** A certificate that ends sooner is a warning: time enough to renew by hand. */
export const soonDays = 30;
/** Tokens have 60 s of leeway (contract section 6); half of it is left for the way. */
const clockWarnMs = 30_000;
/** Entra refuses an assertion that is five minutes off (domain/microsoft.md 1.2). */
const clockFailMs = 300_000;

const owners: Readonly<Record<HostKind, Owner>> = {
  microsoft: 'configuration',
  instance: 'instance',
  public: 'configuration',
  'public-local': 'configuration',
};

function judgeName(subject: string, kind: HostKind, name: Probe['name']): Line {
  const say = about('host.name', subject);
  if (!name.ok) {
    const waiting = name.code === 'timeout' || name.code === 'EAI_AGAIN';
    return say.fail(
      waiting ? `the name server does not answer (${name.code})` : `the name does not resolve (${name.code})`,
      waiting
        ? "Check this machine's name servers and the firewall on port 53."
        : kind === 'instance'
          ? 'Check the URL of the instance, and that this machine asks a name server that knows it.'
          : 'Check the name, and that this machine asks a name server that knows it.',
      waiting ? 'configuration' : owners[kind],
    );
  }
  const list = name.addresses.map(({ address, permitted }) => (permitted ? address : `${address} (refused)`));
  const refused = name.addresses.filter(({ permitted }) => !permitted);
  if (list.length === 0) return say.ok('not known here: the outgoing proxy resolves it');
  if (refused.length === 0) return say.ok(list.join(', '));
  const allow = `If it is meant, allow it: ESPALIER_UPSTREAM_ALLOW=${refused.map(({ address }) => address).join(',')} or its network or name.`;
  if (refused.length < name.addresses.length) {
    return say.warn(`${list.join(', ')}: the refused are never connected to`, allow, 'configuration');
  }
  if (kind === 'public') {
    return say.warn(
      `${list.join(', ')}: an address of a private network, which neither Microsoft nor the users' browsers reach`,
      'Give ESPALIER_PUBLIC_URL a name that resolves to a public address outside.',
      'configuration',
    );
  }
  if (kind === 'public-local') {
    return say.warn(
      `${list.join(', ')}: only this machine reaches it`,
      'Set ESPALIER_PUBLIC_URL to the name under which others reach the gateway.',
      'configuration',
    );
  }
  return say.fail(
    `${list.join(', ')}: not globally reachable, so nothing is sent there`,
    allow,
    'configuration',
  );
}

const portRemedies: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'Nothing listens there: check the port in the URL and that the server runs.',
  ENETUNREACH:
    'This machine has no way to that network: check its routes, and IPv6 where the address is one.',
  PROXY_403:
    'The outgoing proxy does not let this gateway there: have the host allowed. Where it filters by names, name the host of an instance in ESPALIER_UPSTREAM_ALLOW, so that the proxy is asked for the name and not for the address.',
  PROXY_407: 'The outgoing proxy wants a user and a password: give them in HTTPS_PROXY.',
  EHOSTUNREACH: 'This machine has no way to that host: check its routes and the firewalls on the way.',
};

function judgePort(subject: string, kind: HostKind, port: NonNullable<Probe['port']>): Line {
  const say = about('host.port', subject);
  if (port.ok) return say.ok(`open at ${port.address} within ${port.milliseconds} ms`);
  const found = port.code === 'timeout' ? 'no connection in time' : `no connection (${port.code})`;
  const remedy =
    portRemedies[port.code] ??
    (port.code.startsWith('PROXY_')
      ? 'Look at the log of the outgoing proxy (HTTPS_PROXY) for this host, or exempt it by NO_PROXY.'
      : undefined) ??
    'Let this machine out to that host and port: firewalls, proxies, routes.';
  return say.fail(found, remedy, owners[kind]);
}

const unknownAuthority = new Set([
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_UNTRUSTED',
]);

const oldProtocol = /UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION|NO_PROTOCOLS_AVAILABLE/;
/** The first bytes are no TLS record: OpenSSL reads it as one of a version or length that there is not. */
const notTls = /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|BAD_RECORD_TYPE|EPROTO/;

function brokenTls(code: string): string {
  if (code === 'timeout') return 'the port opens, but no TLS in time';
  if (code === 'ECONNRESET')
    return 'the port opens, but every connection is reset before TLS stands (ECONNRESET)';
  if (notTls.test(code)) return `what answers speaks no TLS (${code})`;
  return `TLS is not agreed on (${code})`;
}

function trustRemedy(kind: HostKind, tls: ProbedTls): string {
  const issuer = tls.chain.at(-1)?.issuer ?? 'its issuer';
  switch (kind) {
    case 'microsoft':
      return `Microsoft's hosts have certificates of public authorities: "${issuer}" is something between that opens TLS, which Microsoft does not support there. Take the host out of the inspection; NODE_EXTRA_CA_CERTS would trust it all the same.`;
    case 'instance':
      return `Give the instance the authority's certificate, or name it in NODE_EXTRA_CA_CERTS for all; if the server sends its own certificate alone, have it send the whole chain. Issuer: "${issuer}".`;
    case 'public':
    case 'public-local':
      return `Microsoft, browsers and Jamf Pro want a certificate of a public authority: ESPALIER_TLS_CERT_FILE and ESPALIER_TLS_KEY_FILE, with the whole chain, or that of the load balancer in front. Issuer: "${issuer}".`;
  }
}

function describeTls({ chain, ownAuthority, protocol }: ProbedTls, days: number): string {
  const issuer = chain[0]?.issuer ?? 'unknown issuer';
  const trust = ownAuthority ? ', trusted by an authority of our own configuration' : '';
  return `${protocol}, issued by "${issuer}"${trust}, ${days} days left`;
}

function judgeTls(subject: string, kind: HostKind, tls: NonNullable<Probe['tls']>, nowMs: number): Line {
  const say = about('host.tls', subject);
  const owner = owners[kind];
  if (!tls.ok) {
    if (oldProtocol.test(tls.code))
      return say.fail(
        `no TLS 1.2 or newer (${tls.code})`,
        'Have the server offer TLS 1.2 or 1.3 on this port.',
        owner,
      );
    return say.fail(
      brokenTls(tls.code),
      'Check that the server runs and speaks TLS on this port, and what stands between that breaks it.',
      owner,
    );
  }
  const [own] = tls.chain;
  const ends = Math.min(...tls.chain.map(({ validToMs }) => validToMs));
  const days = Math.floor((ends - nowMs) / dayMs);
  const ended = tls.chain.find(({ validToMs }) => validToMs <= nowMs);
  if (ended !== undefined) {
    const on = new Date(ended.validToMs).toISOString().slice(0, 10);
    return say.fail(`the certificate "${ended.subject}" ended on ${on}`, 'Renew the certificate.', owner);
  }
  if (own !== undefined && own.validFromMs > nowMs) {
    const from = new Date(own.validFromMs).toISOString();
    return say.fail(
      `the certificate is valid from ${from} only`,
      "Check this machine's clock first, then the certificate.",
      owner,
    );
  }
  if (tls.refusal !== undefined && unknownAuthority.has(tls.refusal)) {
    // The certificate that the gateway makes for itself is no failure on the developer's machine that uses it.
    return kind === 'public-local'
      ? say.warn(`not of a trusted authority (${tls.refusal})`, trustRemedy(kind, tls), owner)
      : say.fail(`not of a trusted authority (${tls.refusal})`, trustRemedy(kind, tls), owner);
  }
  if (tls.refusal !== undefined)
    return say.fail(
      `the certificate is refused (${tls.refusal})`,
      'Have a proper certificate issued.',
      owner,
    );
  if (!tls.fitsHost) {
    const remedy = 'Use a name of the certificate in the URL, or have one issued for this name.';
    return say.fail(`the certificate is for ${tls.names.join(', ') || 'no name'}`, remedy, owner);
  }
  if (days < soonDays) return say.warn(describeTls(tls, days), 'Renew the certificate.', owner);
  return say.ok(describeTls(tls, days));
}

/** The lines of one host: name, port and TLS, as far as they were reached. */
export function judgeProbe(subject: string, kind: HostKind, probe: Probe, nowMs: number): Line[] {
  const { name, port, tls } = probe;
  return [
    judgeName(subject, kind, name),
    ...(port === undefined ? [] : [judgePort(subject, kind, port)]),
    ...(tls === undefined ? [] : [judgeTls(subject, kind, tls, nowMs)]),
  ];
}

/** The answer to one request without credentials. */
export type HostAnswer =
  | { readonly kind: 'none'; readonly failure: OutboundFailure['failure']; readonly detail: string }
  /** `isJson`: undefined where the body was not looked at; it broke off with `brokenOff`. */
  | {
      readonly kind: 'http';
      readonly status: number;
      readonly isJson?: boolean;
      readonly brokenOff?: boolean;
    };

const answerOwners: Readonly<Record<HostKind, Owner>> = { ...owners, microsoft: 'microsoft' };

const answerRemedies: Readonly<Record<HostKind, string>> = {
  microsoft:
    'Nothing is told to this service while that lasts; what is due waits. Look for an outage in the Microsoft 365 admin center under Health, Service health, and at proxies and firewalls on the way that open TLS.',
  instance:
    'Nothing is read of this instance while that lasts; what is due waits. Look at the server and its log, and at proxies and firewalls in front of it.',
  public: 'Look at the gateway, and at what stands in front of it.',
  'public-local': 'Look at the gateway, and at what stands in front of it.',
};

function missingAnswer(failure: OutboundFailure['failure'], detail: string): string {
  switch (failure) {
    case 'reset':
      return `TLS stands, but there is no HTTP answer: ${detail}`;
    case 'timeout':
    case 'aborted':
      return 'TLS stands, but no answer to a request in time';
    case 'unreachable':
    case 'refused-address':
      return `no answer to a request: ${detail}`;
  }
}

/** The service is down where it answers nothing, an error of its own, or what is not its own answer. */
export function judgeAnswer(subject: string, kind: HostKind, answer: HostAnswer): Line {
  const say = about('host.answer', subject);
  const fail = (found: string): Line => say.fail(found, answerRemedies[kind], answerOwners[kind]);
  if (answer.kind === 'none') return fail(missingAnswer(answer.failure, answer.detail));
  const { brokenOff, isJson, status } = answer;
  if (status >= 500) return fail(`the service is down: HTTP ${status}`);
  if (brokenOff === true) return fail(`an answer with HTTP ${status} that breaks off`);
  if (isJson === false) return fail(`something else answers: HTTP ${status} without JSON`);
  return say.ok(`HTTP ${status}`);
}

/** `skewMs`: theirs less ours; `undefined` when the answer had no Date. */
export function judgeClock(subject: string, skewMs: number | undefined): Line {
  const say = about('host.clock', subject);
  if (skewMs === undefined)
    return say.warn(
      'the answer has no Date',
      'Compare the clock by hand: tokens need it within a minute.',
      'configuration',
    );
  const seconds = Math.round(Math.abs(skewMs) / 1_000);
  const found = skewMs > 0 ? `this machine is ${seconds} s behind` : `this machine is ${seconds} s ahead`;
  const remedy = 'Set the clock by NTP, on this machine if other hosts say the same, else there.';
  if (Math.abs(skewMs) > clockFailMs) return say.fail(found, remedy, 'configuration');
  if (Math.abs(skewMs) > clockWarnMs) return say.warn(found, remedy, 'configuration');
  return say.ok(`within ${Math.max(1, seconds)} s`);
}
