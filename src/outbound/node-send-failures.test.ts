import { type AddressInfo, createServer, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createAddressPolicy } from './addresses.ts';
import { createNodeSend } from './node.ts';

describe('a request whose answer is no HTTP', () => {
  const servers: Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  it.each(['SSH-2.0-x\r\n\r\n', 'HTTP/1.1 abc\r\n\r\n', 'HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n'])(
    'was seen by the server, whatever it answered: %j',
    async (text) => {
      const server = createServer((socket) => {
        socket.on('error', () => undefined);
        socket.once('data', () => socket.end(text));
      });
      servers.push(server);
      await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
      const { close, send } = createNodeSend(createAddressPolicy([]));
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
      const answer = await send({ method: 'PUT', url, timeoutMs: 5_000, addresses: 'configured' });
      await close();
      expect(answer).toMatchObject({ ok: false, failure: 'reset' });
    },
  );
});
