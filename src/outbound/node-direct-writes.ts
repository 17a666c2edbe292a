import type { Socket } from 'node:net';
import { getSystemErrorName } from 'node:util';

/**
 * Writes small texts to a socket at once, past the queue and the states of `Writable`, which cost more than writing a
 * small message does. Only while nothing waits to be written, and only to plain TCP; else it goes the ordinary way. What
 * the system does not take at once waits in Node's own queue, and from then on the socket's, until it is gone.
 */
export interface DirectWriter {
  /** In latin1. */
  write(text: string): void;
  /** Whether something of what was written has not left yet. */
  hasUnsent(): boolean;
}

/** Node's request to write, which its handles ask for. */
interface WriteRequest {
  handle: unknown;
  oncomplete: (status: number) => void;
  /** Of `AsyncWrap`: -1 as long as no write of Node's is attached to it. */
  getAsyncId(): number;
}

interface Handle {
  writeLatin1String(request: WriteRequest, text: string): number;
}

/** What Node tries to write at once and without memory of its own (`StreamBase::WriteString`). */
const atOnceBytes = 16_384;

const handleOf = (socket: Socket): Handle | null | undefined =>
  (socket as unknown as { readonly _handle: Handle | null | undefined })._handle;

/** Node's class of requests to write, which has no public name: it is seen at the first ordinary write. */
let WriteRequestOfNode: (new () => WriteRequest) | undefined;

function learnFrom(handle: Handle): void {
  const ordinary = handle.writeLatin1String;
  if (typeof ordinary !== 'function' || Object.hasOwn(handle, 'writeLatin1String')) return;
  Object.defineProperty(handle, 'writeLatin1String', {
    configurable: true,
    value: (request: WriteRequest, text: string): number => {
      if (typeof request.getAsyncId === 'function')
        WriteRequestOfNode ??= request.constructor as new () => WriteRequest;
      Reflect.deleteProperty(handle, 'writeLatin1String');
      return ordinary.call(handle, request, text);
    },
  });
}

class PlainWriter implements DirectWriter {
  readonly #socket: Socket;
  /** One for all writes of this socket: with a second write while Node is at the first the process would end. */
  #request: WriteRequest | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
  }
  write(text: string): void {
    const socket = this.#socket;
    const handle = handleOf(socket);
    const isReady = handle && !socket.connecting && socket.writable && socket.writableLength === 0;
    if (!isReady || text.length > atOnceBytes || this.#isWriting()) {
      socket.write(text, 'latin1');
      return;
    }
    const request = this.#request ?? this.#newRequest(handle);
    if (request === undefined) {
      learnFrom(handle);
      socket.write(text, 'latin1');
      return;
    }
    const status = handle.writeLatin1String(request, text);
    if (status !== 0) this.#fail(status);
  }
  hasUnsent(): boolean {
    return this.#socket.writableLength > 0 || this.#isWriting();
  }
  /** An empty queue would not say so: what was written a moment later may not have been told yet. */
  #isWriting(): boolean {
    return this.#request !== undefined && this.#request.getAsyncId() !== -1;
  }
  #newRequest(handle: Handle): WriteRequest | undefined {
    if (WriteRequestOfNode === undefined) return undefined;
    const request = new WriteRequestOfNode();
    request.handle = handle;
    request.oncomplete = (status) => {
      if (status < 0 && !this.#socket.destroyed) this.#fail(status);
    };
    this.#request = request;
    return request;
  }
  #fail(status: number): void {
    const code = getSystemErrorName(status);
    this.#socket.destroy(
      Object.assign(new Error(`write ${code}`), { code, errno: status, syscall: 'write' }),
    );
  }
}

const ordinaryWriter = (socket: Socket): DirectWriter => ({
  write: (text) => void socket.write(text, 'latin1'),
  hasUnsent: () => socket.writableLength > 0,
});

/** To be written to once the socket is connected: from then on its handle stays. */
export const createDirectWriter = (socket: Socket): DirectWriter =>
  'encrypted' in socket ? ordinaryWriter(socket) : new PlainWriter(socket);
