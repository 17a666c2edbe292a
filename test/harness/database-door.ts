import { createServer, connect as dial, type Server, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { freePort } from './ports.ts';

/** The address of a database that can be away, refuse in PostgreSQL's own words, or lead to a real one. */
export interface DatabaseDoor {
  readonly port: number;
  /** Connections are refused from now on, and the open ones are cut. */
  close(): Promise<void>;
  /** The same, by a reset instead of an end. */
  reset(): Promise<void>;
  /** Every connection is led to the database at this URL. */
  leadTo(url: string): Promise<void>;
  /** Every connection is met by this. */
  meetBy(meet: (socket: Socket) => void): Promise<void>;
}

export async function openDoor(): Promise<DatabaseDoor> {
  const port = await freePort();
  const sockets = new Set<Socket>();
  let server: Server | undefined;
  const close = async (): Promise<void> => {
    const old = server;
    server = undefined;
    for (const socket of sockets) socket.destroy();
    if (old) await new Promise((closed) => old.close(closed));
  };
  const reset = (): Promise<void> => {
    for (const socket of sockets) socket.resetAndDestroy();
    return close();
  };
  const meetBy = async (meet: (socket: Socket) => void): Promise<void> => {
    await close();
    server = createServer((socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
      meet(socket);
    });
    await new Promise<void>((opened) => server?.listen(port, '127.0.0.1', opened));
  };
  return {
    port,
    close,
    reset,
    meetBy,
    leadTo: (url) => meetBy(leadingTo(url)),
  };
}

/** Leads to the database at this URL. */
export const leadingTo =
  (url: string) =>
  (socket: Socket): void => {
    const { hostname, port } = new URL(url);
    const other = dial(Number(port), hostname);
    other.on('error', () => socket.destroy()).on('close', () => socket.destroy());
    socket.on('close', () => other.destroy());
    socket.pipe(other).pipe(socket);
  };

/** ErrorResponse of the protocol's version 3: severity, code, message. */
function errorResponse(code: string, message: string): Buffer {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C${code}\0M${message}\0\0`);
  const head = Buffer.alloc(5);
  head.write('E');
  head.writeInt32BE(fields.byteLength + 4, 1);
  return Buffer.concat([head, fields]);
}

/** Says this to the first message, as a server does that takes no connection. */
export const refusing =
  (code: string, message: string) =>
  (socket: Socket): void => {
    socket.once('data', () => socket.end(errorResponse(code, message)));
  };

/** Hangs up in the middle of the first message. */
export const cutting = (socket: Socket): void => {
  socket.once('data', () => socket.destroy());
};

/** Agrees to TLS and hangs up before there is any. */
export const cuttingTls = (socket: Socket): void => {
  socket.once('data', () => {
    socket.write('S');
    socket.once('data', () => socket.destroy());
  });
};

/** Agrees to TLS and shows this certificate. */
export const showing =
  (pair: { readonly certificatePem: string; readonly keyPem: string }) =>
  (socket: Socket): void => {
    socket.once('data', () => {
      socket.write('S');
      new TLSSocket(socket, { isServer: true, cert: pair.certificatePem, key: pair.keyPem }).on('error', () =>
        socket.destroy(),
      );
    });
  };
