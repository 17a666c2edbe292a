import { X509Certificate } from 'node:crypto';
import { cloudSuffix } from './config.ts';
import { readPart } from './node-certificate.ts';
import { settings } from './settings.ts';

/** Certificates with which the gateway signs in at Microsoft, for the metric and for what the overview warns of. */

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
