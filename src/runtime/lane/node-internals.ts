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
  const symbols = findSymbols();
  return { read: (socket, bytes, take) => readPastStream(symbols, socket, bytes, take) };
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
 * Gives what a socket reads to a function at once, in a buffer that the connection keeps for all its reads: past the events,
 * the buffer and the extra turns of `Readable`, and without a new piece of memory for each message, all of which cost more
 * than reading a small message does. Only while the socket flows and nothing waits in its stream, that is when `Readable`
 * would emit `data` at once itself; else, and for the end, it goes the ordinary way, so that pausing, ending and handing
 * the socket on work as ever.
 *
 * It is what the option `onread` of `net.connect` does, for sockets that a server accepted, which have no such option.
 */
function readPastStream(
  into: ReadingInto,
  socket: Socket,
  bytes: number,
  take: (chunk: Buffer) => void,
): SocketReads {
  const handle = handleOf(socket);
  if (typeof handle?.useUserBuffer !== 'function') return readsOfStream;
  let isDirect = true;
  const buffer = Buffer.allocUnsafeSlow(bytes);
  /** The part of it that was read last: the messages of one connection are often of one length. */
  let view = buffer;
  const onRead = (length: number): boolean => {
    if (view.length !== length) view = buffer.subarray(0, length);
    if (!isDirect || !socket.readableFlowing || socket.readableLength > 0)
      return socket.push(Buffer.from(view));
    take(view);
    return true;
  };
  Object.assign(socket, { [into.buffer]: buffer, [into.callback]: onRead, [into.nextBuffer]: null });
  handle.useUserBuffer(buffer);
  return {
    stop: () => {
      isDirect = false;
    },
    wipe: () => {
      buffer.fill(0);
    },
  };
}
