/**
 * Probes a host as `doctor` shows it on the way to a request: its addresses, its port, its certificate. The certificate
 * is also read where it would be refused, to say why; nothing is sent over such a connection.
 */

import { X509Certificate } from 'node:crypto';
import { lookup as resolveAll } from 'node:dns/promises';
import { connect, type Socket } from 'node:net';
import {
  type DetailedPeerCertificate,
  getCACertificates,
  type TLSSocket,
  connect as tlsConnect,
} from 'node:tls';
import { within } from '../deadline.ts';
import { type AddressPolicy, isAddressLiteral } from './addresses.ts';
import { openTunnel, type TunnelTarget } from './node-tunnel.ts';
import type { OutgoingProxy } from './proxies.ts';

export interface ProbeTarget {
  readonly host: string;
  readonly port: number;
  /** Undefined: every address may be reached. */
  readonly policy?: AddressPolicy;
  /** Looks at addresses that the policy refuses, too: the policy only marks them. */
  readonly anyAddress?: boolean;
  /** PEM of one more certificate authority to trust (an instance's `caCertificate`). */
  readonly caCertificate?: string;
  /** The way out, where it leads through a proxy; `by` is what the proxy is asked for. */
  readonly through?: { readonly proxy: OutgoingProxy; readonly by: TunnelTarget['by'] };
  /** Timeout of each of the three steps. */
  readonly timeoutMs: number;
}

export interface ProbedAddress {
  readonly address: string;
  readonly permitted: boolean;
}

export interface ProbedCertificate {
  readonly subject: string;
  readonly issuer: string;
  /** Milliseconds since 1970. */
  readonly validFromMs: number;
  readonly validToMs: number;
}

export interface ProbedTls {
  /** Such as `TLSv1.3`. */
  readonly protocol: string;
  /** The server's own first, as it sent them. */
  readonly chain: readonly ProbedCertificate[];
  /** Node's code for the refusal: `CERT_HAS_EXPIRED`, `UNABLE_TO_GET_ISSUER_CERT_LOCALLY`. */
  readonly refusal?: string;
  /** Names that the certificate is for. */
  readonly names: readonly string[];
  readonly fitsHost: boolean;
  /** True when it is trusted only because of NODE_EXTRA_CA_CERTS or the instance's own authority. */
  readonly ownAuthority: boolean;
}

/** A step's result, or a code such as `ENOTFOUND`, `ECONNREFUSED`, `timeout`. */
export type Probed<T> = ({ readonly ok: true } & T) | { readonly ok: false; readonly code: string };

export interface Probe {
  readonly name: Probed<{ readonly addresses: readonly ProbedAddress[] }>;
  /** Absent when there is no address that may be reached. */
  readonly port?: Probed<{ readonly address: string; readonly milliseconds: number }>;
  /** Absent when the port does not open, or TLS was not asked for. */
  readonly tls?: Probed<ProbedTls>;
}

const codeOf = (error: unknown): string => {
  const { code, name } = error as { code?: string; name?: string };
  return code ?? name ?? 'error';
};

/** Fails as work that gave no answer in time does. */
export const timedOut = (): never => {
  throw Object.assign(new Error('no answer in time'), { code: 'timeout' });
};

async function probeName({ host, policy, through, timeoutMs }: ProbeTarget): Promise<Probe['name']> {
  const permitted = (address: string): boolean => policy?.permits(host, address) ?? true;
  if (isAddressLiteral(host)) return { ok: true, addresses: [{ address: host, permitted: permitted(host) }] };
  try {
    const found = await within(resolveAll(host, { all: true }), timeoutMs, timedOut);
    return { ok: true, addresses: found.map(({ address }) => ({ address, permitted: permitted(address) })) };
  } catch (error) {
    // Then the proxy alone knows the name.
    if (through !== undefined && through.by !== 'address') return { ok: true, addresses: [] };
    return { ok: false, code: codeOf(error) };
  }
}

const anyAddress: AddressPolicy = { permits: () => true };

const openThrough = (
  { host, policy = anyAddress, port, timeoutMs }: ProbeTarget,
  { by, proxy }: NonNullable<ProbeTarget['through']>,
): Promise<Socket> => openTunnel(proxy, { hostname: host, port, by }, policy, AbortSignal.timeout(timeoutMs));

async function probeThrough(
  target: ProbeTarget,
  through: NonNullable<ProbeTarget['through']>,
): Promise<NonNullable<Probe['port']>> {
  const startedAt = performance.now();
  try {
    const socket = await openThrough(target, through);
    socket.on('error', () => undefined).destroy();
    const milliseconds = Math.round(performance.now() - startedAt);
    return { ok: true, address: `${target.host} through ${through.proxy.shown}`, milliseconds };
  } catch (error) {
    return { ok: false, code: codeOf(error) };
  }
}

const ready = (socket: Socket, event: string): Promise<void> =>
  new Promise((resolve, reject) => {
    socket.once(event, () => resolve());
    socket.once('error', reject);
    socket.once('close', () => reject(Object.assign(new Error('closed'), { code: 'ECONNRESET' })));
  });

async function probePort(
  target: ProbeTarget,
  addresses: readonly string[],
): Promise<NonNullable<Probe['port']>> {
  const { port, timeoutMs } = target;
  let code = 'no-address';
  // Each address for itself: a name that has one dead address of two works by luck.
  const tries = addresses.map(async (address): Promise<NonNullable<Probe['port']>> => {
    const startedAt = performance.now();
    const socket = connect({ host: address, port });
    socket.on('error', () => undefined);
    try {
      await within(ready(socket, 'connect'), timeoutMs, timedOut).finally(() => socket.destroy());
      return { ok: true, address, milliseconds: Math.round(performance.now() - startedAt) };
    } catch (error) {
      return { ok: false, code: codeOf(error) };
    }
  });
  for (const tried of await Promise.all(tries)) {
    if (tried.ok) return tried;
    code = tried.code;
  }
  return { ok: false, code };
}

const nameOf = (part: DetailedPeerCertificate['subject'] | undefined): string => {
  const text = (value: string | string[] | undefined): string | undefined =>
    Array.isArray(value) ? value.join(', ') : value;
  return text(part?.CN) ?? text(part?.O) ?? 'unnamed';
};

/** The chain as Node links it; a self-signed certificate is its own issuer. */
function chainOf(first: DetailedPeerCertificate): readonly ProbedCertificate[] {
  const chain: ProbedCertificate[] = [];
  const seen = new Set<string>();
  let certificate: DetailedPeerCertificate | undefined = first;
  while (certificate?.fingerprint256 !== undefined && !seen.has(certificate.fingerprint256)) {
    seen.add(certificate.fingerprint256);
    chain.push({
      subject: nameOf(certificate.subject),
      issuer: nameOf(certificate.issuer),
      validFromMs: Date.parse(certificate.valid_from),
      validToMs: Date.parse(certificate.valid_to),
    });
    certificate = certificate.issuerCertificate;
  }
  return chain;
}

/** Fingerprints of the authorities that Node brings itself; read when they are first asked for. */
let bundledAuthorities: ReadonlySet<string> | undefined;

/** True where the chain ends in an authority that Node brings itself. */
function endsInPublicAuthority(first: DetailedPeerCertificate): boolean {
  bundledAuthorities ??= new Set(
    getCACertificates('bundled').map((pem) => new X509Certificate(pem).fingerprint256),
  );
  const seen = new Set<string>();
  let certificate: DetailedPeerCertificate | undefined = first;
  while (certificate?.fingerprint256 !== undefined && !seen.has(certificate.fingerprint256)) {
    if (bundledAuthorities.has(certificate.fingerprint256)) return true;
    seen.add(certificate.fingerprint256);
    certificate = certificate.issuerCertificate;
  }
  return false;
}

function factsOf(socket: TLSSocket, host: string): ProbedTls {
  const certificate = socket.getPeerCertificate(true);
  const own = new X509Certificate(certificate.raw);
  const bare = host.replace(/^\[|\]$/g, '');
  const fitsHost = (isAddressLiteral(host) ? own.checkIP(bare) : own.checkHost(bare)) !== undefined;
  const names = (own.subjectAltName ?? '')
    .split(', ')
    .map((name) => name.replace(/^[A-Za-z ]+:/, ''))
    .filter((name) => name !== '');
  // The name is judged apart: it also matters where the authority is trusted.
  const refusal = socket.authorized ? undefined : String(socket.authorizationError);
  const isRefused = refusal !== undefined && refusal !== 'ERR_TLS_CERT_ALTNAME_INVALID';
  return {
    protocol: socket.getProtocol() ?? 'unknown',
    chain: chainOf(certificate),
    ...(isRefused ? { refusal } : {}),
    names,
    fitsHost,
    ownAuthority: !isRefused && !endsInPublicAuthority(certificate),
  };
}

async function probeTls(target: ProbeTarget, address: string): Promise<NonNullable<Probe['tls']>> {
  const { caCertificate, host, port, through, timeoutMs } = target;
  try {
    const socket = tlsConnect({
      ...(through === undefined
        ? { host: address.replace(/^\[|\]$/g, ''), port }
        : { socket: await openThrough(target, through) }),
      minVersion: 'TLSv1.2',
      ALPNProtocols: ['http/1.1'],
      // The certificate is inspected only: no byte of a request goes over this connection.
      rejectUnauthorized: false,
      ...(isAddressLiteral(host) ? {} : { servername: host }),
      ...(caCertificate === undefined ? {} : { ca: [...getCACertificates('default'), caCertificate] }),
    });
    // The probe has its facts by then: what breaks later changes nothing.
    socket.on('error', () => undefined);
    let facts: ProbedTls | undefined;
    const secure = ready(socket, 'secureConnect').then(() => {
      facts = factsOf(socket, host);
    });
    await within(secure, timeoutMs, timedOut).finally(() => socket.destroy());
    return facts === undefined ? { ok: false, code: 'no-certificate' } : { ok: true, ...facts };
  } catch (error) {
    return { ok: false, code: codeOf(error) };
  }
}

/** Probes the target and never throws. With `withTls` false it tests only the name and the port. */
export async function probe(target: ProbeTarget, withTls = true): Promise<Probe> {
  const name = await probeName(target);
  if (!name.ok) return { name };
  const reachable = name.addresses
    .filter(({ permitted }) => permitted || target.anyAddress === true)
    .map(({ address }) => address.replace(/^\[|\]$/g, ''));
  const { through } = target;
  const isLeft = through !== undefined && through.by !== 'address' && name.addresses.length === 0;
  if (reachable.length === 0 && !isLeft) return { name };
  const port =
    through === undefined ? await probePort(target, reachable) : await probeThrough(target, through);
  if (!port.ok || !withTls) return { name, port };
  return { name, port, tls: await probeTls(target, port.address) };
}
