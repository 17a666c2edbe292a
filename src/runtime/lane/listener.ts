/**
 * The fast lane of the data listener (docs/forwarding.md): connections come here before Node's parser sees them, and
 * stay as long as they bring nothing but device calls of the one shape that request.ts proves.
 */

import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { ChurningSet } from '../../churn.ts';
import { bodyTotalMs, headersTimeoutMs } from '../../limits.ts';
import { LaneConnection } from './connection.ts';
import type { ConnectionServices } from './services.ts';

/** Between two looks for connections that wait too long; Node's server looks as often. */
const sweepMs = 1_000;
/** Node waits this much longer than it says, so that a caller does not send into a closing connection. */
const keepAliveSlackMs = 1_000;
/** A connection that rests so long keeps nothing of its last request. */
const forgetAfterMs = 2_000;

export interface Lane {
  /** From now on each answer says that it closes its connection. */
  closeAfterAnswers(): void;
  /** Closes what is idle, and the rest after its answer. */
  drain(): void;
  closeAll(): void;
}

/** The event by which Node's server takes a connection that is ready for HTTP. */
const connectionEvent = (server: Server, isTls: boolean): 'connection' | 'secureConnection' =>
  isTls && server.listenerCount('secureConnection') > 0 ? 'secureConnection' : 'connection';

/** Puts the lane before `server`, which keeps its port, its limits and its count of connections. */
export function putLaneBefore(
  server: Server,
  services: Omit<ConnectionServices, 'keepAliveSeconds'>,
  isTls: boolean,
): Lane {
  const event = connectionEvent(server, isTls);
  const ordinary = server.listeners(event) as ((this: Server, socket: Duplex) => void)[];
  const connections = new ChurningSet<LaneConnection>();
  const keepAliveMs = server.keepAliveTimeout;
  const complete: ConnectionServices = { ...services, keepAliveSeconds: Math.floor(keepAliveMs / 1_000) };
  let isClosing = false;
  let isDraining = false;

  const handOver = (socket: Socket, read: Buffer): void => {
    // Paused, so that the bytes that were read come before those that were not.
    socket.pause();
    if (read.byteLength > 0) socket.unshift(read);
    for (const take of ordinary) take.call(server, socket);
    socket.resume();
  };

  const sweep = setInterval(() => {
    const nowMs = performance.now();
    for (const connection of connections) {
      const sinceMs = connection.waitingSinceMs();
      if (sinceMs === undefined) continue;
      const { socket } = connection;
      const state = connection.state();
      const waitedMs = nowMs - sinceMs;
      if (state === 'first') {
        if (waitedMs < headersTimeoutMs) continue;
        const late = Object.assign(new Error('no request in time'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' });
        if (!server.emit('clientError', late, socket)) socket.destroy();
      } else if (state === 'next' && !connection.hasUnsent()) {
        if (waitedMs >= keepAliveMs + keepAliveSlackMs) socket.destroy();
        else if (waitedMs >= forgetAfterMs) connection.forget();
      } else if (waitedMs >= bodyTotalMs) socket.destroy();
    }
  }, sweepMs);
  sweep.unref();
  server.once('close', () => clearInterval(sweep));

  server.removeAllListeners(event);
  server.on(event, (socket: Socket) => {
    const connection = new LaneConnection(socket, complete, {
      handOver: (read) => handOver(socket, read),
      left: () => connections.delete(connection),
    });
    connections.add(connection);
    if (isClosing) connection.closeAfterAnswer();
    if (isDraining) connection.drain();
  });

  return {
    closeAfterAnswers: () => {
      isClosing = true;
      for (const connection of connections) connection.closeAfterAnswer();
    },
    drain: () => {
      isDraining = true;
      for (const connection of connections) connection.drain();
    },
    closeAll: () => {
      for (const { socket } of connections) socket.destroy();
    },
  };
}
