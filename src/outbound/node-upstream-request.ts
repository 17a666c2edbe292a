/** Writes a request: head and what fits of the body in one write. */

import type { Socket } from 'node:net';
import type { UpstreamBody, UpstreamCall, UpstreamTarget } from './upstream.ts';

/** Bytes from the path to the first header of a call, by target: they are needed at every call. */
const hostLines = new WeakMap<UpstreamTarget, string>();
function hostLineOf(target: UpstreamTarget): string {
  let line = hostLines.get(target);
  if (line === undefined) {
    line = ` HTTP/1.1\r\nhost: ${new URL(target.origin).host}\r\n`;
    hostLines.set(target, line);
  }
  return line;
}

const bodyless = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS']);

function framing({ body, method }: UpstreamCall): string {
  if (!body) return bodyless.has(method) ? '' : 'content-length: 0\r\n';
  return body.length === undefined ? 'transfer-encoding: chunked\r\n' : `content-length: ${body.length}\r\n`;
}

/** Head of the request in latin1. */
export const requestHead = (call: UpstreamCall): string =>
  `${call.method} ${call.path}${hostLineOf(call.target)}${call.headerLines}${framing(call)}\r\n`;

export interface BodyEvents {
  waitsForCaller(): void;
  waitsForServer(): void;
  onSent(): void;
  /** The caller's body broke, or is not as long as it said. */
  onFault(detail: string): void;
}

const drained = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done).off('close', done);
      resolve();
    };
    socket.on('drain', done).on('close', done);
  });

const lastChunk = Buffer.from('0\r\n\r\n');

/** The bytes of a chunk as they go out, the head before the first. */
function frame(chunk: Uint8Array, chunked: boolean, head: string | undefined): Uint8Array {
  if (!chunked && head === undefined) return chunk;
  const parts: Uint8Array[] = head === undefined ? [] : [Buffer.from(head, 'latin1')];
  if (chunked) parts.push(Buffer.from(`${chunk.byteLength.toString(16)}\r\n`), chunk, Buffer.from('\r\n'));
  else parts.push(chunk);
  return Buffer.concat(parts);
}

/**
 * Sends head and body, pulling as the socket takes it. The answer stops it: the rest of the caller's body is not wanted
 * any more.
 */
export function sendBody(socket: Socket, head: string, body: UpstreamBody, events: BodyEvents): () => void {
  const chunked = body.length === undefined;
  const chunks = body.chunks[Symbol.asyncIterator]();
  let isStopped = false;
  const stop = (): void => {
    if (isStopped) return;
    isStopped = true;
    // It may throw or hang in the caller's stream, and nothing depends on it any more.
    chunks.return?.().catch(() => undefined);
  };

  const write = async (bytes: Uint8Array): Promise<void> => {
    if (socket.write(bytes)) return;
    events.waitsForServer();
    await drained(socket);
  };
  const pump = async (): Promise<string | undefined> => {
    let unsentHead: string | undefined = head;
    let sent = 0;
    for (;;) {
      events.waitsForCaller();
      const { done, value } = await chunks.next();
      if (isStopped) return undefined;
      if (done) break;
      if (value.byteLength === 0) continue;
      sent += value.byteLength;
      if (body.length !== undefined && sent > body.length) return 'the body is longer than it said';
      await write(frame(value, chunked, unsentHead));
      if (isStopped) return undefined;
      unsentHead = undefined;
    }
    if (body.length !== undefined && sent < body.length) return 'the body is shorter than it said';
    if (unsentHead !== undefined) socket.write(unsentHead, 'latin1');
    if (chunked) socket.write(lastChunk);
    return undefined;
  };
  pump().then(
    (fault) => {
      if (isStopped) return;
      if (fault === undefined) {
        isStopped = true;
        events.onSent();
      } else {
        stop();
        events.onFault(fault);
      }
    },
    (error: unknown) => {
      if (isStopped) return;
      isStopped = true;
      events.onFault(error instanceof Error ? error.message : 'the body broke off');
    },
  );
  return stop;
}
