import type { Socket } from 'node:net';

/**
 * Gives what a socket reads to a function at once, past the events, the buffer and the extra turns of `Readable`, which
 * cost more than reading a small message. Only while the socket flows and nothing waits in its buffer, that is when
 * `Readable` would emit `data` at once itself; else, and for the end, it goes the ordinary way. So a listener of `data` has
 * to be there, too, and pausing, ending and handing the socket on work as ever.
 */
export function readDirectly(socket: Socket, take: (chunk: Buffer) => void): () => void {
  let isDirect = true;
  // What a stream's source calls with each piece that it has read.
  const ordinary = socket.push;
  socket.push = (chunk: unknown, encoding?: BufferEncoding): boolean => {
    if (!isDirect || !Buffer.isBuffer(chunk) || !socket.readableFlowing || socket.readableLength > 0)
      return ordinary.call(socket, chunk, encoding);
    take(chunk);
    return true;
  };
  return () => {
    isDirect = false;
  };
}
