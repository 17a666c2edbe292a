import { readFileSync } from 'node:fs';
import { connect, createServer, type TLSSocket } from 'node:tls';

/**
 * The limit of TLS on both sides with Node's own sockets, a process of its own: `node tls-relay.ts plan.json`. It opens a
 * connection for each of its callers' and passes bytes on as they come: nothing is parsed, checked or looked up.
 */

/** What the process is told, as a file of JSON. */
export interface RelayPlan {
  readonly port: number;
  readonly upstreamPort: number;
  /** PEM. */
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

const plan = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as RelayPlan;
const { ca, cert, key, port, upstreamPort } = plan;

function join(from: TLSSocket, to: TLSSocket): void {
  from.setNoDelay(true);
  from.on('data', (chunk: Buffer) => {
    to.write(chunk);
  });
  from.on('error', () => to.destroy());
  from.on('close', () => to.destroy());
}

/** Of the instance, for connections after the first. */
let session: Buffer | undefined;

const server = createServer({ cert, key, minVersion: 'TLSv1.2' }, (caller) => {
  const upstream = connect({
    ...{ host: '127.0.0.1', port: upstreamPort, servername: 'localhost', ca },
    ...(session === undefined ? {} : { session }),
  });
  upstream.on('session', (next: Buffer) => {
    session = next;
  });
  join(caller, upstream);
  join(upstream, caller);
});
// A caller that gives up in its handshake is no matter of the others.
server.on('tlsClientError', () => undefined);
server.listen(port, '127.0.0.1', 1_024);
