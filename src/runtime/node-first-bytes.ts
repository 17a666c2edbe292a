/**
 * Waits for the first bytes of a connection before TLS begins on it. A TLS socket that reads them itself takes 64 KiB for what
 * arrives encrypted, the most that one read may bring, and keeps them for as long as the connection lives; one that finds them
 * read takes what they need, and 16 KiB later. And a connection that says nothing has no TLS state at all.
 */

import type { Socket } from 'node:net';

/** Calls back once, with the bytes waiting in the socket. One that ends or breaks before that is closed. */
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
