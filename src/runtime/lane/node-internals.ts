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
 * Small messages past Node's streams. Everything in the product that touches what Node does not document (a socket's
 * handle, symbols found by their names) is in this file, and nothing here runs unless this process was told so:
 * socket-choice.ts asks for it only on majors of Node that are tested and after a child process has
 * tried it (self-test.ts), for a mistake here ends the process.
 */

/** Majors of Node whose internals these are; `npm run test:nodes` runs the tests on each of them. */
export const internalsKnownOf: readonly number[] = [24, 26];

export const internalsOfNode: SocketAccess = {
  // TLS encrypts in its stream.
  writer: (socket) => ('encrypted' in socket ? writerOfStream(socket) : new HandleWriter(socket)),
  read: readPastStream,
};

/** Node 24: its handles ask for an object that stands for the write. */
interface WriteRequest {
  handle: unknown;
  oncomplete: (status: number) => void;
  /** From `AsyncWrap`: -1 as long as no write of Node's is attached to it. */
  getAsyncId(): number;
}

/** Node 26: its handles make that object themselves where a write was not done at once. */
interface DispatchedWrite {
  oncomplete: (status: number) => void;
  /** Not null: it was done before `oncomplete` could be there. */
  readonly writeStatus: number | null;
}

interface Handle {
  useUserBuffer?(buffer: Uint8Array): void;
  writeLatin1String(request: WriteRequest | null, text: string): number | DispatchedWrite;
}

const handleOf = (socket: Socket): Handle | null | undefined =>
  (socket as unknown as { readonly _handle: Handle | null | undefined })._handle;

/** How this Node's handles take a write. */
type WriteForm = { readonly given: new () => WriteRequest } | 'returned';

/** None of it has a public name: it is seen at the first ordinary write, and a wrong guess would end the process. */
let writeForm: WriteForm | undefined;

function learnFrom(handle: Handle): void {
  const ordinary = handle.writeLatin1String;
  if (typeof ordinary !== 'function' || Object.hasOwn(handle, 'writeLatin1String')) return;
  Object.defineProperty(handle, 'writeLatin1String', {
    configurable: true,
    value: (request: WriteRequest | null, text: string): number | DispatchedWrite => {
      if (request === null) writeForm ??= 'returned';
      else if (typeof request.getAsyncId === 'function')
        writeForm ??= { given: request.constructor as new () => WriteRequest };
      Reflect.deleteProperty(handle, 'writeLatin1String');
      return ordinary.call(handle, request, text);
    },
  });
}

/** Node tries to write up to so many bytes at once, without memory of its own (`StreamBase::WriteString`). */
const atOnceBytes = 16_384;

/**
 * Writes at once while nothing waits to be written; else it goes the ordinary way. What the system does not take at once
 * waits in Node's own queue, and from then on the socket's, until it is gone.
 */
class HandleWriter implements SocketWriter {
  readonly #socket: Socket;
  /** One for all writes of this socket: with a second write while Node is at the first the process would end. */
  #request: WriteRequest | undefined;
  #dispatched: DispatchedWrite | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
  }
  write(text: string): void {
    const socket = this.#socket;
    const handle = handleOf(socket);
    const isReady = handle && !socket.connecting && socket.writable && socket.writableLength === 0;
    if (!isReady || text.length > atOnceBytes || this.#isWriting()) {
      socket.write(text, 'latin1');
    } else if (writeForm === 'returned') {
      this.#writeReturned(handle, text);
    } else if (writeForm === undefined) {
      learnFrom(handle);
      socket.write(text, 'latin1');
    } else {
      this.#request ??= this.#newRequest(writeForm.given, handle);
      this.#ended(handle.writeLatin1String(this.#request, text) as number);
    }
  }
  hasUnsent(): boolean {
    return this.#socket.writableLength > 0 || this.#isWriting();
  }
  /** An empty queue would not say so: what was written a moment later may not have been told yet. */
  #isWriting(): boolean {
    return (
      this.#dispatched !== undefined || (this.#request !== undefined && this.#request.getAsyncId() !== -1)
    );
  }
  #newRequest(made: new () => WriteRequest, handle: Handle): WriteRequest {
    const request = new made();
    request.handle = handle;
    request.oncomplete = (status) => this.#ended(status);
    return request;
  }
  #writeReturned(handle: Handle, text: string): void {
    const result = handle.writeLatin1String(null, text);
    if (typeof result === 'number') {
      this.#ended(result);
      return;
    }
    result.oncomplete = (status) => {
      this.#dispatched = undefined;
      this.#ended(status);
    };
    if (result.writeStatus === null) this.#dispatched = result;
    else this.#ended(result.writeStatus);
  }
  #ended(status: number): void {
    if (status >= 0 || this.#socket.destroyed) return;
    const code = getSystemErrorName(status);
    this.#socket.destroy(
      Object.assign(new Error(`write ${code}`), { code, errno: status, syscall: 'write' }),
    );
  }
}

/** Symbols under which the option `onread` of `net.connect` keeps its state in a socket; in Node since 12. */
interface ReadingInto {
  readonly buffer: symbol;
  readonly callback: symbol;
  readonly nextBuffer: symbol;
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

/**
 * Gives what a socket reads to a function at once, in a buffer that the connection keeps for all its reads: past the events,
 * the buffer and the extra turns of `Readable`, and without a new piece of memory for each message, all of which cost more
 * than reading a small message does. Only while the socket flows and nothing waits in its stream, that is when `Readable`
 * would emit `data` at once itself; else, and for the end, it goes the ordinary way, so that pausing, ending and handing
 * the socket on work as ever.
 *
 * It is what the option `onread` of `net.connect` does, for sockets that a server accepted, which have no such option.
 */
function readPastStream(socket: Socket, bytes: number, take: (chunk: Buffer) => void): SocketReads {
  const into = readingInto();
  const handle = handleOf(socket);
  if (into === undefined || typeof handle?.useUserBuffer !== 'function') return readsOfStream;
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
