import type { AddressInfo } from 'node:net';
import { createServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type {
  Upstream,
  UpstreamCall,
  UpstreamExchange,
  UpstreamFailure,
  UpstreamTarget,
} from '../../src/outbound/upstream.ts';

/** A server that sends and does whatever a test tells it, right or wrong, over real sockets. */
export interface RawServer {
  readonly target: UpstreamTarget;
  /** Connections that were made so far. */
  connections(): number;
  open(): number;
  /** Heads of the requests in the order of their arrival. */
  readonly requests: string[];
  /** All bytes that came. */
  received(): string;
  /** Answers a request; `nth` counts from 1 over all connections. */
  answer: (socket: Socket, head: string, nth: number) => void;
  close(): Promise<void>;
}

export async function startRawServer(
  answer: RawServer['answer'],
  tls?: { readonly certificatePem: string; readonly keyPem: string },
): Promise<RawServer> {
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  let made = 0;
  let received = '';
  const onConnection = (socket: Socket): void => {
    made += 1;
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      received += chunk.toString('latin1');
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        // Before a request line there may be the body of the request before.
        const head = /[A-Z]+ \S+ HTTP\/1\.1\r\n[\s\S]*$/.exec(text.slice(0, end))?.[0];
        text = text.slice(end + 4);
        if (head === undefined) continue;
        requests.push(head);
        server.answer(socket, head, requests.length);
      }
    });
  };
  const listener = tls
    ? createTlsServer({ cert: tls.certificatePem, key: tls.keyPem }, onConnection)
    : createServer(onConnection);
  listener.on('tlsClientError', () => undefined);
  await new Promise<void>((done) => listener.listen(0, '127.0.0.1', done));
  const { port } = listener.address() as AddressInfo;
  const server: RawServer = {
    target: {
      origin: tls ? `https://localhost:${port}` : `http://127.0.0.1:${port}`,
      basePath: '',
      caCertificate: undefined,
    },
    connections: () => made,
    open: () => sockets.size,
    requests,
    received: () => received,
    answer,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => listener.close(done));
    },
  };
  return server;
}

/** An answer of one length. */
export const answerOf = (body: string, more = ''): string =>
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n${more}\r\n${body}`;

export interface Asked {
  readonly status: number | undefined;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
  readonly failure: UpstreamFailure | undefined;
}

/** Calls and collects everything; what came before a failure too. */
export function ask(
  upstream: Upstream,
  target: UpstreamTarget,
  more: Partial<UpstreamCall> = {},
  onExchange: (exchange: UpstreamExchange) => void = () => undefined,
): Promise<Asked> {
  return new Promise((resolve, reject) => {
    let status: number | undefined;
    const headers: (readonly [string, string])[] = [];
    const chunks: Uint8Array[] = [];
    let ends = 0;
    const settle = (failure: UpstreamFailure | undefined): void => {
      ends += 1;
      if (ends > 1) reject(new Error('ended twice'));
      const body = Buffer.concat(chunks).toString('latin1');
      // A second end would come right after the first.
      setTimeout(() => resolve({ status, headers, body, failure }), 0);
    };
    onExchange(
      upstream(
        { target, method: 'GET', path: '/', headerLines: '', body: undefined, ...more },
        {
          head: (head) => {
            if (status !== undefined) reject(new Error('two heads'));
            status = head.status;
            head.eachHeader((name, value) => headers.push([name, value]));
          },
          data: (chunk) => {
            if (status === undefined || ends > 0) reject(new Error('data outside of an answer'));
            chunks.push(chunk);
            return true;
          },
          end: () => settle(undefined),
          fail: settle,
        },
      ),
    );
  });
}

/** A body of a caller, in these pieces. */
export async function* pieces(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}
