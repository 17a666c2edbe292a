/**
 * Looks at the first bytes of a connection before whatever reads it gets them: `onFirstBytes` before TLS, `checkFirstBytes`
 * before Node's parser of HTTP.
 */

import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Waits for the first bytes of a connection before TLS begins on it. A TLS socket that reads them itself takes 64 KiB for what
 * arrives encrypted, the most that one read may bring, and keeps them for as long as the connection lives; one that finds them
 * read takes what they need, and 16 KiB later. And a connection that says nothing has no TLS state at all. Calls back once,
 * with the bytes waiting in the socket. One that ends or breaks before that is closed.
 */
export function onFirstBytes(socket: Socket, begin: () => void): void {
  const onError = (): void => {
    socket.destroy();
  };
  const look = (): void => {
    socket.off('error', onError);
    // A connection that ended is readable as well.
    if (socket.readableLength > 0) begin();
    else socket.destroy();
  };
  if (socket.readableLength > 0) begin();
  else socket.on('error', onError).once('readable', look);
}

const cr = 0x0d;
const lf = 0x0a;

/** Index of the request line behind empty lines; `undefined`: it has not come yet; -1: what stands before it are no lines. */
function requestLineAt(bytes: Buffer): number | undefined {
  let at = 0;
  while (bytes[at] === cr && bytes[at + 1] === lf) at += 2;
  const first = bytes[at];
  if (first === lf || (first === cr && at + 1 < bytes.length)) return -1;
  return first === undefined || first === cr ? undefined : at;
}

/** Calls back once, with the socket paused and the request line first in it, or with what is no HTTP. */
function onRequestLine(socket: Socket, done: (isHttp: boolean) => void): void {
  let last = Buffer.alloc(0);
  const onError = (): void => {
    socket.destroy();
  };
  const onEnd = (): void => {
    socket.end();
  };
  const onData = (chunk: Buffer): void => {
    const bytes = Buffer.concat([last, chunk]);
    const at = requestLineAt(bytes);
    if (at === undefined) {
      // Half of a line's end; lines that are whole are forgotten.
      last = Buffer.from(bytes.at(-1) === cr ? [cr] : []);
      return;
    }
    socket.off('data', onData).pause();
    if (at >= 0) {
      socket.off('error', onError).off('end', onEnd);
      socket.unshift(bytes.subarray(at));
    }
    done(at >= 0);
    socket.resume();
  };
  socket.on('data', onData).on('error', onError).on('end', onEnd);
}

/**
 * Lets only empty lines stand before the first request of a connection (RFC 9112, 2.2): Node's parser passes over CRs and
 * LFs in any order, which another reader may take for something else. To be called before anything else takes connections.
 */
export function checkFirstBytes(server: Server, isTls: boolean): void {
  const event = isTls ? 'secureConnection' : 'connection';
  const takes = server.listeners(event) as ((this: Server, socket: Socket) => void)[];
  const pass = (socket: Socket): void => {
    for (const take of takes) take.call(server, socket);
  };
  server.removeAllListeners(event).on(event, (socket: Socket) => {
    // The fast lane has answered requests on it, and looked at the first bytes.
    if (socket.bytesWritten > 0) pass(socket);
    else
      onRequestLine(socket, (isHttp) => {
        if (isHttp) pass(socket);
        else server.emit('clientError', new Error('a line end that is no CRLF'), socket);
      });
  });
}
