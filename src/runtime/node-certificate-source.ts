/**
 * The certificates that the data and admin listeners present. Providers hold them (a pair of files, a directory, the
 * self-signed pair, memory for pairs that ACME obtains); here one is chosen by the name that a client asks for (SNI).
 */

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { domainToASCII } from 'node:url';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import type { Log } from '../telemetry/log.ts';

export interface KeyPair {
  /** The chain in PEM, the server's certificate first. */
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
}

export interface Certificate extends KeyPair {
  /** Where a person finds it: a file, a folder, or a name for one that is kept in memory. */
  readonly origin: string;
  /** DNS names of its SAN, lower case, A-labels; the first label may be `*`. */
  readonly names: readonly string[];
  readonly notAfterMs: number;
}

export type CertificateKind = 'directory' | 'files' | 'acme' | 'self-signed';

export interface CertificateProvider {
  readonly kind: CertificateKind;
  /** The certificates that can be presented now; the first may become the default. */
  current(): readonly Certificate[];
  /** Calls back when `current` would answer otherwise. */
  onChange(listener: () => void): void;
  /** The pair that answers a `tls-alpn-01` validation of this name (RFC 8737), while one is under way. */
  challenge?(name: string): KeyPair | undefined;
  close(): void;
}

/** A certificate that some client may be shown. */
export interface PresentedCertificate {
  readonly kind: CertificateKind;
  readonly certificate: Certificate;
}

export interface CertificateSource {
  /** For a client that names no host, or one that no certificate is for. */
  default(): Certificate;
  /** For a client that names this host. */
  forName(servername: string): Certificate;
  challenge(servername: string): KeyPair | undefined;
  presented(): readonly PresentedCertificate[];
  /** Calls back after any of it has changed. */
  onChange(listener: () => void): void;
  close(): void;
}

x509.cryptoProvider.set(globalThis.crypto);

/** As names are compared (RFC 6125, 6.4): without case, in A-labels, without the dot of the root. */
export function comparableName(name: string): string {
  const bare = name.replace(/\.$/, '');
  const ascii = bare.startsWith('*.') ? `*.${domainToASCII(bare.slice(2))}` : domainToASCII(bare);
  return (ascii === '' || ascii === '*.' ? bare : ascii).toLowerCase();
}

function namesOf(certificate: X509Certificate): string[] {
  const extension = new x509.X509Certificate(certificate.raw).getExtension(
    x509.SubjectAlternativeNameExtension,
  );
  const names = (extension?.names.items ?? []).filter(({ type }) => type === 'dns');
  return [...new Set(names.map(({ value }) => comparableName(value)))];
}

/** A pair that cannot be presented; `part` is the one to look at. */
export class PairFault extends Error {
  override readonly name = 'PairFault';
  readonly part: 'cert' | 'key';
  constructor(part: 'cert' | 'key', problem: string, options?: ErrorOptions) {
    super(problem, options);
    this.part = part;
  }
}

function readPart<T>(part: 'cert' | 'key', read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new PairFault(part, (error as Error).message, { cause: error });
  }
}

/** Throws `PairFault` where the two are no certificate with its key, or none that can be presented. */
export function readCertificate({ cert, key }: KeyPair, origin: string): Certificate {
  const certificate = readPart('cert', () => new X509Certificate(cert));
  const fits = readPart('key', () => certificate.checkPrivateKey(createPrivateKey(key)));
  if (!fits) throw new PairFault('key', `is not the key of the certificate`);
  readPart('cert', () => createSecureContext({ cert, key }));
  const names = readPart('cert', () => namesOf(certificate));
  return { cert, key, origin, names, notAfterMs: Date.parse(certificate.validTo) };
}

/** Which of two kinds is presented where both have a certificate for a name: what a person put there comes first. */
const order: readonly CertificateKind[] = ['directory', 'files', 'acme', 'self-signed'];
/** The same for the default: `ESPALIER_TLS_CERT_FILE` is set to be it. */
const defaultOrder: readonly CertificateKind[] = ['files', 'directory', 'acme', 'self-signed'];

interface Choice {
  readonly fallback: Certificate;
  readonly exact: ReadonlyMap<string, Certificate>;
  /** By what follows `*.`; the wildcard stands for exactly one label (RFC 6125, 6.4.3). */
  readonly wildcard: ReadonlyMap<string, Certificate>;
  readonly presented: readonly PresentedCertificate[];
}

function choiceOf(providers: readonly CertificateProvider[]): Choice | undefined {
  const all = order.flatMap((kind) =>
    providers
      .filter((provider) => provider.kind === kind)
      .flatMap((provider) => provider.current().map((certificate) => ({ kind, certificate }))),
  );
  // The self-signed pair is the last resort: nobody trusts it.
  const trusted = all.filter(({ kind }) => kind !== 'self-signed');
  const presented = trusted.length > 0 ? trusted : all;
  const fallback = defaultOrder
    .map((kind) => presented.find((one) => one.kind === kind))
    .find((one) => one !== undefined);
  if (fallback === undefined) return undefined;
  const exact = new Map<string, Certificate>();
  const wildcard = new Map<string, Certificate>();
  for (const kind of order) {
    // Of one kind the certificate that ends last counts: an old folder may stay beside its successor.
    const ofKind = presented
      .filter((one) => one.kind === kind)
      .map(({ certificate }) => certificate)
      .sort((a, b) => b.notAfterMs - a.notAfterMs);
    for (const certificate of ofKind)
      for (const name of certificate.names) {
        const [map, key] = name.startsWith('*.') ? [wildcard, name.slice(2)] : [exact, name];
        if (!map.has(key)) map.set(key, certificate);
      }
  }
  return { fallback: fallback.certificate, exact, wildcard, presented };
}

/** Throws where no provider has a certificate yet. While it runs, the last choice stays when all of them lose theirs. */
export function createCertificateSource(
  providers: readonly CertificateProvider[],
  log: Log,
): CertificateSource {
  const listeners: (() => void)[] = [];
  const first = choiceOf(providers);
  if (first === undefined) throw new Error('there is no certificate to present');
  let choice = first;
  const choose = (): void => {
    const next = choiceOf(providers);
    if (next === undefined) {
      log.error('tls.no-certificate', { presented: choice.presented.map((one) => one.certificate.origin) });
      return;
    }
    choice = next;
    for (const listener of listeners) listener();
  };
  for (const provider of providers) provider.onChange(choose);
  return {
    default: () => choice.fallback,
    forName: (servername) => {
      const name = comparableName(servername);
      const dot = name.indexOf('.');
      return (
        choice.exact.get(name) ??
        (dot > 0 ? choice.wildcard.get(name.slice(dot + 1)) : undefined) ??
        choice.fallback
      );
    },
    challenge: (servername) => {
      const name = comparableName(servername);
      for (const provider of providers) {
        const pair = provider.challenge?.(name);
        if (pair !== undefined) return pair;
      }
      return undefined;
    },
    presented: () => choice.presented,
    onChange: (listener) => {
      listeners.push(listener);
    },
    close: () => {
      for (const provider of providers) provider.close();
    },
  };
}

/** A provider whose certificates are held in memory, and given from elsewhere in this process. */
export interface MemoryCertificates extends CertificateProvider {
  /** Replaces all of them. */
  put(certificates: readonly Certificate[]): void;
  /** Undefined: the validation of this name is over. */
  putChallenge(name: string, pair: KeyPair | undefined): void;
}

export function createMemoryCertificates(kind: CertificateKind): MemoryCertificates {
  let certificates: readonly Certificate[] = [];
  const challenges = new Map<string, KeyPair>();
  const listeners: (() => void)[] = [];
  return {
    kind,
    current: () => certificates,
    onChange: (listener) => {
      listeners.push(listener);
    },
    challenge: (name) => challenges.get(name),
    put: (next) => {
      certificates = next;
      for (const listener of listeners) listener();
    },
    putChallenge: (name, pair) => {
      if (pair === undefined) challenges.delete(comparableName(name));
      else challenges.set(comparableName(name), pair);
    },
    close: () => undefined,
  };
}
