import { X509Certificate } from 'node:crypto';
import type { ExpiringCertificate } from '../alerts/expiring-certificate.ts';
import { applicationExpiry } from './certificate-expiry.ts';
import { readPart } from './node-certificate.ts';
import type { PresentedCertificate } from './node-certificate-source.ts';
import { settings } from './settings.ts';

/** When certificates end, for the metric and for what the overview warns of. */

/** As `applicationExpiry`, of files. Throws a `StartFault` for one that holds no certificate. */
export const readCertificateExpiry = (
  environment: Readonly<Record<string, string | undefined>>,
  clouds: readonly string[],
): (() => ReadonlyMap<string, number>) =>
  applicationExpiry(
    environment,
    clouds,
    (variable, file) => readPart(variable, file, (pem) => new X509Certificate(pem)).validTo,
  );

const certificatesIn = (pem: string): readonly string[] =>
  pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];

/**
 * Every certificate whose end a person has to see coming: those of applications, those that the listeners present now, and
 * the clients' authority, of which the first that ends counts. What ACME obtains renews itself and is told of apart.
 */
export function createCertificateExpiry(parts: {
  readonly applications: () => ReadonlyMap<string, number>;
  readonly presented: () => readonly PresentedCertificate[];
  /** PEM. */
  readonly clientCa: string | undefined;
}): () => readonly ExpiringCertificate[] {
  const authorityEndsMs = certificatesIn(parts.clientCa ?? '').map((pem) =>
    Date.parse(new X509Certificate(pem).validTo),
  );
  const secondsTo = (endMs: number): number => (endMs - Date.now()) / 1_000;
  return () => [
    ...[...parts.applications()].map(([name, seconds]) => ({ kind: 'application' as const, name, seconds })),
    ...parts
      .presented()
      .filter(({ kind }) => kind !== 'acme')
      .map(({ certificate: { notAfterMs, origin } }) => ({
        kind: 'listener' as const,
        name: origin,
        seconds: secondsTo(notAfterMs),
      })),
    ...(authorityEndsMs.length === 0
      ? []
      : [
          {
            kind: 'client-authority' as const,
            name: settings.clientCaFile.name,
            seconds: secondsTo(Math.min(...authorityEndsMs)),
          },
        ]),
  ];
}
