import type { Socket } from 'node:net';

/**
 * The two ways in which small messages come from a socket: through Node's public streams, or past them
 * (src/runtime/lane/node-internals.ts), which is faster and does the same. What is promised here holds for both.
 */
export interface SocketAccess {
  /**
   * `take` may be given what is read past the event `data`, so a listener of `data` that does the same has to be there,
   * too. It has the bytes until it returns: whatever it keeps of them it copies. `bytes` is how much one read brings at
   * most, 16 KiB or less. The socket is connected.
   */
  read(socket: Socket, bytes: number, take: (chunk: Buffer) => void): SocketReads;
}

export interface SocketReads {
  /** Ends direct reading: from now on everything that is read comes by the event `data`. */
  stop(): void;
  /** Nothing of what was read stays in memory that outlives the read, nor the memory itself. */
  wipe(): void;
}

/** Reads of sockets whose data all comes by the stream's own event: there is nothing to stop or to wipe. */
export const readsOfStream: SocketReads = { stop: () => undefined, wipe: () => undefined };

/** Works on every version of Node.js. */
export const publicStreams: SocketAccess = { read: () => readsOfStream };
