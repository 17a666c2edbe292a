import {
  type ClientRequest,
  type IncomingMessage,
  type RequestListener,
  request,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
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

/** workerd reads no more of a body that its Worker does not take, and closes the connection. */
const takenUnreadBytes = 65_536;
const earlyAnswerMs = 500;

/**
 * Sends a body. A longer one waits for an answer to its head alone, which would be lost where the connection is closed while
 * the body is sent.
 */
async function send(
  incoming: IncomingMessage,
  onward: ClientRequest,
  answered: Promise<unknown>,
): Promise<void> {
  if (Number(incoming.headers['content-length'] ?? 0) > takenUnreadBytes) {
    onward.flushHeaders();
    const early = await Promise.race([answered.then(() => true), wait(earlyAnswerMs, false)]);
    if (early) return;
  }
  incoming.pipe(onward);
}

/** Ends an answer when the request has come to its end: a caller that still sends would be reset before it reads. */
function endAfter(incoming: IncomingMessage, outgoing: ServerResponse): void {
  if (incoming.complete) return void outgoing.end();
  incoming.unpipe();
  incoming.resume().on('end', () => outgoing.end());
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
    const answered = Promise.withResolvers<void>();
    onward.on('response', (answer) => {
      isAnswered = true;
      answered.resolve();
      outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders as never);
      answer.pipe(outgoing, { end: false });
      answer.on('error', () => outgoing.destroy());
      answer.on('end', () => endAfter(incoming, outgoing));
    });
    onward.on('error', () => {
      if (!isAnswered) outgoing.destroy();
    });
    outgoing.on('close', () => onward.destroy());
    incoming.on('error', () => onward.destroy());
    void send(incoming, onward, answered.promise);
  };

/** `host:port`, as the settings write it; answers the address in use. */
export async function listenOn(server: Server, listen: string): Promise<AddressInfo> {
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(listen) ?? [];
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(Number(port), host, resolve);
  });
  return server.address() as AddressInfo;
}
