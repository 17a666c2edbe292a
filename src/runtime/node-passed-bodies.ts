/**
 * What is left of a request's body that nobody wants any more. An answer that is given while its caller still sends is lost to a
 * reset, so the rest is read past. That costs as much as reading it in earnest, TLS included, so all such bodies together are
 * read at one pace, by turns; the callers of a flood wait for each other. Where a body does not end in time, its
 * connection is closed without reading on: the answer goes out with the end of our side, and the other side has a moment to take it.
 */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { answerAfterBodyBytes, answerAfterBodyMs, passedBodyBytesPerSecond } from '../limits.ts';
import { brokenBody, closeWith, hasBody, watchBody } from './node-in-turn.ts';

/** Between two looks at what may be read. */
const paceMs = 2;
/** Read at once after a pause. */
const burstBytes = 512 * 1024;

export interface Pace {
  /** Has `read` called when there is room; it returns the number of bytes that it read. In the order of their coming. */
  next(read: () => number): void;
}

/** `now` is a monotonic clock in milliseconds. */
export function createPace(bytesPerSecond: number, now: () => number = () => performance.now()): Pace {
  const waiting: (() => number)[] = [];
  let room = burstBytes;
  let atMs = now();
  let isPlanned = false;
  const run = (): void => {
    const nowMs = now();
    room = Math.min(burstBytes, room + ((nowMs - atMs) * bytesPerSecond) / 1_000);
    atMs = nowMs;
    while (room > 0) {
      const read = waiting.shift();
      if (read === undefined) return;
      room -= read();
    }
    plan();
  };
  const plan = (): void => {
    if (isPlanned || waiting.length === 0) return;
    isPlanned = true;
    setTimeout(() => {
      isPlanned = false;
      run();
    }, paceMs);
  };
  return {
    next: (read) => {
      waiting.push(read);
      if (!isPlanned) run();
    },
  };
}

/** Node would destroy the connection behind the answer, with bytes unread: the kernel resets it, and the answer may be lost. */
function lingerBehind(incoming: IncomingMessage): void {
  const { socket } = incoming;
  socket.destroySoon = () => {
    incoming.pause();
    closeWith(socket, undefined);
  };
}

export type PassBody = (incoming: IncomingMessage, outgoing: ServerResponse) => Promise<void> | undefined;

/**
 * Before an answer is begun: waits a moment for what is left of the request's body, and reads past it. Where that does not
 * end, the answer says that it closes the connection, for then it does.
 */
export const createPassBody =
  (pace: Pace): PassBody =>
  (incoming, outgoing) => {
    if (incoming.complete || incoming.destroyed || !hasBody(incoming)) return undefined;
    return new Promise((resolve) => {
      let bytes = 0;
      let isOver = false;
      let isWaiting = false;
      const end = (): void => {
        if (isOver) return;
        isOver = true;
        clearTimeout(late);
        incoming.off('readable', wait).off('end', end).off('close', end).off('error', end);
        if (!incoming.complete) {
          if (!outgoing.headersSent) outgoing.setHeader('connection', 'close');
          lingerBehind(incoming);
        }
        resolve();
      };
      const read = (): number => {
        isWaiting = false;
        if (isOver) return 0;
        const chunk = incoming.read() as Buffer | null;
        const length = chunk?.byteLength ?? 0;
        bytes += length;
        if (bytes > answerAfterBodyBytes || (incoming.complete && incoming.readableLength === 0)) end();
        return length;
      };
      const wait = (): void => {
        if (isWaiting) return;
        isWaiting = true;
        pace.next(read);
      };
      const late = setTimeout(end, brokenBody(incoming) ? 0 : answerAfterBodyMs);
      watchBody(incoming, end);
      incoming.on('readable', wait).on('end', end).on('close', end).on('error', end);
    });
  };

export const passBody: PassBody = createPassBody(createPace(passedBodyBytesPerSecond));
