import 'reflect-metadata';
import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, unwatchFile, watchFile, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SecureContextOptions } from 'node:tls';
import * as x509 from '@peculiar/x509';
import type { Log } from '../telemetry/log.ts';

/** The certificate of the data and admin listeners: the operator's, or one made for development in the data dir. */

export interface ServerCertificate {
  current(): SecureContextOptions;
  /** Calls back with the new pair when the files change; a broken pair is logged and the old one stays. */
  onChange(apply: (pair: SecureContextOptions) => void): void;
  close(): void;
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const dayMs = 86_400_000;
const lifetimeDays = 365;
const renewBeforeDays = 30;
const lookEveryMs = 1_000;

x509.cryptoProvider.set(globalThis.crypto);

const isAddress = (name: string): boolean => /^[\d.]+$|:/.test(name);

async function makeDevelopmentPair(names: readonly string[]): Promise<{ cert: string; key: string }> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: crypto.randomUUID().replaceAll('-', ''),
    name: 'CN=Espalier development certificate',
    notBefore: new Date(Date.now() - dayMs),
    notAfter: new Date(Date.now() + lifetimeDays * dayMs),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: isAddress(value) ? ('ip' as const) : ('dns' as const), value })),
      ),
    ],
  });
  const key = x509.PemConverter.encode(
    await crypto.subtle.exportKey('pkcs8', keys.privateKey),
    'PRIVATE KEY',
  );
  return { cert: certificate.toString('pem'), key };
}

function stillGood(path: string, names: readonly string[]): boolean {
  if (!existsSync(path)) return false;
  const certificate = new X509Certificate(readFileSync(path));
  const left = Date.parse(certificate.validTo) - Date.now();
  const fits = names.every((name) =>
    isAddress(name) ? certificate.checkIP(name) : certificate.checkHost(name),
  );
  return left > renewBeforeDays * dayMs && fits;
}

/** The files of the development pair, made when there is none, it ends soon, or the public name is another. */
export async function developmentCertificate(
  dataDir: string,
  publicUrl: string,
): Promise<{ certFile: string; keyFile: string }> {
  const certFile = join(dataDir, 'tls.crt');
  const keyFile = join(dataDir, 'tls.key');
  const host = new URL(publicUrl).hostname.replace(/^\[|\]$/g, '');
  const names = [...new Set(['localhost', '127.0.0.1', '::1', host])];
  if (!stillGood(certFile, names) || !existsSync(keyFile)) {
    const made = await makeDevelopmentPair(names);
    writeFileSync(keyFile, made.key, { mode: 0o600 });
    writeFileSync(certFile, made.cert);
  }
  return { certFile, keyFile };
}

export function watchCertificate(certFile: string, keyFile: string, log: Log): ServerCertificate {
  const read = (): SecureContextOptions => ({ cert: readFileSync(certFile), key: readFileSync(keyFile) });
  let current = read();
  const listeners: ((pair: SecureContextOptions) => void)[] = [];
  const reload = (): void => {
    try {
      const next = read();
      for (const apply of listeners) apply(next);
      current = next;
      log.info('tls.reloaded', { certFile });
    } catch (error) {
      log.error('tls.reload-failed', { certFile, error });
    }
  };
  for (const file of [certFile, keyFile])
    watchFile(file, { interval: lookEveryMs, persistent: false }, reload);
  return {
    current: () => current,
    onChange: (apply) => {
      listeners.push(apply);
    },
    close: () => {
      for (const file of [certFile, keyFile]) unwatchFile(file, reload);
    },
  };
}
