/**
 * Port 80 for `http-01` (RFC 8555, 8.3): it answers the token of an open challenge and nothing else. Whatever else comes is
 * 404 without a body, and what is no HTTP is closed without a word, so that nobody learns what stands behind it.
 */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { KeyAuthorizationOf } from '../acme/http-answers.ts';
import { createAnswerHeaders } from '../gateway/answer-headers.ts';
import { headersTimeoutMs } from '../limits.ts';
import { boundConnections, type ConnectionBounds } from './node-connections.ts';
import type { ListenAddress } from './settings.ts';

export interface AcmeListener {
  readonly port: number;
  /** Answers challenges from now on; until then there are none. */
  serve(answerOf: KeyAuthorizationOf): void;
  close(): Promise<void>;
}

/** A token has 128 bits of entropy at least, in base64url. */
const challengePath = /^\/\.well-known\/acme-challenge\/([A-Za-z0-9_-]{22,128})$/;
const common = Object.fromEntries(createAnswerHeaders().entries);
/** An authority sends a few hundred bytes. */
const maxHeaderBytes = 4_096;

/** A connection is not kept: an authority asks once from each of its places. */
const closing = { ...common, connection: 'close' };

const answerNothing = (response: ServerResponse): void => {
  response.writeHead(404, { ...closing, 'content-length': 0 }).end();
};

export async function listenForAcme(
  { host, port }: ListenAddress,
  bounds: ConnectionBounds,
): Promise<AcmeListener> {
  let answerOf: KeyAuthorizationOf = async () => undefined;
  const answer = async ({ method, url = '' }: IncomingMessage, response: ServerResponse): Promise<void> => {
    const token = method === 'GET' ? challengePath.exec(url)?.[1] : undefined;
    const found = token === undefined ? undefined : await answerOf(token);
    if (found === undefined) answerNothing(response);
    else
      response
        .writeHead(200, {
          ...closing,
          'content-type': 'application/octet-stream',
          'content-length': found.length,
        })
        .end(found);
  };
  const server = createServer(
    {
      headersTimeout: headersTimeoutMs,
      requestTimeout: headersTimeoutMs,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: maxHeaderBytes,
      requireHostHeader: false,
    },
    (request, response) => {
      answer(request, response).catch(() => response.destroy());
    },
  );
  // Node would answer each of these in words of its own.
  server.on('clientError', (_, socket) => socket.destroy());
  for (const event of ['checkContinue', 'checkExpectation'])
    server.on(event, (_, response: ServerResponse) => answerNothing(response));
  server.on('upgrade', (_, socket) => socket.destroy());
  server.on('connect', (_, socket) => socket.destroy());
  boundConnections(server, bounds, { isTls: false, idleMs: headersTimeoutMs });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    serve: (next) => {
      answerOf = next;
    },
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}
