import { createServer, type Server, type Socket, connect as tcpConnect } from 'node:net';

/**
 * The address of the database, as clients know it: a balancer or a floating IP that a failover manager moves from one
 * server to the other. What goes over it is not read.
 */
export interface DatabaseAddress {
  readonly port: number;
  /** From now on connections go there; undefined: nobody answers. Those that are open break. */
  moveTo(port: number | undefined): void;
  close(): Promise<void>;
}

const host = '127.0.0.1';

export async function openAddress(): Promise<DatabaseAddress> {
  let target: number | undefined;
  const open = new Set<Socket>();
  const keep = (socket: Socket): void => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
  };
  const breakAll = (): void => {
    for (const socket of open) socket.resetAndDestroy();
  };
  const server: Server = createServer({ noDelay: true }, (client) => {
    keep(client);
    if (target === undefined) {
      client.on('error', () => undefined);
      client.resetAndDestroy();
      return;
    }
    const upstream = tcpConnect({ host, port: target, noDelay: true });
    keep(upstream);
    // Whichever end breaks takes the other with it: a client must not wait on a server that is gone.
    const end = (): void => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) socket.on('error', end).on('close', end);
    client.pipe(upstream).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the address has no port');
  return {
    port: address.port,
    moveTo: (port) => {
      target = port;
      breakAll();
    },
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      breakAll();
      await closed;
    },
  };
}
