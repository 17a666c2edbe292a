import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

const address = '127.0.0.1';
/** Below the range from which systems take ports for outgoing connections: nobody takes it by chance meanwhile. */
const [lowest, highest] = [20_000, 32_000];

/** Listens for a moment; undefined when the port is taken. */
function tryPort(port: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(undefined);
      else reject(error);
    });
    server.listen(port, address, () => {
      const bound = server.address();
      const found = typeof bound === 'object' && bound ? bound.port : undefined;
      server.close(() => resolve(found));
    });
  });
}

/** Ports of the gateway's listeners, known before it starts: its public URL is part of its configuration. */
export interface DemoPorts {
  readonly data: number;
  readonly admin: number;
  readonly ops: number;
}

/** Three that follow one another, for a container, whose published ports are known before. */
export const portsFrom = (base: number): DemoPorts => ({ data: base, admin: base + 1, ops: base + 2 });

/** The defaults of contract.md 2 where they are asked for and free, else any free ports. */
export async function findDemoPorts(preferDefaults: boolean): Promise<DemoPorts> {
  const taken = new Set<number>();
  const find = async (wanted: number): Promise<number> => {
    const preferred = preferDefaults ? await tryPort(wanted) : undefined;
    let port = preferred;
    while (port === undefined || taken.has(port)) port = await tryPort(randomInt(lowest, highest));
    taken.add(port);
    return port;
  };
  return { data: await find(8443), admin: await find(9443), ops: await find(9464) };
}
