import { type IncomingMessage, type RequestListener, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { TLSSocket } from 'node:tls';

/** What Cloudflare's network is before a Worker: the listener that callers reach, and what it says of them. */

export interface Behind {
  /** Port of workerd on this machine. */
  readonly port: number;
  /** Name of the Worker. */
  readonly worker: string;
  /** Address under which the Worker believes to be called. */
  readonly origin: string;
}

/** Headers that only the network before a Worker sets; a caller's own never reach it. */
const isNetworks = (name: string): boolean => /^(?:cf|mf)-/i.test(name);

/** What `request.cf` says of a caller's certificate; undefined where it presents none. */
function clientAuth({ socket }: IncomingMessage): Record<string, string> | undefined {
  const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
  if (!certificate) return undefined;
  const { authorizationError, authorized } = socket as TLSSocket;
  return {
    certPresented: '1',
    certVerified: authorized ? 'SUCCESS' : `FAILED:${authorizationError}`,
    certRevoked: '0',
    certFingerprintSHA256: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
  };
}

/** Flat names and values, as they came. */
function headersOf(incoming: IncomingMessage, { origin, worker }: Behind): string[] {
  const { rawHeaders, socket, url } = incoming;
  const tlsClientAuth = clientAuth(incoming);
  const own = [
    ['CF-Connecting-IP', socket.remoteAddress ?? ''],
    ...(tlsClientAuth === undefined ? [] : [['MF-CF-Blob', JSON.stringify({ tlsClientAuth })]]),
    ['MF-Original-URL', `${origin}${url}`],
    ['MF-Route-Override', worker],
    // A Worker's failure is its own answer, and no page for developers.
    ['MF-Disable-Pretty-Error', 'true'],
  ];
  const theirs: string[] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2)
    if (!isNetworks(rawHeaders[at] ?? '')) theirs.push(rawHeaders[at] ?? '', rawHeaders[at + 1] ?? '');
  return [...theirs, ...own.flat()];
}

/**
 * Hands a request to the Worker and its answer back, byte by byte; who leaves ends the other side, too. An answer that comes
 * before the end of the body stands, though workerd takes no more of the body then.
 */
export const handTo =
  (behind: Behind): RequestListener =>
  (incoming, outgoing) => {
    const { method } = incoming;
    const onward = request({
      ...{ host: '127.0.0.1', port: behind.port, path: '/', method, setHost: false },
      headers: headersOf(incoming, behind) as never,
    });
    let isAnswered = false;
    onward.on('response', (answer) => {
      isAnswered = true;
      outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders as never);
      answer.pipe(outgoing);
      answer.on('error', () => outgoing.destroy());
    });
    onward.on('error', () => {
      if (!isAnswered) outgoing.destroy();
    });
    outgoing.on('close', () => onward.destroy());
    incoming.on('error', () => onward.destroy());
    incoming.pipe(onward);
  };

/** `host:port`, as the settings write it; answers the address in use. */
export async function listenOn(server: Server, listen: string): Promise<AddressInfo> {
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(listen) ?? [];
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(Number(port), host, resolve);
  });
  return server.address() as AddressInfo;
}
