/**
 * Loaded into each process of the gateway before its own code (NODE_OPTIONS): whoever connects to the process's socket in
 * `SOAK_PROBES` is told what it holds after a collection of everything. The product knows nothing of it.
 */

import { readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';

/** What a process holds. */
export interface Holding {
  readonly residentBytes: number;
  readonly heapBytes: number;
  /** Outside the heap, what buffers hold among it. */
  readonly externalBytes: number;
  readonly descriptors: number;
  /** Sockets, servers, timers and requests under way, as Node.js counts them. */
  readonly resources: number;
}

function hold(): Holding {
  globalThis.gc?.();
  const { external, heapUsed, rss } = process.memoryUsage();
  return {
    residentBytes: rss,
    heapBytes: heapUsed,
    externalBytes: external,
    descriptors: readdirSync('/proc/self/fd').length,
    resources: process.getActiveResourcesInfo().length,
  };
}

const dir = process.env.SOAK_PROBES;
if (dir !== undefined && isMainThread) {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.end(JSON.stringify(hold()));
  });
  // A process of a cluster would share the socket with the others.
  server.listen({ path: join(dir, `${process.pid}.sock`), exclusive: true });
  server.unref();
}
