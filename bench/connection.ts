import { connect as connectPlain } from 'node:net';
import { connect as connectTls } from 'node:tls';

/**
 * A keep-alive HTTP/1.1 connection, over TLS where the origin says so, that does as little as a client can: the load generator must not need the
 * processor that it measures. One exchange at a time, answers with `content-length` or in chunks.
 */
export interface Connection {
  exchange(request: Outgoing): Promise<Answer>;
  close(): void;
}

export interface Outgoing {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body: string | null;
  /** Header lines, each with its line end. */
  readonly head: string;
}

export interface Answer {
  readonly status: number;
  readonly text: string;
  /** Of all of it, the header lines included. */
  readonly wireBytes: number;
}

const headEnd = Buffer.from('\r\n\r\n');

/** The answer once all of it is there. */
function readAnswer(bytes: Buffer): Answer | undefined {
  const end = bytes.indexOf(headEnd);
  if (end < 0) return undefined;
  const head = bytes.toString('latin1', 0, end).toLowerCase();
  const status = Number(head.slice(9, 12));
  const from = end + headEnd.length;
  const length = /\r\ncontent-length: (\d+)/.exec(head)?.[1];
  if (length !== undefined) {
    const to = from + Number(length);
    return bytes.length < to ? undefined : { status, text: bytes.toString('utf8', from, to), wireBytes: to };
  }
  if (!head.includes('\r\ntransfer-encoding: chunked'))
    throw new Error(`an answer without a length: ${head}`);
  let text = '';
  for (let at = from; ; ) {
    const line = bytes.indexOf('\r\n', at);
    if (line < 0) return undefined;
    const size = Number.parseInt(bytes.toString('latin1', at, line), 16);
    if (bytes.length < line + 2 + size + 2) return undefined;
    if (size === 0) return { status, text, wireBytes: line + 4 };
    text += bytes.toString('utf8', line + 2, line + 2 + size);
    at = line + 2 + size + 2;
  }
}

/** Resolves when the connection stands, its handshake included. `ca`: PEM, for TLS. */
export async function openConnection(origin: string, ca?: string): Promise<Connection> {
  const { hostname, port, protocol } = new URL(origin);
  const host = hostname.replace(/^\[|\]$/g, '');
  const address = { host, port: Number(port) };
  const isSecure = protocol === 'https:';
  const socket = isSecure ? connectTls({ ...address, ca, servername: 'localhost' }) : connectPlain(address);
  socket.setNoDelay(true);
  await new Promise<void>((resolve, reject) => {
    socket.once(isSecure ? 'secureConnect' : 'connect', resolve);
    socket.once('error', reject);
  });
  let got: Buffer = Buffer.alloc(0);
  let waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | undefined;
  const fail = (error: Error): void => waiting?.reject(error);
  socket.on('error', fail);
  socket.on('close', () => fail(new Error('the connection was closed in the middle of an exchange')));
  socket.on('data', (chunk: Buffer) => {
    got = got.length === 0 ? chunk : Buffer.concat([got, chunk]);
    try {
      const answer = readAnswer(got);
      if (!answer) return;
      got = Buffer.alloc(0);
      waiting?.resolve(answer);
    } catch (error) {
      fail(error as Error);
    }
  });
  return {
    exchange: ({ body, head, method, path }) =>
      new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        const length = body === null ? '' : `content-length: ${Buffer.byteLength(body)}\r\n`;
        socket.write(`${method} ${path} HTTP/1.1\r\nhost: ${hostname}\r\n${head}${length}\r\n${body ?? ''}`);
      }),
    close: () => {
      waiting = undefined;
      socket.destroy();
    },
  };
}
