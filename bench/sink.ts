import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { answerBytesHeader } from './crowd.ts';
import { answerQuestions } from './worker.ts';

/**
 * A server that reads each request and answers as many bytes as it is asked for, and does nothing else: what a noise costs the
 * machine that makes it, without the gateway.
 */

export interface SinkPlan {
  readonly certificatePem: string;
  readonly keyPem: string;
}

answerQuestions(async ({ certificatePem: cert, keyPem: key }: SinkPlan): Promise<{ origin: string }> => {
  let bytes: Buffer = Buffer.alloc(0);
  const server = createServer({ cert, key, keepAliveTimeout: 60_000 }, (incoming, outgoing) => {
    const length = Number(incoming.headers[answerBytesHeader] ?? 0);
    if (bytes.length < length) bytes = Buffer.alloc(length);
    incoming.resume().once('end', () => {
      outgoing.writeHead(200, { 'content-length': length });
      outgoing.end(bytes.subarray(0, length));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { origin: `https://localhost:${(server.address() as AddressInfo).port}` };
});
