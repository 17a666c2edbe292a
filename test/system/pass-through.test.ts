import { randomBytes } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { callerToken, connectTenant, type Scene, startScene } from '../harness/gateway.ts';
import { type OwnInstance, sendJson, startOwnInstance } from '../harness/own-instance.ts';
import { bodyOf, rawCall } from '../harness/raw-call.ts';

/** Calls that the operator lets through to the instance as they are (contract section 6, docs/forwarding.md). */
describe('pass-through', () => {
  let scene: Scene;
  let tenantId: string;
  let token: string;
  let instance: OwnInstance;

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [{ cloud: 'public', instances: [{ name: 'berlin', macs: 1 }] }],
      },
      environment: {
        ESPALIER_PASS_THROUGH: JSON.stringify([
          'GET /api/v1/computers-inventory/{id}',
          'PATCH /api/v1/computers-inventory-detail/{id}',
          'POST /api/v1/uploads/{id}',
          'GET /JSSResource/computers/id/{id}',
          'GET /api/v1/jamf-pro-version',
          'DELETE /api/v1/computers-inventory/{id}',
        ]),
        ESPALIER_FORWARD_TIMEOUT_SECONDS: '2',
      },
    });
    [tenantId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string];
    await connectTenant(scene, tenantId);
    token = await callerToken(scene, tenantId);
    instance = await startOwnInstance(scene, tenantId, 'own');
  });
  afterAll(async () => {
    await scene?.close();
    await instance?.close();
  });
  beforeEach(() => {
    instance.arrived.length = 0;
    instance.early = false;
    instance.answer = (_, response) => sendJson(response, 200, { ok: true });
  });

  interface Ask {
    readonly method?: string;
    readonly headers?: Record<string, string>;
    readonly body?: Buffer | string;
    readonly chunked?: boolean;
    readonly deviceId?: string;
    readonly token?: string;
  }
  const ask = async (path: string, more: Ask = {}) => {
    const { body, chunked, deviceId = instance.deviceId, headers, method } = more;
    const { incoming } = await rawCall(
      {
        origin: scene.gateway.data,
        ca: scene.trust,
        ...(method === undefined ? {} : { method }),
        path: `/t/${tenantId}/devices/${deviceId}/jamf${path}`,
        headers: {
          authorization: `Bearer ${more.token ?? token}`,
          ...(body !== undefined && !chunked ? { 'content-length': String(Buffer.byteLength(body)) } : {}),
          ...headers,
        },
      },
      (request) => request.end(body),
    );
    const { bytes, broken } = await bodyOf(incoming);
    const text = bytes.toString();
    const { 'content-encoding': coding, 'content-type': type = '' } = incoming.headers;
    const isJson = /json/.test(type) && coding === undefined && text !== '' && !broken;
    return {
      status: incoming.statusCode ?? 0,
      headers: incoming.headers,
      bytes,
      broken,
      text,
      slug: isJson ? String(JSON.parse(text).type).split('/').at(-1) : undefined,
      json: isJson ? JSON.parse(text) : undefined,
    };
  };

  describe('a listed call', () => {
    it("arrives with the computer's id, its query, its headers and the token of the instance", async () => {
      const answer = await ask('/api/v1/computers-inventory/{id}?section=GENERAL&x=%7Bid%7D', {
        headers: {
          cookie: 'APBALANCEID=mine',
          'accept-language': 'fr',
          'if-none-match': '"7"',
          'x-request-id': 'request-1',
          connection: 'close, x-secret',
          'x-secret': 'x',
          'x-forwarded-for': '10.0.0.1',
        },
      });
      expect([answer.status, answer.text]).toEqual([200, '{"ok":true}']);
      const [arrived] = instance.arrived;
      expect([arrived?.method, arrived?.url]).toEqual([
        'GET',
        '/api/v1/computers-inventory/4711?section=GENERAL&x=%7Bid%7D',
      ]);
      // Whoever sends it adds these: the coding that it can read, its span, and the zone that a Worker belongs to.
      const added = ['accept-encoding', 'traceparent', 'cf-worker'];
      expect(
        Object.keys(arrived?.headers ?? {})
          .filter((name) => !added.includes(name))
          .sort(),
      ).toEqual('accept accept-language authorization host if-none-match user-agent x-request-id'.split(' '));
      expect(arrived?.headers).toMatchObject({
        authorization: expect.stringMatching(/^Bearer token-\d+$/),
        'accept-language': 'fr',
        'if-none-match': '"7"',
        'x-request-id': 'request-1',
      });
    });

    it('takes {id} as libraries encode it', async () => {
      for (const id of ['%7Bid%7D', '%7bid%7d']) {
        expect((await ask(`/api/v1/computers-inventory/${id}`)).status).toBe(200);
        expect(instance.arrived.at(-1)?.url).toBe('/api/v1/computers-inventory/4711');
      }
    });

    it('may be a HEAD where GET is listed', async () => {
      instance.answer = (_, response) => {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': '5' }).end();
      };
      const answer = await ask('/api/v1/computers-inventory/{id}', { method: 'HEAD' });
      expect([answer.status, answer.text, instance.arrived[0]?.method]).toEqual([200, '', 'HEAD']);
    });

    it('brings a body with its type', async () => {
      for (const chunked of [false, true]) {
        const answer = await ask('/api/v1/computers-inventory-detail/{id}', {
          method: 'PATCH',
          headers: { 'content-type': 'application/json', 'if-match': '"3"' },
          body: '{"general":{}}',
          chunked,
        });
        expect(answer.status).toBe(200);
        expect(instance.arrived.at(-1)).toMatchObject({
          method: 'PATCH',
          url: '/api/v1/computers-inventory-detail/4711',
          body: Buffer.from('{"general":{}}'),
          headers: { 'content-type': 'application/json', 'if-match': '"3"', 'content-length': '14' },
        });
      }
    });

    it('brings a body of up to 1 MiB as it is, with a length and without', async () => {
      const body = randomBytes(1_048_576);
      for (const chunked of [false, true]) {
        const answer = await ask('/api/v1/uploads/{id}', { method: 'POST', body, chunked });
        expect(answer.status).toBe(200);
        expect(instance.arrived.at(-1)?.body.equals(body)).toBe(true);
      }
    });

    it('gives back entity tags, and that nothing has changed', async () => {
      instance.answer = (_, response) => sendJson(response, 200, { ok: true }, { etag: '"8"' });
      const answer = await ask('/api/v1/computers-inventory/{id}');
      expect([answer.text, answer.headers.etag]).toEqual(['{"ok":true}', '"8"']);
      instance.answer = (_, response) => response.writeHead(304, { etag: '"8"' }).end();
      const unchanged = await ask('/api/v1/computers-inventory/{id}');
      expect([unchanged.status, unchanged.text, unchanged.headers.etag]).toEqual([304, '', '"8"']);
    });

    it('gives back codings unread', async () => {
      const packed = gzipSync('{"packed":true}');
      instance.answer = (_, response) => {
        response.writeHead(200, {
          'content-type': 'application/json',
          'content-encoding': 'gzip',
          etag: '"8"',
        });
        response.end(packed);
      };
      const answer = await ask('/api/v1/computers-inventory/{id}', {
        headers: { 'accept-encoding': 'gzip' },
      }).catch((error: unknown) => error as never);
      expect(instance.arrived[0]?.headers['accept-encoding']).toBe('gzip');
      expect(answer.headers).toMatchObject({ 'content-encoding': 'gzip', etag: '"8"' });
      expect(gunzipSync(answer.bytes).toString()).toBe('{"packed":true}');
    });

    it('is the same text to a caller whose instance packs it', async () => {
      const packed = gzipSync('{"packed":true}');
      instance.answer = (_, response) => {
        response.writeHead(200, {
          'content-type': 'application/json',
          'content-encoding': 'gzip',
          etag: '"8"',
        });
        response.end(packed);
      };
      const { bytes, headers } = await ask('/api/v1/computers-inventory/{id}', {
        headers: { 'accept-encoding': 'gzip' },
      });
      const text = headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes;
      expect([text.toString(), headers.etag]).toEqual(['{"packed":true}', '"8"']);
    });

    it("gives back the Classic API's XML and Jamf's own errors", async () => {
      instance.answer = (_, response) => {
        response.writeHead(200, { 'content-type': 'application/xml' }).end('<computer/>');
      };
      expect((await ask('/JSSResource/computers/id/{id}')).text).toBe('<computer/>');
      instance.answer = (_, response) => sendJson(response, 409, { httpStatus: 409, errors: [] });
      expect(await ask('/api/v1/computers-inventory/{id}')).toMatchObject({
        status: 409,
        text: '{"httpStatus":409,"errors":[]}',
      });
      instance.answer = (_, response) => response.writeHead(204).end();
      expect((await ask('/api/v1/computers-inventory/{id}', { method: 'DELETE' })).status).toBe(204);
    });

    it('gives back no cookie and no address of the instance, and the next call brings none', async () => {
      instance.answer = (_, response) =>
        sendJson(
          response,
          200,
          {},
          {
            'set-cookie': ['APBALANCEID=node1; Path=/', 'JSESSIONID=1'],
            'content-location': 'https://acme.jamfcloud.com/x',
            server: 'Jamf Cloud Node',
          },
        );
      for (let call = 0; call < 2; call += 1) {
        const { headers } = await ask('/api/v1/computers-inventory/{id}');
        for (const name of ['set-cookie', 'content-location', 'server'])
          expect(headers).not.toHaveProperty(name);
      }
      for (const { headers } of instance.arrived) expect(headers).not.toHaveProperty('cookie');
    });
  });

  describe('is not there', () => {
    it.each([
      ['for a path off the list', 'GET', '/api/v1/computers-inventory'],
      ['for a method off the list', 'PUT', '/api/v1/computers-inventory/{id}'],
      ["for another computer's id", 'GET', '/api/v1/computers-inventory/1'],
      ["for the device's own id", 'GET', '/api/v1/computers-inventory/4711'],
      ['for double encoding', 'GET', '/api/v1/computers-inventory/%257Bid%257D'],
      ['for empty parts', 'GET', '/api/v1//computers-inventory/{id}'],
      ['for a slash at the end', 'GET', '/api/v1/computers-inventory/{id}/'],
      ['for a path parameter', 'GET', '/api/v1/computers-inventory;x/{id}'],
      ['without a path', 'GET', '/'],
    ])('%s', async (_, method, path) => {
      const answer = await ask(path, { method });
      expect([answer.status, answer.slug]).toEqual([404, 'not-found']);
      expect(instance.arrived).toEqual([]);
    });

    it.each([
      ['dots', '/api/v1/computers-inventory/{id}/../1'],
      ['dots that lead back to the list', '/api/v1/x/../computers-inventory/{id}'],
      ['encoded dots', '/api/v1/x/%2e%2e/computers-inventory/{id}'],
      ['encoded slashes', '/api/v1/computers-inventory%2F{id}'],
      ['backslashes', '/api/v1\\computers-inventory\\{id}'],
    ])('because a path with %s is refused', async (_, path) => {
      const answer = await ask(path);
      expect([answer.status, answer.slug]).toEqual([400, 'invalid-request']);
      expect(instance.arrived).toEqual([]);
    });

    it('for a path with dots that lead to another computer, however they are written', async () => {
      for (const path of [
        '/api/v1/computers-inventory/{id}/../1',
        '/api/v1/computers-inventory/{id}/%2e%2e/1',
        '/api/v1/computers-inventory%2F{id}',
        '/api/v1/computers-inventory/{id}/../../../../../../../t/x',
      ]) {
        const { slug, status } = await ask(path);
        expect([400, 404], path).toContain(status);
        expect(['invalid-request', 'not-found'], path).toContain(slug);
      }
      expect(instance.arrived).toEqual([]);
    });

    it('for a device that nobody manages', async () => {
      const answer = await ask('/api/v1/computers-inventory/{id}', { deviceId: crypto.randomUUID() });
      expect([answer.status, answer.slug]).toEqual([404, 'device-unknown']);
    });
  });

  describe('is refused', () => {
    it('without a token, before anything is said of the path', async () => {
      for (const path of ['/api/v1/computers-inventory/{id}', '/api/v1/x']) {
        const answer = await ask(path, { token: 'x' });
        expect([answer.status, answer.slug]).toEqual([401, 'unauthenticated']);
      }
    });

    it('with a token that only reads, where it writes', async () => {
      const { caller, connector } = scene.world.applications.get('public')!;
      const roles = scene.world.directory.tenant(tenantId)!.servicePrincipals.get(caller.clientId)!.appRoles;
      const write = scene.world
        .cloud('public')
        .applications.get(connector.clientId)!
        .appRoles.find(({ value }) => value === 'Device.Write')!;
      const at = roles.findIndex(({ roleId }) => roleId === write.roleId);
      const [held] = roles.splice(at, 1);
      const reader = await callerToken(scene, tenantId);
      roles.push(held!);
      const status = async (method: string, path: string) =>
        (await ask(path, { method, token: reader })).status;
      expect(await status('GET', '/api/v1/computers-inventory/{id}')).toBe(200);
      expect(await status('HEAD', '/api/v1/computers-inventory/{id}')).toBe(200);
      expect(await status('DELETE', '/api/v1/computers-inventory/{id}')).toBe(403);
      expect(await status('POST', '/api/v1/uploads/{id}')).toBe(403);
      expect(instance.arrived).toHaveLength(2);
    });

    it('with a query that is too long', async () => {
      const answer = await ask(`/api/v1/computers-inventory/{id}?x=${'y'.repeat(5_000)}`);
      expect([answer.status, answer.slug, answer.json.errors[0].field]).toEqual([
        400,
        'invalid-request',
        'query',
      ]);
    });

    it('with a body beyond 1 MiB, said or sent', async () => {
      const body = randomBytes(1_048_577);
      for (const chunked of [false, true]) {
        const answer = await ask('/api/v1/uploads/{id}', { method: 'POST', body, chunked });
        expect([answer.status, answer.slug]).toEqual([413, 'payload-too-large']);
      }
      expect(instance.arrived).toEqual([]);
      expect((await ask('/api/v1/computers-inventory/{id}')).status).toBe(200);
    });

    it.each([
      ['a page', 200, { 'content-type': 'text/html' }, '<html></html>'],
      ['garbage', 200, { 'content-type': 'text/plain' }, 'hello'],
      [
        'a redirection',
        302,
        { location: 'https://login.example.test', 'content-type': 'application/json' },
        '{}',
      ],
      ['an error without a word', 500, {}, ''],
    ])('when the instance answers %s', async (_, status, headers, text) => {
      instance.answer = (_request, response) => {
        response.writeHead(status, headers).end(text);
      };
      const answer = await ask('/api/v1/computers-inventory/{id}');
      expect([answer.status, answer.slug, answer.headers.location]).toEqual([
        502,
        'instance-error',
        undefined,
      ]);
    });
  });

  describe('an instance that refuses the token', () => {
    const refuseOnce = (): void => {
      let refused: string | undefined;
      instance.answer = ({ headers }, response) => {
        refused ??= headers.authorization;
        if (headers.authorization === refused) sendJson(response, 401, { httpStatus: 401, errors: [] });
        else sendJson(response, 200, { ok: true });
      };
    };

    it('is asked once more with a new one, with the same body when it is small', async () => {
      refuseOnce();
      const before = instance.tokens();
      expect((await ask('/api/v1/computers-inventory/{id}')).status).toBe(200);
      expect(instance.tokens()).toBe(before + 1);
      refuseOnce();
      const body = randomBytes(60_000);
      const answer = await ask('/api/v1/uploads/{id}', { method: 'POST', body, chunked: true });
      expect(answer.status).toBe(200);
      expect(instance.arrived.slice(-2).map((arrived) => arrived.body.equals(body))).toEqual([true, true]);
    });

    it('is not asked again with a large body, which is gone; the next call has the new token', async () => {
      refuseOnce();
      const body = randomBytes(200_000);
      const answer = await ask('/api/v1/uploads/{id}', { method: 'POST', body });
      expect([answer.status, answer.slug]).toEqual([502, 'instance-error']);
      expect(instance.arrived).toHaveLength(1);
      const again = await ask('/api/v1/uploads/{id}', { method: 'POST', body });
      expect(again.status).toBe(200);
    });

    it('for good has an operator who has to act', async () => {
      instance.answer = (_, response) => sendJson(response, 401, { httpStatus: 401, errors: [] });
      const answer = await ask('/api/v1/computers-inventory/{id}');
      expect([answer.status, answer.slug, answer.json.owner]).toEqual([
        502,
        'instance-error',
        'configuration',
      ]);
      expect(instance.arrived).toHaveLength(2);
    });
  });

  describe('a stream', () => {
    it('of the instance waits for a slow caller and comes whole', async () => {
      const size = 40_000_000;
      let flushed = false;
      instance.answer = (_, response) => {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': String(size) });
        response.end(Buffer.alloc(size, 0x20), () => {
          flushed = true;
        });
      };
      const { incoming } = await rawCall(
        {
          origin: scene.gateway.data,
          ca: scene.trust,
          path: `/t/${tenantId}/devices/${instance.deviceId}/jamf/api/v1/computers-inventory/{id}`,
          headers: { authorization: `Bearer ${token}` },
        },
        (request) => request.end(),
      );
      // Longer than the timeout: the caller's slowness is not the instance's.
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      expect(flushed).toBe(false);
      const { broken, bytes } = await bodyOf(incoming);
      expect([broken, bytes.length]).toEqual([false, size]);
    });

    it('of the caller waits for a slow instance', async () => {
      instance.early = true;
      const body = randomBytes(1_000_000);
      let size = 0;
      instance.answer = (_, response, incoming) => {
        incoming.pause();
        setTimeout(() => {
          incoming.on('data', (chunk: Buffer) => {
            size += chunk.length;
          });
          incoming.on('end', () => sendJson(response, 200, { size }));
          incoming.resume();
        }, 500);
      };
      const answer = await ask('/api/v1/uploads/{id}', { method: 'POST', body });
      expect([answer.status, answer.json]).toEqual([200, { size: body.length }]);
    });

    it('that was answered before its end does not spoil the next call', async () => {
      instance.early = true;
      instance.answer = ({ method }, response) => sendJson(response, 200, { method });
      const body = randomBytes(900_000);
      for (let call = 0; call < 3; call += 1) {
        expect((await ask('/api/v1/uploads/{id}', { method: 'POST', body })).json).toEqual({
          method: 'POST',
        });
        expect((await ask('/api/v1/computers-inventory/{id}')).json).toEqual({ method: 'GET' });
      }
    });

    it('of a caller that goes away ends the exchange with the instance', async () => {
      let closed = 0;
      instance.early = true;
      instance.answer = (_, response, incoming) => {
        incoming.socket.once('close', () => {
          closed += 1;
        });
        if (incoming.method === 'GET') {
          response.writeHead(200, { 'content-type': 'application/json' });
          response.write('{"half":');
        } else incoming.resume();
      };
      const { incoming } = await rawCall(
        {
          origin: scene.gateway.data,
          ca: scene.trust,
          path: `/t/${tenantId}/devices/${instance.deviceId}/jamf/api/v1/computers-inventory/{id}`,
          headers: { authorization: `Bearer ${token}` },
        },
        (request) => request.end(),
      );
      incoming.on('error', () => undefined);
      incoming.destroy();
      await eventually(() => expect(closed).toBe(1));
      const gone = rawCall(
        {
          origin: scene.gateway.data,
          ca: scene.trust,
          method: 'POST',
          path: `/t/${tenantId}/devices/${instance.deviceId}/jamf/api/v1/uploads/{id}`,
          headers: { authorization: `Bearer ${token}`, 'content-length': '500000' },
        },
        (request) => {
          request.write(randomBytes(200_000));
          setTimeout(() => request.destroy(), 300);
        },
      );
      await expect(gone).rejects.toThrow();
      await eventually(() => expect(closed).toBe(2));
    });
  });
});
