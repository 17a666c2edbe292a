import { describe, expect, it } from 'vitest';
import { eventually } from '../../test/harness/eventually.ts';
import { always, client, server, wait } from '../../test/harness/node-upstream.ts';
import { answerOf, ask, pieces, type RawServer } from '../../test/harness/raw-server.ts';
import { createAuthority } from '../simulator/authority.ts';

describe('a connection', () => {
  it('carries one call after the other', async () => {
    const instance = await server(always(answerOf('{}')));
    const { upstream, connections } = client();
    for (let call = 0; call < 5; call += 1) {
      expect(await ask(upstream, instance.target, { path: `/a?b=${call}` })).toMatchObject({
        status: 200,
        body: '{}',
        failure: undefined,
      });
    }
    expect(instance.connections()).toBe(1);
    expect(connections()).toBe(1);
    expect(instance.requests[4]).toBe(`GET /a?b=4 HTTP/1.1\r\nhost: ${new URL(instance.target.origin).host}`);
  });

  it('is used again from within the end of a call', async () => {
    const instance = await server(always(answerOf('{}')));
    const { upstream } = client();
    const statuses: number[] = [];
    await new Promise<void>((done) => {
      const begin = (): void => {
        upstream(
          { target: instance.target, method: 'GET', path: '/', headerLines: '', body: undefined },
          {
            head: ({ status }) => statuses.push(status),
            data: () => true,
            end: () => (statuses.length < 4 ? begin() : done()),
            fail: () => done(),
          },
        );
      };
      begin();
    });
    expect(statuses).toEqual([200, 200, 200, 200]);
    expect(instance.connections()).toBe(1);
  });

  it('is not shared by two instances with the same server', async () => {
    const instance = await server(always(answerOf('{}')));
    const { upstream } = client();
    await ask(upstream, instance.target);
    await ask(upstream, { ...instance.target });
    expect(instance.connections()).toBe(2);
  });

  it.each([
    ['says close', answerOf('{}', 'connection: close\r\n')],
    ['is of HTTP/1.0', 'HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}'],
    ['has surplus behind it', `${answerOf('{}')}HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n`],
    ['says that idle connections are closed at once', answerOf('{}', 'keep-alive: timeout=1\r\n')],
    ['has a body where none may be', 'HTTP/1.1 204 x\r\ncontent-length: 2\r\n\r\n{}'],
  ])('is not used again after an answer that %s', async (_, text) => {
    const instance = await server(always(text));
    const { upstream } = client();
    for (let call = 0; call < 3; call += 1) {
      expect((await ask(upstream, instance.target)).failure).toBeUndefined();
    }
    expect(instance.connections()).toBe(3);
  });

  it('is not used again when the answer came before the whole request was sent', async () => {
    const instance = await server((socket, head) => {
      socket.write(head.startsWith('POST') ? answerOf('"early"') : answerOf('"other"'));
    });
    const { upstream } = client();
    let wasReturned = false;
    async function* body() {
      try {
        yield Buffer.from('abc');
        await wait(100);
        yield Buffer.from('def');
      } finally {
        wasReturned = true;
      }
    }
    const early = await ask(upstream, instance.target, {
      method: 'POST',
      body: { length: 6, chunks: body() },
    });
    expect(early).toMatchObject({ status: 200, body: '"early"', failure: undefined });
    expect(await ask(upstream, instance.target)).toMatchObject({ body: '"other"' });
    expect(instance.connections()).toBe(2);
    await eventually(() => expect(wasReturned).toBe(true));
    expect(instance.received()).not.toContain('def');
  });

  it('is closed when surplus comes while it is idle', async () => {
    let nth = 0;
    const instance = await server((socket) => {
      nth += 1;
      socket.write(answerOf(`"${nth}"`));
      if (nth === 1) setTimeout(() => socket.write(answerOf('"of nobody"')), 20);
    });
    const { upstream, connections } = client();
    await ask(upstream, instance.target);
    await eventually(() => expect(connections()).toBe(0));
    expect((await ask(upstream, instance.target)).body).toBe('"2"');
    expect(instance.connections()).toBe(2);
  });

  it('is forgotten when the server closes it while it is idle', async () => {
    const instance = await server((socket) => {
      socket.write(answerOf('{}'));
      setTimeout(() => socket.end(), 20);
    });
    const { upstream, connections } = client();
    await ask(upstream, instance.target);
    await eventually(() => expect(connections()).toBe(0));
    expect((await ask(upstream, instance.target)).status).toBe(200);
  });

  it('is closed when it was idle for long', async () => {
    const instance = await server(always(answerOf('{}')));
    const { upstream, connections } = client({ keepAliveMs: 50 });
    await ask(upstream, instance.target);
    expect(connections()).toBe(1);
    await eventually(() => expect(connections()).toBe(0));
    await eventually(() => expect(instance.open()).toBe(0));
  });
});

describe('one retry on another connection', () => {
  /** Closes the connection of the second request without a byte. */
  const closesTheSecond: RawServer['answer'] = (socket, _, nth) => {
    if (nth === 2) socket.destroy();
    else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
  };

  it.each(['GET', 'HEAD'])('is made for %s when a used one was closed without a byte', async (method) => {
    const instance = await server(closesTheSecond);
    const { upstream } = client();
    await ask(upstream, instance.target, { method });
    const second = await ask(upstream, instance.target, { method });
    expect(second).toMatchObject({ status: 200, failure: undefined });
    expect([instance.connections(), instance.requests.length]).toEqual([2, 3]);
  });

  it('is not made for POST: it may have been done', async () => {
    const instance = await server(closesTheSecond);
    const { upstream } = client();
    await ask(upstream, instance.target, { method: 'POST' });
    const second = await ask(upstream, instance.target, { method: 'POST' });
    expect(second.failure).toMatchObject({ kind: 'reset', sent: true });
    expect(instance.requests).toHaveLength(2);
  });

  it('is not made when the connection was new', async () => {
    const instance = await server((socket) => socket.destroy());
    const { upstream } = client();
    expect((await ask(upstream, instance.target)).failure).toMatchObject({ kind: 'reset', sent: true });
    expect(instance.requests).toHaveLength(1);
  });

  it('is not made when a byte of the answer came', async () => {
    const instance = await server((socket, _, nth) => {
      if (nth === 1) socket.write(answerOf('{}'));
      else socket.write('HTTP/1.1 2', () => socket.destroy());
    });
    const { upstream } = client();
    await ask(upstream, instance.target);
    expect((await ask(upstream, instance.target)).failure).toMatchObject({
      kind: 'invalid-answer',
      sent: true,
    });
    expect(instance.requests).toHaveLength(2);
  });

  it('is made only once', async () => {
    const instance = await server((socket, _, nth) => {
      if (nth === 1) socket.write(answerOf('{}'));
      else socket.destroy();
    });
    const { upstream } = client();
    await ask(upstream, instance.target);
    expect((await ask(upstream, instance.target)).failure?.kind).toBe('reset');
    expect(instance.requests).toHaveLength(3);
  });
});

describe('TLS', () => {
  it('trusts the certificate authority of the instance and no stranger', async () => {
    const [own, stranger] = [await createAuthority(), await createAuthority()];
    const instance = await server(always(answerOf('{}')), await own.issue(['localhost']));
    const { upstream } = client();
    const target = { ...instance.target, caCertificate: own.certificatePem };
    for (let call = 0; call < 2; call += 1) expect((await ask(upstream, target)).body).toBe('{}');
    expect(instance.connections()).toBe(1);
    for (const caCertificate of [undefined, stranger.certificatePem, 'no certificate']) {
      const { failure } = await ask(upstream, { ...target, caCertificate });
      expect(failure).toMatchObject({ kind: 'connect', sent: false });
    }
    expect(instance.requests).toHaveLength(2);
  });

  it('refuses a certificate of another name', async () => {
    const own = await createAuthority();
    const instance = await server(always(answerOf('{}')), await own.issue(['elsewhere.example.test']));
    const target = { ...instance.target, caCertificate: own.certificatePem };
    expect((await ask(client().upstream, target)).failure).toMatchObject({
      kind: 'connect',
      sent: false,
      detail: expect.stringContaining('ERR_TLS_CERT_ALTNAME_INVALID'),
    });
  });

  it('carries bodies both ways, cut at every byte', async () => {
    const own = await createAuthority();
    const instance = await server(
      (socket) => {
        for (const byte of answerOf('{"a":1}')) socket.write(byte);
      },
      await own.issue(['localhost']),
    );
    const target = { ...instance.target, caCertificate: own.certificatePem };
    const { upstream } = client();
    const body = { length: 6, chunks: pieces('abc', 'def') };
    expect((await ask(upstream, target, { method: 'POST', body })).body).toBe('{"a":1}');
    expect((await ask(upstream, target)).body).toBe('{"a":1}');
  });
});
