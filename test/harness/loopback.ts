import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createNodeSend } from '../../src/outbound/node.ts';
import type { Send } from '../../src/outbound/port.ts';

/** A request as it arrived over the socket. */
export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export type LoopbackHandler = (request: SeenRequest, response: ServerResponse) => void | Promise<void>;

export interface Loopback {
  /** `https://127.0.0.1:port` as clients must see it; `send` takes it to the plain socket. */
  readonly origin: string;
  readonly send: Send;
  readonly seen: SeenRequest[];
  handle: LoopbackHandler;
  close(): Promise<void>;
}

/** A plain HTTP server on a real socket and the real Node connector to it, TLS left out. */
export async function startLoopback(): Promise<Loopback> {
  const seen: SeenRequest[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { method = '', url = '', headers } = request;
    const arrived = { method, url, headers, body: Buffer.concat(chunks).toString() };
    seen.push(arrived);
    await loopback.handle(arrived, response);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const node = createNodeSend({ permits: () => true });
  const loopback: Loopback = {
    origin: `https://127.0.0.1:${port}`,
    send: (request) => node.send({ ...request, url: request.url.replace(/^https:/, 'http:') }),
    seen,
    handle: (_request, response) => {
      response.writeHead(404).end();
    },
    close: async () => {
      await node.close();
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
  return loopback;
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
) {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}
