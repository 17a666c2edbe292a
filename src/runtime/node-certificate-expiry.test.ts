import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAuthority } from '../simulator/authority.ts';
import { readCertificateExpiry } from './node-certificate-expiry.ts';

describe('expiry of the certificates of applications', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'espalier-expiry-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it('is known of each application, in each cloud, and of the next one', async () => {
    const authority = await createAuthority();
    const days = {
      CERT_FILE: 10,
      CERT_FILE_NEXT: 400,
      CERT_FILE_USGOV_DOD: 20,
      CERT_FILE_USGOV_DOD_NEXT: 30,
    };
    const environment: Record<string, string> = {};
    for (const [name, count] of Object.entries(days)) {
      const notAfter = new Date(Date.now() + count * 86_400_000);
      const { certificatePem } = await authority.issue(['app'], { notBefore: new Date(0), notAfter });
      const file = join(dir, name);
      writeFileSync(file, certificatePem);
      environment[`ESPALIER_ENTRA_${name}`] = file;
      if (name === 'CERT_FILE') {
        environment.ESPALIER_DIAGNOSTIC_CERT_FILE = file;
        environment.ESPALIER_OPERATOR_CERT_FILE = file;
      }
    }
    const expiry = readCertificateExpiry(environment, ['public', 'usgov', 'usgov-dod'])();
    expect([...expiry].map(([label, seconds]) => [label, Math.round(seconds / 86_400)])).toEqual([
      ['connector', 10],
      ['connector next', 400],
      ['connector usgov-dod', 20],
      ['connector usgov-dod next', 30],
      ['diagnostic', 10],
      ['operators', 10],
    ]);
  });

  it('is that of the certificate in use, also when its file is gone', async () => {
    const file = join(dir, 'connector.crt');
    writeFileSync(file, (await (await createAuthority()).issue(['app'])).certificatePem);
    const expiry = readCertificateExpiry({ ESPALIER_ENTRA_CERT_FILE: file }, []);
    rmSync(file);
    expect([...expiry().keys()]).toEqual(['connector']);
  });

  it('ends the start at a file that holds no certificate, naming the variable', () => {
    const file = join(dir, 'connector.crt');
    writeFileSync(file, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
    const read = () => readCertificateExpiry({ ESPALIER_ENTRA_CERT_FILE_USGOV_NEXT: file }, ['usgov']);
    expect(read).toThrow(/^ESPALIER_ENTRA_CERT_FILE_USGOV_NEXT .*connector\.crt: /);
  });

  it('is nothing where secrets are used', () => {
    expect(readCertificateExpiry({ ESPALIER_ENTRA_CERT_FILE: '' }, ['public'])().size).toBe(0);
  });
});
