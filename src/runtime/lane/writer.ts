import type { Socket } from 'node:net';
import { chunkHead, lastChunk } from './answer.ts';

/** Small parts of an answer are put together and leave in one write. */
const togetherBytes = 16_384;

/** Writes one answer after the other to a connection, head and small parts together. */
export interface LaneWriter {
  /** Forgets the last answer. */
  reset(): void;
  /** `bodyBytes` undefined: in chunks. Nothing is written before a part of the body or the end comes. */
  begin(head: string, bodyBytes: number | undefined): void;
  /** `false`: the caller takes no more for now; the socket's `drain` says when. */
  data(chunk: Uint8Array): boolean;
  /** All of the body; one character a byte. */
  text(body: string): void;
  end(): void;
  /** A whole answer, head and all. */
  whole(answer: string): void;
  /** True once a byte of this answer is written or about to be. */
  hasBegun(): boolean;
  /** True while the caller has not taken all of what was written. */
  hasUnsent(): boolean;
}

export function createLaneWriter(socket: Socket): LaneWriter {
  let pending = '';
  let isWritten = false;
  let isChunked = false;
  let isFlushDue = false;
  /** Bytes still to come of an answer that has a length. */
  let bytesLeft = 0;

  const take = (): string => {
    const text = pending;
    isFlushDue = false;
    pending = '';
    isWritten = true;
    return text;
  };
  const flush = (): void => {
    isFlushDue = false;
    if (pending !== '') socket.write(take(), 'latin1');
  };
  const flushIfDue = (): void => {
    if (isFlushDue) flush();
  };
  const flushSoon = (): void => {
    if (isFlushDue) return;
    isFlushDue = true;
    process.nextTick(flushIfDue);
  };

  return {
    reset: () => {
      pending = '';
      isWritten = false;
    },
    begin: (head, bodyBytes) => {
      pending = head;
      isChunked = bodyBytes === undefined;
      bytesLeft = bodyBytes ?? 0;
    },
    data: (chunk) => {
      const { byteLength } = chunk;
      if (byteLength === 0) return true;
      bytesLeft -= byteLength;
      const buffer = Buffer.from(chunk.buffer, chunk.byteOffset, byteLength);
      if (byteLength + pending.length <= togetherBytes) {
        const text = buffer.toString('latin1');
        pending += isChunked ? `${chunkHead(byteLength)}${text}\r\n` : text;
        // The last byte ends the answer, and pending bytes leave with it.
        if (isChunked || bytesLeft > 0) flushSoon();
        return !socket.writableNeedDrain;
      }
      socket.cork();
      if (isChunked) pending += chunkHead(byteLength);
      if (pending !== '') socket.write(take(), 'latin1');
      socket.write(buffer);
      if (isChunked) socket.write('\r\n', 'latin1');
      socket.uncork();
      return !socket.writableNeedDrain;
    },
    text: (body) => {
      bytesLeft -= body.length;
      pending += isChunked ? `${chunkHead(body.length)}${body}\r\n` : body;
    },
    end: () => {
      if (isChunked) pending += lastChunk;
      flush();
    },
    whole: (answer) => void socket.write(answer, 'latin1'),
    hasBegun: () => isWritten || pending !== '',
    hasUnsent: () => socket.writableLength > 0,
  };
}
