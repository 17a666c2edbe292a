import { X509Certificate } from 'node:crypto';
import type { ExpiringCertificate } from '../admin/overview/expiring-certificate.ts';
import { cloudSuffix } from './config.ts';
import { readPart } from './node-certificate.ts';
import type { PresentedCertificate } from './node-certificate-source.ts';
import { settings } from './settings.ts';

/** When certificates end, for the metric and for what the overview warns of. */

const applications = {
  connector: settings.entraCertFile,
  diagnostic: settings.diagnosticCertFile,
  operators: settings.operatorCertFile,
} as const;

/**
 * Returns seconds until each expires, by application, cloud and whether it is the next one. They are read once, as the
 * credentials are: a file that is changed later is not in use before the next start. Throws a `StartFault` for a file that
 * holds no certificate.
 */
export function readCertificateExpiry(
  environment: Readonly<Record<string, string | undefined>>,
  clouds: readonly string[],
): () => ReadonlyMap<string, number> {
  const ends = new Map<string, number>();
  for (const [application, { name }] of Object.entries(applications))
    for (const cloud of [undefined, ...clouds])
      for (const next of [false, true]) {
        const variable = `${name}${cloud === undefined ? '' : cloudSuffix(cloud)}${next ? '_NEXT' : ''}`;
        const file = environment[variable]?.trim();
        if (file === undefined || file === '') continue;
        const { validTo } = readPart(variable, file, (pem) => new X509Certificate(pem));
        const label = [application, cloud, next ? 'next' : undefined].filter((part) => part !== undefined);
        ends.set(label.join(' '), Date.parse(validTo));
      }
  return () => new Map([...ends].map(([label, end]) => [label, (end - Date.now()) / 1_000]));
}

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
