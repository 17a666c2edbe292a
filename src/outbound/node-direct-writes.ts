import type { Socket } from 'node:net';
import { getSystemErrorName } from 'node:util';

/**
 * Writes a small text to a socket at once, past the queue and the states of `Writable`, which cost more than writing a
 * small message does. Only while nothing waits to be written, and only to plain TCP; else it goes the ordinary way. What
 * the system does not take at once waits in Node's own queue, and from then on the socket's, until it is gone.
 */

interface WriteRequest {
  handle: unknown;
  oncomplete: (this: WriteRequest, status: number) => void;
  socket: Socket | undefined;
  /** Of `AsyncWrap`: -1 as long as no write of Node's is attached to it. */
  getAsyncId?(): number;
}

interface Handle {
  readonly writeQueueSize: number;
  writeLatin1String(request: WriteRequest, text: string): number;
}

/** What Node tries to write at once and without memory of its own (`StreamBase::WriteString`). */
const atOnceBytes = 16_384;

const handleOf = (socket: Socket): Handle | null | undefined =>
  (socket as unknown as { readonly _handle: Handle | null | undefined })._handle;

/** Node's class of requests to write, which has no public name: it is seen at the first ordinary write. */
let WriteRequestOfNode: (new () => WriteRequest) | undefined;
/** One that no write is using. */
let spare: WriteRequest | undefined;

function learnFrom(handle: Handle): void {
  if (Object.hasOwn(handle, 'writeLatin1String')) return;
  const ordinary = handle.writeLatin1String;
  if (typeof ordinary !== 'function' || typeof handle.writeQueueSize !== 'number') return;
  Object.defineProperty(handle, 'writeLatin1String', {
    configurable: true,
    value: (request: WriteRequest, text: string): number => {
      WriteRequestOfNode ??= request.constructor as new () => WriteRequest;
      Reflect.deleteProperty(handle, 'writeLatin1String');
      return ordinary.call(handle, request, text);
    },
  });
}

const fail = (socket: Socket, status: number): void => {
  const code = getSystemErrorName(status);
  socket.destroy(Object.assign(new Error(`write ${code}`), { code, errno: status, syscall: 'write' }));
};

function onComplete(this: WriteRequest, status: number): void {
  if (status < 0 && this.socket && !this.socket.destroyed) fail(this.socket, status);
}

/** Whether something of what was written has not left yet. */
export const hasUnsent = (socket: Socket): boolean =>
  socket.writableLength > 0 || (handleOf(socket)?.writeQueueSize ?? 0) > 0;

/** `text` in latin1. `isPlain`: no TLS. */
export function writeDirectly(socket: Socket, text: string, isPlain: boolean): void {
  const handle = handleOf(socket);
  if (!isPlain || !handle || text.length > atOnceBytes || socket.connecting || !socket.writable) {
    socket.write(text, 'latin1');
    return;
  }
  if (WriteRequestOfNode === undefined) {
    learnFrom(handle);
    socket.write(text, 'latin1');
    return;
  }
  if (socket.writableLength > 0 || handle.writeQueueSize > 0) {
    socket.write(text, 'latin1');
    return;
  }
  const request = spare ?? new WriteRequestOfNode();
  spare = undefined;
  request.handle = handle;
  request.oncomplete = onComplete;
  request.socket = socket;
  const status = handle.writeLatin1String(request, text);
  if (status !== 0) fail(socket, status);
  // Complete at once. That nothing is queued would not say so: what was written a moment later may not have been told yet,
  // and a request that is used for two writes ends the process.
  else if (request.getAsyncId?.() === -1) {
    request.handle = undefined;
    request.socket = undefined;
    spare = request;
  }
}
