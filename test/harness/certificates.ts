import {
  type CertificateSource,
  createCertificateSource,
  createMemoryCertificates,
  type KeyPair,
  readCertificate,
} from '../../src/runtime/node-certificate-source.ts';
import type { Authority } from '../../src/simulator/authority.ts';
import { createLog } from '../../src/telemetry/log.ts';

/** A listener that presents this pair to everybody. */
export function presenting(pair: KeyPair): CertificateSource {
  const memory = createMemoryCertificates('files');
  memory.put([readCertificate(pair, 'the pair of a test')]);
  return createCertificateSource(
    [memory],
    createLog({ level: 'error', format: 'json', write: () => undefined }),
  );
}

export async function issuePair(
  authority: Authority,
  names: readonly string[],
  validity?: Parameters<Authority['issue']>[1],
): Promise<KeyPair & { readonly cert: string; readonly key: string }> {
  const { certificatePem, keyPem } = await authority.issue(names, validity);
  return { cert: certificatePem, key: keyPem };
}
