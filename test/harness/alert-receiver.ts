import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Authority } from '../../src/simulator/authority.ts';

/** A server that takes alerts, as the one of a customer or of a chat does. */

export interface Received {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: what was sent is what the tests look at
  readonly json: any;
}

export interface AlertReceiver {
  /** Its address, without a path. */
  readonly url: string;
  readonly received: Received[];
  /** Answers from now on with this status; `undefined`: it hangs. */
  answer(status: number | undefined, headers?: Record<string, string>): void;
  close(): Promise<void>;
}

export async function startAlertReceiver(authority: Authority): Promise<AlertReceiver> {
  const { certificatePem, keyPem } = await authority.issue(['localhost', '127.0.0.1']);
  const received: Received[] = [];
  let status: number | undefined = 200;
  let more: Record<string, string> = {};
  const server = createServer({ cert: certificatePem, key: keyPem }, async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    received.push({
      path: request.url ?? '',
      headers: request.headers as Record<string, string>,
      text,
      json: JSON.parse(text),
    });
    if (status !== undefined) response.writeHead(status, more).end('what a target says is not repeated');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `https://localhost:${(server.address() as AddressInfo).port}`,
    received,
    answer: (next, headers = {}) => {
      status = next;
      more = headers;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
