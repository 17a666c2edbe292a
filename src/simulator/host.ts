import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import type { Clock } from './clock.ts';
import type { Faults } from './faults.ts';
import type { Journal } from './journal.ts';

/** The variables that every simulated service's handlers reach through `c`. */
export interface HostEnv {
  Bindings: HttpBindings;
  Variables: {
    /** Milliseconds by the world's clock, before any fault delayed it. */
    arrivedAt: number;
    /** Tenant of the request, for the journal; set before the handlers by `tenantOf`, they may correct it. */
    tenant: string | undefined;
    /** Facts for the journal. */
    note: Record<string, unknown> | undefined;
  };
}

/** Requests that a service works on: from their arrival until the answer is made. */
export interface Load {
  now(): number;
  /** The most at any one time since the last `reset`. */
  max(): number;
  reset(): void;
}

export interface Host {
  /** `https://localhost:<port>` */
  readonly origin: string;
  readonly port: number;
  readonly load: Load;
  /** Shows this certificate to whoever connects from now on. */
  present(certificate: { readonly certificatePem: string; readonly keyPem: string }): void;
  /** Breaks all connections and stops. */
  close(): Promise<void>;
}

export interface HostOptions {
  /** The journal's and the faults' name of this service, `graph:public`, `jamf:berlin`. */
  readonly service: string;
  readonly app: Hono<HostEnv>;
  /** Reads the request's tenant without trusting it (the tenant in the path, the token's `tid`). */
  readonly tenantOf: (c: Context<HostEnv>) => string | undefined;
  readonly certificate: { certificatePem: string; keyPem: string };
  /** 0 picks a free one. */
  readonly port: number;
  readonly world: { readonly clock: Clock; readonly faults: Faults; readonly journal: Journal };
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Counts around everything else, so that a fault's delay counts too, and ends before the caller has the answer. */
function createLoad(): Load & { readonly count: <T>(work: () => Promise<T>) => Promise<T> } {
  let now = 0;
  let max = 0;
  return {
    now: () => now,
    max: () => max,
    reset: () => {
      max = now;
    },
    count: async (work) => {
      now += 1;
      max = Math.max(max, now);
      try {
        return await work();
      } finally {
        now -= 1;
      }
    },
  };
}

/** A TLS server for one simulated service: faults first, then the service, and a journal of all of it. */
export async function startHost(options: HostOptions): Promise<Host> {
  const { app, service, world } = options;
  const outer = new Hono<HostEnv>();
  const { count, ...load } = createLoad();
  outer.use('*', (_, next) => count(next));
  outer.use('*', async (c, next) => {
    const path = c.req.url.slice(new URL(c.req.url).origin.length);
    const tenant = options.tenantOf(c);
    c.set('tenant', tenant);
    c.set('arrivedAt', world.clock.now());
    const journal = (status: number | 'reset'): void =>
      world.journal.add({
        arrivedAt: new Date(c.get('arrivedAt')).toISOString(),
        at: new Date(world.clock.now()).toISOString(),
        service,
        tenant: c.get('tenant'),
        method: c.req.method,
        path,
        status,
        clientRequestId: c.req.header('client-request-id'),
        requestId: c.req.header('x-request-id'),
        traceparent: c.req.header('traceparent'),
        userAgent: c.req.header('user-agent'),
        note: c.get('note'),
      });
    const reset = (): Response => {
      journal('reset');
      c.env.incoming.socket.destroy();
      return new Response(null, { headers: { 'x-hono-already-sent': 'true' } });
    };
    const fault = world.faults.take({ service, tenant, method: c.req.method, path });
    if (fault?.delayMs) await wait(fault.delayMs);
    if (fault?.reset === 'before') return reset();
    if (fault?.status !== undefined) {
      journal(fault.status);
      return c.body(fault.body ?? '', fault.status as 400, {
        'content-type': fault.contentType ?? 'text/plain',
        ...fault.headers,
      });
    }
    await next();
    if (fault?.reset === 'after') return reset();
    // A server says what its own clock says.
    c.res.headers.set('date', new Date(world.clock.now()).toUTCString());
    journal(c.res.status);
    return undefined;
  });
  outer.route('/', app);

  const server: Server = createServer(
    { cert: options.certificate.certificatePem, key: options.certificate.keyPem, minVersion: 'TLSv1.2' },
    getRequestListener(outer.fetch),
  );
  const sockets = new Set<Duplex>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    origin: `https://localhost:${port}`,
    port,
    load,
    present: ({ certificatePem, keyPem }) =>
      server.setSecureContext({ cert: certificatePem, key: keyPem, minVersion: 'TLSv1.2' }),
    close: async () => {
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
