import { X509Certificate } from 'node:crypto';
import type { ExpiringCertificate } from '../../alerts/expiring-certificate.ts';
import { applicationExpiry } from '../certificate-expiry.ts';
import type { Config } from '../config.ts';
import { type WorkerBindings, workerEnvironment } from './config.ts';

/** When the credentials of our applications end; no other certificate is a Worker's own. */
export function credentialExpiry(
  bindings: WorkerBindings,
  { clouds }: Pick<Config, 'clouds'>,
): () => readonly ExpiringCertificate[] {
  const endOf = (_variable: string, pem: string): string => new X509Certificate(pem).validTo;
  const ofApplications = applicationExpiry(workerEnvironment(bindings), [...clouds.keys()], endOf);
  return () =>
    [...ofApplications()].map(([name, seconds]) => ({ kind: 'application' as const, name, seconds }));
}
