/**
 * Verifies client certificates that a balancer hands over in a header, as OpenSSL would have in the handshake that the
 * balancer had: a path to an authority of ESPALIER_CLIENT_CA_FILE, with dates, purpose and limits of each certificate on
 * it. What OpenSSL weighs and this does not (names that an authority is limited to) is refused.
 */

import 'reflect-metadata';
import { createHash, X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { LRUCache } from 'lru-cache';
import type { HandedOver } from './balancer/certificate-header.ts';

export type CertificateRefusal =
  | 'unreadable'
  | 'unknown-issuer'
  | 'dates'
  | 'purpose'
  | 'weak'
  | 'unsupported';

export type CertificateVerdict =
  /** Lower-case hex. */
  | { readonly ok: true; readonly sha256: string }
  | { readonly ok: false; readonly reason: CertificateRefusal };

const clientAuth = '1.3.6.1.5.5.7.3.2';
const nameConstraints = '2.5.29.30';
/** Basic constraints, key usage, extended key usage, alternative names, policies: weighed here, or without a say. */
const understood = new Set(['2.5.29.19', '2.5.29.15', '2.5.29.37', '2.5.29.17', '2.5.29.32']);
const strongHashes = new Set(['SHA-256', 'SHA-384', 'SHA-512']);
const strongCurves = new Set(['prime256v1', 'secp384r1', 'secp521r1']);

interface Read {
  readonly certificate: X509Certificate;
  readonly fromMs: number;
  readonly toMs: number;
  readonly isSelfSigned: boolean;
  /** How many authorities may stand between this one and the client's certificate; infinite: any number. */
  readonly maxBelow: number;
  /** Why it may stand on no path. */
  readonly fault: CertificateRefusal | undefined;
  readonly maySign: boolean;
}

/** The signature's hash and the key: what OpenSSL's second security level takes. */
function isStrong({ publicKey }: X509Certificate, algorithm: x509.HashedAlgorithm): boolean {
  const { asymmetricKeyDetails: details, asymmetricKeyType: type } = publicKey;
  if (type === 'rsa' || type === 'rsa-pss') {
    if ((details?.modulusLength ?? 0) < 2_048) return false;
  } else if (type === 'ec') {
    if (!strongCurves.has(details?.namedCurve ?? '')) return false;
  } else if (type !== 'ed25519' && type !== 'ed448') return false;
  const { hash, name } = algorithm as { readonly name: string; readonly hash?: { readonly name: string } };
  return hash === undefined ? /^Ed(?:25519|448|DSA)$/i.test(name) : strongHashes.has(hash.name);
}

function faultOf(certificate: X509Certificate, parsed: x509.X509Certificate): CertificateRefusal | undefined {
  const { extensions } = parsed;
  if (new Set(extensions.map(({ type }) => type)).size !== extensions.length) return 'unreadable';
  for (const { critical, type } of extensions)
    if (type === nameConstraints || (critical && !understood.has(type))) return 'unsupported';
  const purposes = parsed.getExtension(x509.ExtendedKeyUsageExtension)?.usages;
  if (purposes !== undefined && !purposes.includes(clientAuth)) return 'purpose';
  return isStrong(certificate, parsed.signatureAlgorithm) ? undefined : 'weak';
}

/** Undefined: it is no certificate, or one with something behind it. */
function readDer(der: Buffer): Read | undefined {
  try {
    const certificate = new X509Certificate(der);
    if (!certificate.raw.equals(der)) return undefined;
    const parsed = new x509.X509Certificate(new Uint8Array(der));
    const usages = parsed.getExtension(x509.KeyUsagesExtension)?.usages;
    const { digitalSignature, keyAgreement } = x509.KeyUsageFlags;
    return {
      certificate,
      fromMs: certificate.validFromDate.getTime(),
      toMs: certificate.validToDate.getTime(),
      isSelfSigned: certificate.checkIssued(certificate) && certificate.verify(certificate.publicKey),
      maxBelow: parsed.getExtension(x509.BasicConstraintsExtension)?.pathLength ?? Number.POSITIVE_INFINITY,
      fault: faultOf(certificate, parsed),
      maySign: usages === undefined || (usages & (digitalSignature | keyAgreement)) !== 0,
    };
  } catch {
    // Whatever two readers of certificates cannot both read is none.
    return undefined;
  }
}

const isSame = (one: Read, other: Read): boolean => one.certificate.raw.equals(other.certificate.raw);
const isIssuedBy = ({ certificate }: Read, { certificate: issuer }: Read): boolean =>
  certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);

interface Path {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Signatures that are checked for one header: chains of look-alikes must not cost more than a handshake does. */
const maxSteps = 24;

function findPath(leaf: Read, between: readonly Read[], anchors: readonly Read[], nowMs: number) {
  let reason: CertificateRefusal = 'unknown-issuer';
  let steps = 0;
  const judge = (one: Read): CertificateRefusal | undefined =>
    one.fault ?? (nowMs < one.fromMs || nowMs > one.toMs ? 'dates' : undefined);
  const walk = (path: readonly Read[]): Path | undefined => {
    const last = path.at(-1) ?? leaf;
    const fault = judge(last);
    if (fault !== undefined) {
      reason = fault;
      return undefined;
    }
    if (last.isSelfSigned) {
      if (!anchors.some((anchor) => isSame(anchor, last))) return undefined;
      return {
        fromMs: Math.max(...path.map(({ fromMs }) => fromMs)),
        toMs: Math.min(...path.map(({ toMs }) => toMs)),
      };
    }
    for (const issuer of [...anchors, ...between]) {
      if (path.some((one) => isSame(one, issuer)) || steps >= maxSteps) continue;
      if (!last.certificate.checkIssued(issuer.certificate)) continue;
      steps += 1;
      if (!isIssuedBy(last, issuer)) continue;
      if (!issuer.certificate.ca || issuer.maxBelow < path.length - 1) {
        reason = 'purpose';
        continue;
      }
      const found = walk([...path, issuer]);
      if (found) return found;
    }
    return undefined;
  };
  return { path: walk([leaf]), reason: () => reason };
}

const pemBlock = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** Verified certificates that are kept; a balancer sends that of an instance with each of its requests. */
const kept = 1_024;

export interface ClientCertificates {
  verify(given: HandedOver): CertificateVerdict;
}

/** `caPem`: the text of ESPALIER_CLIENT_CA_FILE. `now`: milliseconds since 1970. */
export function createClientCertificates(caPem: string, now: () => number): ClientCertificates {
  const anchors = [...caPem.matchAll(pemBlock)]
    .map(([pem]) => readDer(new X509Certificate(pem).raw))
    .filter((anchor) => anchor !== undefined);
  const known = new LRUCache<string, Path & { readonly sha256: string }>({ max: kept });

  const verifyAnew = ({ intermediates, leaf: der }: HandedOver, key: string): CertificateVerdict => {
    const leaf = readDer(der);
    if (leaf === undefined) return { ok: false, reason: 'unreadable' };
    if (!leaf.maySign) return { ok: false, reason: 'purpose' };
    const between = intermediates.map(readDer).filter((one) => one !== undefined);
    const { path, reason } = findPath(leaf, between, anchors, now());
    if (path === undefined) return { ok: false, reason: reason() };
    const sha256 = createHash('sha256').update(der).digest('hex');
    known.set(key, { ...path, sha256 });
    return { ok: true, sha256 };
  };

  return {
    verify: (given) => {
      const digest = createHash('sha256');
      for (const der of [given.leaf, ...given.intermediates]) digest.update(`${der.length} `).update(der);
      const key = digest.digest('base64');
      const found = known.get(key);
      const nowMs = now();
      return found !== undefined && found.fromMs <= nowMs && nowMs <= found.toMs
        ? { ok: true, sha256: found.sha256 }
        : verifyAnew(given, key);
    },
  };
}
