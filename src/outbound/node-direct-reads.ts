import { Socket } from 'node:net';

/**
 * Gives what a socket reads to a function at once, in a buffer that the connection keeps for all its reads: past the events,
 * the buffer and the extra turns of `Readable`, and without a new piece of memory for each message, all of which cost more
 * than reading a small message does. Only while the socket flows and nothing waits in its stream, that is when `Readable`
 * would emit `data` at once itself; else, and for the end, it goes the ordinary way. So a listener of `data` has to be
 * there, too, and pausing, ending and handing the socket on work as ever.
 *
 * It is what the option `onread` of `net.connect` does, for sockets that a server accepted, which have no such option.
 * Where Node has it in another form, every read goes the ordinary way.
 */

/** What `onread` leaves in a socket, by the names of its symbols; in Node since 12. */
interface ReadingInto {
  readonly buffer: symbol;
  readonly callback: symbol;
  readonly nextBuffer: symbol;
}

interface Handle {
  useUserBuffer?(buffer: Uint8Array): void;
}

function findSymbols(): ReadingInto | undefined {
  const made = new Socket({ onread: { buffer: new Uint8Array(1), callback: () => true } });
  const named = (name: string): symbol | undefined =>
    Object.getOwnPropertySymbols(made).find(({ description }) => description === name);
  const [buffer, callback, nextBuffer] = [named('kBuffer'), named('kBufferCb'), named('kBufferGen')];
  made.destroy();
  return buffer && callback && nextBuffer ? { buffer, callback, nextBuffer } : undefined;
}

let symbols: ReadingInto | undefined;
let isLookedFor = false;
function readingInto(): ReadingInto | undefined {
  if (!isLookedFor) {
    isLookedFor = true;
    symbols = findSymbols();
  }
  return symbols;
}

export interface DirectReads {
  /** From now on it reads the ordinary way. */
  stop(): void;
  /** Nothing of what was read stays in the buffer. */
  wipe(): void;
}

const ordinary: DirectReads = { stop: () => undefined, wipe: () => undefined };

/**
 * `take` has the bytes until it returns: whatever it keeps of them it copies. `bytes` is how much one read brings at most.
 * The socket is connected.
 */
export function readDirectly(socket: Socket, bytes: number, take: (chunk: Buffer) => void): DirectReads {
  const into = readingInto();
  const { _handle: handle } = socket as unknown as { readonly _handle: Handle | null };
  if (into === undefined || typeof handle?.useUserBuffer !== 'function') return ordinary;
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
