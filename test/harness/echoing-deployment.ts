import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Authority } from '../../src/simulator/authority.ts';

/** What a relay is set to, where all that counts is that a tenant is found there: it says a validation token back. */
export async function startEchoingDeployment(
  authority: Authority,
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const { certificatePem, keyPem } = await authority.issue(['localhost']);
  const server = createServer({ cert: certificatePem, key: keyPem }, (request, response) => {
    const { searchParams } = new URL(request.url ?? '', 'https://localhost');
    response.end(searchParams.get('validationToken') ?? '');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `https://localhost:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
