/** What balancers before this process say of their callers, where it may be believed (docs/network.md). */

import type { IncomingMessage } from 'node:http';
import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import type { RequestFacts } from '../gateway/listener.ts';
import { problem } from '../problems.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { findHeader, readCertificateHeader } from './balancer/certificate-header.ts';
import { createTrustedProxies, type TrustedProxies } from './balancer/trusted-proxies.ts';
import type { Config } from './config.ts';
import { createCallerOf, peerOf } from './node-caller.ts';
import { type ClientCertificates, createClientCertificates } from './node-client-certificate.ts';
import { nodeRequestFacts } from './node-http.ts';

/** The lines of a header in their order, joined; Node joins some and drops others. */
export function joinedHeader({ rawHeaders }: IncomingMessage, name: string): string | undefined {
  let joined: string | undefined;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() !== name) continue;
    const value = rawHeaders[index + 1] ?? '';
    joined = joined === undefined ? value : `${joined},${value}`;
  }
  return joined;
}

const incomingOf = (c: Context): IncomingMessage => (c.env as HttpBindings).incoming as IncomingMessage;

type BalancerFacts = Pick<RequestFacts, 'clientCertificateSha256' | 'doubt' | 'remoteAddress'>;

export interface BalancerOptions {
  readonly trusted: TrustedProxies;
  /** Header in which trusted proxies hand over client certificates, and what verifies them. */
  readonly certificates?: { readonly header: string; readonly verifier: ClientCertificates };
  readonly log: Pick<Log, 'warn'>;
  readonly metrics: Pick<Metrics, 'clientCertificateRefused'>;
}

const reportEveryMs = 10_000;

/** Counts each refusal, and logs one in ten seconds: callers decide how many there are. */
function createReport({ log, metrics }: BalancerOptions) {
  let reportedMs = Number.NEGATIVE_INFINITY;
  return (address: string | undefined, reason: string): void => {
    metrics.clientCertificateRefused(reason);
    const nowMs = performance.now();
    if (nowMs - reportedMs < reportEveryMs) return;
    reportedMs = nowMs;
    log.warn('client-certificate.refused', { address, reason });
  };
}

function certificateFacts(
  options: BalancerOptions,
  { header, verifier }: NonNullable<BalancerOptions['certificates']>,
): Pick<BalancerFacts, 'clientCertificateSha256' | 'doubt'> {
  const { trusted } = options;
  const report = createReport(options);
  const doubtful = problem('invalid-request', `The header ${header} came twice, or in another spelling.`, {
    errors: [{ code: 'DOUBTFUL_HEADER', field: header, description: 'It may come once, spelt so.' }],
  });
  return {
    doubt: (c) => {
      const incoming = incomingOf(c);
      return peerOf(incoming.socket, trusted).isProxy && findHeader(incoming.rawHeaders, header).isDoubtful
        ? doubtful
        : undefined;
    },
    clientCertificateSha256: (c) => {
      const incoming = incomingOf(c);
      const { isProxy } = peerOf(incoming.socket, trusted);
      const value = isProxy ? findHeader(incoming.rawHeaders, header).value : undefined;
      if (value === undefined || value === '') return nodeRequestFacts.clientCertificateSha256(c);
      const chain = header === 'client-cert' ? joinedHeader(incoming, 'client-cert-chain') : undefined;
      const given = readCertificateHeader(value, chain);
      const verdict = given && verifier.verify(given);
      if (verdict?.ok) return verdict.sha256;
      report(incoming.socket.remoteAddress, verdict?.reason ?? 'unreadable');
      return undefined;
    },
  };
}

/** What Node knows of a request, with what trusted proxies say of it. */
export function factsBehindBalancers(options: BalancerOptions): RequestFacts {
  const { certificates, trusted } = options;
  const callerOf = createCallerOf(trusted);
  return {
    ...nodeRequestFacts,
    ...(certificates === undefined ? {} : certificateFacts(options, certificates)),
    remoteAddress: (c) => {
      const incoming = incomingOf(c);
      return callerOf(incoming.socket, () => ({
        forwarded: joinedHeader(incoming, 'forwarded'),
        forwardedFor: joinedHeader(incoming, 'x-forwarded-for'),
      }));
    },
  };
}

/** The facts of this process's listeners, by its settings. */
export function nodeFactsOf(
  {
    clientCa,
    clientCertHeader: header,
    trustedProxies,
  }: Pick<Config, 'clientCa' | 'clientCertHeader' | 'trustedProxies'>,
  { log, metrics }: Pick<BalancerOptions, 'log' | 'metrics'>,
): RequestFacts {
  const isGiven = header !== undefined && clientCa !== undefined;
  // A certificate is valid between dates.
  const certificates = isGiven
    ? { header, verifier: createClientCertificates(clientCa, Date.now) }
    : undefined;
  return factsBehindBalancers({
    ...{ log, metrics, trusted: createTrustedProxies(trustedProxies) },
    ...(certificates === undefined ? {} : { certificates }),
  });
}
