/**
 * Small messages past Node's streams. Everything in the product that touches what Node does not document (a socket's
 * handle, symbols found by their names) is in this file; `.ci/node-internals.ts` refuses it elsewhere. Nothing here runs
 * by default: socket-choice.ts asks for it only on majors of Node that are tested and after a child
 * process has tried it (self-test.ts), for a mistake here ends the process.
 */

import { Socket } from 'node:net';
import { getSystemErrorName } from 'node:util';
import {
  readsOfStream,
  type SocketAccess,
  type SocketReads,
  type SocketWriter,
  writerOfStream,
} from '../../outbound/node-sockets.ts';

/**
 * Form in which the handles of a major take a write. `given`: the caller gives an object that stands for it.
 * `returned`: the handle makes that object itself, where the write was not done at once.
 */
const writeForms: ReadonlyMap<number, 'given' | 'returned'> = new Map([
  [24, 'given'],
  [26, 'returned'],
]);

/** Majors of Node whose internals these are; `npm run test:nodes` runs the tests on each of them. */
export const internalsKnownOf: readonly number[] = [...writeForms.keys()];

/** Throws where this Node does not have what is needed; nothing has been touched then. */
export function openInternals(version: string = process.versions.node): SocketAccess {
  const form = writeForms.get(Number.parseInt(version, 10));
  if (form === undefined) throw new Error(`the internals of Node ${version} are not known`);
  const symbols = findSymbols();
  const Request = form === 'given' ? writeRequestClass() : undefined;
  const past = (socket: Socket): SocketWriter =>
    Request === undefined ? new DispatchingWriter(socket) : new RequestWriter(socket, Request);
  return {
    // TLS encrypts in its stream.
    writer: (socket) => ('encrypted' in socket ? writerOfStream(socket) : past(socket)),
    read: (socket, bytes, take) => readPastStream(symbols, socket, bytes, take),
  };
}

/** Node 24: stands for a write that the system did not take at once. */
interface WriteRequest {
  handle: unknown;
  oncomplete: (status: number) => void;
  /** Id from `AsyncWrap`: -1 as long as no write of Node's is attached to it. */
  getAsyncId(): number;
}

/** Node 26: the same, made by the handle. */
interface DispatchedWrite {
  oncomplete: (status: number) => void;
  /** A value other than null means that it was done before `oncomplete` could be there. */
  readonly writeStatus: number | null;
}

interface Handle {
  useUserBuffer?(buffer: Uint8Array): void;
  writeLatin1String(request: WriteRequest | null, text: string): number | DispatchedWrite;
}

const handleOf = (socket: Socket): Handle | null | undefined =>
  (socket as unknown as { readonly _handle: Handle | null | undefined })._handle;

/** Throws where the process may not have it (`--permission`). */
function writeRequestClass(): new () => WriteRequest {
  const { binding } = process as unknown as {
    readonly binding: (name: string) => { readonly WriteWrap?: new () => WriteRequest };
  };
  const { WriteWrap } = binding('stream_wrap');
  if (WriteWrap === undefined) throw new Error('this Node has no WriteWrap');
  return WriteWrap;
}

/** Node tries to write up to so many bytes at once, without memory of its own (`StreamBase::WriteString`). */
const atOnceBytes = 16_384;

/**
 * Writes at once while nothing waits to be written; else it goes the ordinary way. What the system does not take at once
 * waits in Node's own queue, and from then on the socket's, until it is gone.
 */
abstract class HandleWriter implements SocketWriter {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }
  write(text: string): void {
    const socket = this.#socket;
    const handle = handleOf(socket);
    const isReady = handle && !socket.connecting && socket.writable && socket.writableLength === 0;
    if (!isReady || text.length > atOnceBytes || this.isWriting()) socket.write(text, 'latin1');
    else this.begin(handle, text);
  }
  hasUnsent(): boolean {
    return this.#socket.writableLength > 0 || this.isWriting();
  }
  /**
   * True while Node is still at a write that was begun here: with a second one the process would end. An empty queue
   * would not say so, for the end of what was written a moment later may not have been reported yet.
   */
  protected abstract isWriting(): boolean;
  protected abstract begin(handle: Handle, text: string): void;

  protected ended(status: number): void {
    if (status >= 0 || this.#socket.destroyed) return;
    const code = getSystemErrorName(status);
    this.#socket.destroy(
      Object.assign(new Error(`write ${code}`), { code, errno: status, syscall: 'write' }),
    );
  }
}

/** Node 24. One object stands for all writes of the socket. */
class RequestWriter extends HandleWriter {
  readonly #request: WriteRequest;

  constructor(socket: Socket, Request: new () => WriteRequest) {
    super(socket);
    this.#request = new Request();
    this.#request.oncomplete = (status) => this.ended(status);
  }
  protected isWriting(): boolean {
    return this.#request.getAsyncId() !== -1;
  }
  protected begin(handle: Handle, text: string): void {
    this.#request.handle = handle;
    this.ended(handle.writeLatin1String(this.#request, text) as number);
  }
}

/** Node 26. */
class DispatchingWriter extends HandleWriter {
  #dispatched: DispatchedWrite | undefined;

  protected isWriting(): boolean {
    return this.#dispatched !== undefined;
  }
  protected begin(handle: Handle, text: string): void {
    const result = handle.writeLatin1String(null, text);
    if (typeof result === 'number') {
      this.ended(result);
      return;
    }
    result.oncomplete = (status) => {
      this.#dispatched = undefined;
      this.ended(status);
    };
    if (result.writeStatus === null) this.#dispatched = result;
    else this.ended(result.writeStatus);
  }
}

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
