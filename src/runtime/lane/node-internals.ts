/**
 * Reads past Node's streams. Everything in the product that touches what Node does not document (a socket's
 * handle, symbols found by their names) is in this file; `.ci/node-internals.ts` refuses it elsewhere. Nothing here runs
 * by default: socket-choice.ts asks for it only on majors of Node that are tested and after a child
 * process has tried it (self-test.ts), for a mistake here ends the process.
 */

import { Socket } from 'node:net';
import { readsOfStream, type SocketAccess, type SocketReads } from '../../outbound/node-sockets.ts';

/** Majors of Node whose internals these are; `npm run test:nodes` runs the tests on each of them. */
export const internalsKnownOf: readonly number[] = [24, 26];

/** Throws where this Node does not have what is needed; nothing has been touched then. */
export function openInternals(version: string = process.versions.node): SocketAccess {
  if (!internalsKnownOf.includes(Number.parseInt(version, 10)))
    throw new Error(`the internals of Node ${version} are not known`);
  const way = { symbols: findSymbols(), arrival: Buffer.alloc(maxReadBytes) };
  return { read: (socket, bytes, take) => readPastStream(way, socket, bytes, take) };
}

/** What one read brings at most, of the connection that reads the most. */
const maxReadBytes = 16_384;
/** A connection's own buffer begins with the size of a small message, for most never need more. */
const firstBufferBytes = 2_048;

interface DirectWay {
  readonly symbols: ReadingInto;
  /**
   * All reads of all sockets are written into this one, and copied out of it and wiped before anything else happens. Node
   * drops a read of a socket that is destroyed meanwhile: its bytes stay until others are written over them, and nobody gets
   * them, for no more is copied than the read brought.
   */
  readonly arrival: Buffer;
}

interface Handle {
  useUserBuffer?(buffer: Uint8Array): void;
}

const handleOf = (socket: Socket): Handle | null | undefined =>
  (socket as unknown as { readonly _handle: Handle | null | undefined })._handle;

/** Symbols under which the option `onread` of `net.connect` keeps its state in a socket; in Node since 12. */
interface ReadingInto {
  readonly buffer: symbol;
  readonly callback: symbol;
  readonly nextBuffer: symbol;
}

function findSymbols(): ReadingInto {
  const made = new Socket({ onread: { buffer: new Uint8Array(1), callback: () => true } });
  const named = (name: string): symbol => {
    const found = Object.getOwnPropertySymbols(made).find(({ description }) => description === name);
    if (found === undefined) throw new Error(`sockets of this Node have no symbol ${name}`);
    return found;
  };
  try {
    return { buffer: named('kBuffer'), callback: named('kBufferCb'), nextBuffer: named('kBufferGen') };
  } finally {
    made.destroy();
  }
}

/**
 * Gives what a socket reads to a function at once, in a buffer that the connection keeps for its reads while it is in use:
 * past the events, the buffer and the extra turns of `Readable`, and without a new piece of memory for each message, all of
 * which cost more than reading a small message does. Only while the socket flows and nothing waits in its stream, that is
 * when `Readable` would emit `data` at once itself; else, and for the end, it goes the ordinary way, so that pausing, ending
 * and handing the socket on work as ever.
 *
 * It is what the option `onread` of `net.connect` does, for sockets that a server accepted, which have no such option. That
 * wants a buffer which is there before a read: one of its own for each of thousands of idle connections would be most of
 * what they hold, so they have one in common, and a function is given a copy, which belongs to one connection.
 */
function readPastStream(
  { arrival, symbols }: DirectWay,
  socket: Socket,
  bytes: number,
  take: (chunk: Buffer) => void,
): SocketReads {
  const handle = handleOf(socket);
  if (typeof handle?.useUserBuffer !== 'function') return readsOfStream;
  let isDirect = true;
  let own = nothing;
  /** The part of it that was read last: the messages of one connection are often of one length. */
  let view = nothing;
  const copyOut = (length: number): void => {
    if (own.length < length) {
      own.fill(0);
      own = Buffer.allocUnsafeSlow(Math.min(bytes, Math.max(length, firstBufferBytes, 2 * own.length)));
      view = own.subarray(0, length);
    } else if (view.length !== length) view = own.subarray(0, length);
    arrival.copy(own, 0, 0, length);
    arrival.fill(0, 0, length);
  };
  const onRead = (length: number): boolean => {
    if (!isDirect || !socket.readableFlowing || socket.readableLength > 0) {
      const kept = Buffer.from(arrival.subarray(0, length));
      arrival.fill(0, 0, length);
      return socket.push(kept);
    }
    copyOut(length);
    take(view);
    return true;
  };
  const place = arrival.subarray(0, bytes);
  Object.assign(socket, { [symbols.buffer]: place, [symbols.callback]: onRead, [symbols.nextBuffer]: null });
  handle.useUserBuffer(place);
  return {
    stop: () => {
      isDirect = false;
    },
    wipe: () => {
      own.fill(0);
      own = nothing;
      view = nothing;
    },
  };
}

const nothing = Buffer.alloc(0);
