import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { expect, it } from 'vitest';
import { eventually } from '../../test/harness/eventually.ts';
import { createAnswerHeaders } from '../gateway/answer-headers.ts';
import { serveInTurn } from './node-in-turn.ts';

const request = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
/** Node reads up to so many bytes from a socket at once. */
const readBytes = 64 * 1024;

it('reads no further than the requests that may wait, also after an answer', async () => {
  const server = createServer();
  let answered = 0;
  let parsed = 0;
  let max = 0;
  server.on('request', () => {
    parsed += 1;
    max = Math.max(max, parsed - answered);
  });
  serveInTurn(server, {
    activityOf: () => ({ begins: () => undefined, ends: () => undefined }),
    isUnhurried: () => false,
    answerHeaders: createAnswerHeaders(),
    handle: (_incoming, outgoing) => {
      setImmediate(() => {
        answered += 1;
        outgoing.end('ok');
      });
    },
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  try {
    const inOneRead = Math.ceil(readBytes / request.length);
    const sent = 3 * inOneRead;
    socket.write(request.repeat(sent));
    socket.resume();
    await eventually(() => expect(answered).toBe(sent));
    expect(max).toBeLessThan(2 * inOneRead);
  } finally {
    socket.destroy();
    server.closeAllConnections();
    server.close();
  }
}, 30_000);
