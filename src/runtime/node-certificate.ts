/** The self-signed pair that is made in the data directory for development, and what is read of certificates at a start. */

import { dayMs } from '../clock.ts';
import 'reflect-metadata';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import * as x509 from '@peculiar/x509';
import { settings } from './settings.ts';
import { describeFileError, StartFault } from './start-fault.ts';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const lifetimeDays = 365;
const renewBeforeDays = 30;

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

/** True where the pair can still be used, which is not so after a start that was cut off half way. */
function stillGood(certFile: string, keyFile: string, names: readonly string[]): boolean {
  if (!existsSync(certFile) || !existsSync(keyFile)) return false;
  try {
    const certificate = new X509Certificate(readFileSync(certFile));
    if (!certificate.checkPrivateKey(createPrivateKey(readFileSync(keyFile)))) return false;
    const left = Date.parse(certificate.validTo) - Date.now();
    const fits = names.every((name) =>
      isAddress(name) ? certificate.checkIP(name) : certificate.checkHost(name),
    );
    return left > renewBeforeDays * dayMs && fits;
  } catch (error) {
    // A file that cannot be read is reported; one that holds something else is made anew.
    if ((error as NodeJS.ErrnoException).syscall !== undefined) throw error;
    return false;
  }
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
  if (!stillGood(certFile, keyFile, names)) {
    const made = await makeDevelopmentPair(names);
    writeFileSync(keyFile, made.key, { mode: 0o600 });
    writeFileSync(certFile, made.cert);
  }
  return { certFile, keyFile };
}

export function readPart<T>(variable: string, file: string, read: (content: Buffer) => T): T {
  let content: Buffer;
  try {
    content = readFileSync(file);
  } catch (error) {
    throw new StartFault(variable, `${file}: ${describeFileError(error)}`, { cause: error });
  }
  try {
    return read(content);
  } catch (error) {
    throw new StartFault(variable, `${file}: ${(error as Error).message}`, { cause: error });
  }
}

/** Throws when it holds no certificate. */
export function checkClientCa(pem: string): void {
  try {
    new X509Certificate(pem);
    createSecureContext({ ca: pem });
  } catch (error) {
    const problem = `holds no certificate in PEM: ${(error as Error).message}`;
    throw new StartFault(settings.clientCaFile.name, problem, { cause: error });
  }
}
