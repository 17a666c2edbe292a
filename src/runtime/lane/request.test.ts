import { createServer, type IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bearerToken } from '../../gateway/device-call.ts';
import { laneHeaderNames, type ReadRequest, readLaneRequest } from './request.ts';

const tenantId = 'aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb';
const deviceId = 'cccccccc-1111-4222-8333-dddddddddddd';
const pathOf = (call = 'compliance'): string => `/t/${tenantId}/devices/${deviceId}/${call}`;
const head = (line: string, ...headers: string[]): Buffer =>
  Buffer.from(`${[line, ...headers].join('\r\n')}\r\n\r\n`, 'latin1');
const usual = ['Host: gateway.example.test', 'Authorization: Bearer a.b-c._d'];

interface NodeReading {
  readonly requests: readonly { method: string; url: string; rawHeaders: readonly string[]; body: string }[];
  readonly refused: boolean;
}

/** Reads these bytes with Node's own server on a new connection, and says whether it waits for more. */
async function readByNode(bytes: Buffer): Promise<NodeReading> {
  const requests: { incoming: IncomingMessage; body: string }[] = [];
  let refused = false;
  const server = createServer((incoming, outgoing) => {
    const one = { incoming, body: '' };
    requests.push(one);
    incoming.on('data', (chunk: Buffer) => {
      one.body += chunk.toString('latin1');
    });
    incoming.on('error', () => undefined);
    outgoing.on('error', () => undefined);
    outgoing.end();
  });
  server.on('clientError', () => {
    refused = true;
  });
  const socket = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  socket.on('error', () => undefined);
  server.emit('connection', socket);
  socket.push(bytes);
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  socket.destroy();
  return {
    refused,
    requests: requests.map(({ body, incoming: { method = '', rawHeaders, url = '' } }) => ({
      method,
      url,
      rawHeaders,
      body,
    })),
  };
}

const asNodeSays = (raw: readonly string[]): [string, string][] =>
  raw.flatMap((name, index) => (index % 2 === 0 ? [[name.toLowerCase(), raw[index + 1] ?? '']] : []));

/** Why the ordinary way sees no token. */
const faultOf = (authorization: string | undefined) =>
  authorization === undefined ? 'none' : bearerToken(authorization) === undefined ? 'no-bearer' : undefined;

/** Fails unless Node reads exactly this one request out of the bytes. */
async function expectSameReading(bytes: Buffer, request: ReadRequest): Promise<void> {
  const { refused, requests } = await readByNode(bytes);
  const shown = JSON.stringify(bytes.toString('latin1'));
  expect({ shown, refused, requests: requests.length }).toEqual({ shown, refused: false, requests: 1 });
  const [only] = requests;
  if (!only) return;
  const headers = asNodeSays(only.rawHeaders);
  const names = headers.map(([name]) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(names.filter((name) => !laneHeaderNames.includes(name))).toEqual([]);
  const byName = new Map(headers);
  expect({
    method: only.method,
    url: only.url,
    body: only.body,
    host: byName.get('host'),
    token: bearerToken(byName.get('authorization')) ?? '',
    tokenFault: faultOf(byName.get('authorization')),
    forwarded: byName.get('forwarded'),
    forwardedFor: byName.get('x-forwarded-for'),
    accept: byName.get('accept'),
    acceptLanguage: byName.get('accept-language'),
    requestId: byName.get('x-request-id'),
    traceparent: byName.get('traceparent'),
    tracestate: byName.get('tracestate'),
    closes: (byName.get('connection') ?? 'keep-alive').toLowerCase() !== 'keep-alive',
    length: byName.get('content-length'),
  }).toEqual({
    method: request.method,
    url: `/t/${request.tenantId}/devices/${request.deviceId}/${request.call}`,
    body: '',
    host: request.host,
    token: request.token,
    tokenFault: request.tokenFault,
    forwarded: request.forwarded,
    forwardedFor: request.forwardedFor,
    accept: request.accept,
    acceptLanguage: request.acceptLanguage,
    requestId: request.requestId,
    traceparent: request.traceparent,
    tracestate: request.tracestate,
    closes: false,
    length: request.method === 'POST' ? '0' : undefined,
  });
}

describe('the lane takes', () => {
  test('a device call with what callers send', async () => {
    const bytes = head(
      `GET ${pathOf()} HTTP/1.1`,
      ...usual,
      'Accept: application/json, */*;q=0.1',
      'accept-language: fr',
      'Accept-Encoding: gzip, deflate',
      'User-Agent: some (thing) 1.0',
      'Connection: Keep-Alive',
      'X-Request-ID: abc-1',
      'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      'tracestate: a=b',
    );
    const request = readLaneRequest(bytes);
    expect(request).toEqual({
      method: 'GET',
      role: 'Device.Read',
      call: 'compliance',
      tenantId,
      deviceId,
      token: 'a.b-c._d',
      host: 'gateway.example.test',
      accept: 'application/json, */*;q=0.1',
      acceptLanguage: 'fr',
      requestId: 'abc-1',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      tracestate: 'a=b',
    });
    if (request) await expectSameReading(bytes, request);
  });

  test.each(['127.0.0.1', '127.0.0.1:8443', 'localhost:65535', 'a-b.example.test:80', 'x'])(
    'host %s',
    (host) => {
      expect(
        readLaneRequest(head(`GET ${pathOf()} HTTP/1.1`, `Host: ${host}`, 'Authorization: Bearer t'))?.host,
      ).toBe(host);
    },
  );

  test('inventory by GET, recalculate by POST with an empty body', () => {
    expect(readLaneRequest(head(`GET ${pathOf('inventory')} HTTP/1.1`, ...usual))?.call).toBe('inventory');
    expect(
      readLaneRequest(head(`POST ${pathOf('recalculate')} HTTP/1.1`, ...usual, 'Content-Length: 0')),
    ).toMatchObject({ method: 'POST', call: 'recalculate' });
  });
});

describe('the lane sees that there is no token', () => {
  const line = `GET ${pathOf()} HTTP/1.1`;
  test.each([
    ['none', []],
    ['no-bearer', ['Authorization: Basic dTpw']],
    ['no-bearer', ['Authorization: Bearer']],
    ['no-bearer', ['authorization: Bearer-ish a b']],
    ['no-bearer', ['authorization: bearer a, b']],
  ] as const)('%s: %s', async (tokenFault, lines) => {
    const bytes = head(line, 'Host: a', ...lines);
    const request = readLaneRequest(bytes);
    expect(request).toMatchObject({ tokenFault, token: '' });
    if (request !== undefined) await expectSameReading(bytes, request);
  });
});

describe('the lane leaves to Node', () => {
  const line = `GET ${pathOf()} HTTP/1.1`;
  test.each<[string, Buffer]>([
    ['another path', head('GET / HTTP/1.1', ...usual)],
    ['a query', head(`GET ${pathOf()}?a=1 HTTP/1.1`, ...usual)],
    ['an absolute form', head(`GET http://a${pathOf()} HTTP/1.1`, ...usual)],
    ['capitals in an id', head(line.replace('aaaaaaaa', 'AAAAAAAA'), ...usual)],
    ['a slash at the end', head(`GET ${pathOf()}/ HTTP/1.1`, ...usual)],
    ['HTTP/1.0', head(`GET ${pathOf()} HTTP/1.0`, ...usual)],
    ['two spaces in the request line', head(`GET  ${pathOf()} HTTP/1.1`, ...usual)],
    ['an empty line before', Buffer.concat([Buffer.from('\r\n'), head(line, ...usual)])],
    ['HEAD', head(`HEAD ${pathOf()} HTTP/1.1`, ...usual)],
    ['the wrong method', head(`POST ${pathOf()} HTTP/1.1`, ...usual, 'Content-Length: 0')],
    ['recalculate by GET', head(`GET ${pathOf('recalculate')} HTTP/1.1`, ...usual)],
    ['POST without a length', head(`POST ${pathOf('recalculate')} HTTP/1.1`, ...usual)],
    ['POST with a body', head(`POST ${pathOf('recalculate')} HTTP/1.1`, ...usual, 'Content-Length: 1')],
    ['GET with a length', head(line, ...usual, 'Content-Length: 0')],
    ['a length with a sign', head(`POST ${pathOf('recalculate')} HTTP/1.1`, ...usual, 'Content-Length: +0')],
    ['a transfer encoding', head(line, ...usual, 'Transfer-Encoding: chunked')],
    ['an upgrade', head(line, ...usual, 'Connection: upgrade', 'Upgrade: websocket')],
    ['a close', head(line, ...usual, 'Connection: close')],
    ['an expectation', head(line, ...usual, 'Expect: 100-continue')],
    ['a cookie', head(line, ...usual, 'Cookie: a=b')],
    ['no host', head(line, 'Authorization: Bearer t')],
    ['two hosts', head(line, ...usual, 'host: gateway.example.test')],
    ['a host with a user', head(line, 'Host: a@b', 'Authorization: Bearer t')],
    ['a host that a URL reads as a number', head(line, 'Host: 0x7f.1', 'Authorization: Bearer t')],
    ['a port that does not exist', head(line, 'Host: a:65536', 'Authorization: Bearer t')],
    ['two tokens', head(line, ...usual, 'authorization: Bearer t')],
    ['two of another scheme', head(line, 'Host: a', 'Authorization: Basic t', 'authorization: Basic t')],
    ['the scheme in lower case', head(line, 'Host: a', 'Authorization: bearer t')],
    ['an empty token', head(line, 'Host: a', 'Authorization: Bearer ')],
    ['a scheme with a tab', head(line, 'Host: a', 'Authorization: Basic\tt')],
    ['an empty authorization', head(line, 'Host: a', 'Authorization: ')],
    ['a token of other characters', head(line, 'Host: a', 'Authorization: Bearer a,b')],
    ['a space before the colon', head(line, ...usual, 'Accept : a')],
    ['a folded value', head(line, ...usual, 'Accept: a\r\n b')],
    ['a tab', head(line, ...usual, 'Accept: a\tb')],
    ['a space at the end', head(line, ...usual, 'Accept: a ')],
    ['no space after the colon', head(line, ...usual, 'Accept:a')],
    ['an empty value', head(line, ...usual, 'Accept: ')],
    ['a lone line feed', head(line, ...usual, 'Accept: a\nX-A: b')],
    ['a lone carriage return', head(line, ...usual, 'Accept: a\rb')],
    ['a zero byte', head(line, ...usual, 'Accept: a\0b')],
    ['Latin-1', head(line, ...usual, 'Accept: caf\xe9')],
    ['two accepts', head(line, ...usual, 'Accept: a', 'accept: b')],
    ['half a head', head(line, ...usual).subarray(0, -2)],
    ['a body', Buffer.concat([head(line, ...usual), Buffer.from('x')])],
    ['two requests', Buffer.concat([head(line, ...usual), head(line, ...usual)])],
    ['a head over 16 KiB', head(line, ...usual, `Accept: ${'a'.repeat(16_384)}`)],
    ['nothing', Buffer.alloc(0)],
  ])('%s', (_name, bytes) => {
    expect(readLaneRequest(bytes)).toBeUndefined();
  });
});

const guids = fc.uuid().map((text) => text.toLowerCase());
const names = fc.constantFrom(...laneHeaderNames).chain((name) =>
  fc.constantFrom(
    name,
    name.toUpperCase(),
    name.replaceAll(/\b[a-z]/g, (letter) => letter.toUpperCase()),
  ),
);
const printable = fc.string({
  unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
  maxLength: 20,
});
const headerLines = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(names, printable).map(([name, value]) => `${name}: ${value}`) },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      'Connection: keep-alive',
      'Content-Length: 0',
      'Content-Length: 4',
      'Transfer-Encoding: chunked',
      'Accept: */*',
      'Expect: 100-continue',
      'X-Request-Id: r',
      'Host: b',
    ),
  },
);
/** Near what the lane takes, so that many are taken and the rest fails by little. */
const requests = fc
  .record({
    method: fc.constantFrom('GET', 'GET', 'GET', 'POST'),
    call: fc.constantFrom('compliance', 'inventory', 'recalculate'),
    tenant: guids,
    device: guids,
    host: fc.constantFrom('gateway.example.test', '127.0.0.1:8443', 'localhost'),
    authorization: fc.oneof(
      {
        weight: 6,
        arbitrary: fc
          .stringMatching(/^[A-Za-z0-9_-]{1,40}\.[A-Za-z0-9_-]{1,40}\.[A-Za-z0-9_-]{1,40}$/)
          .map((token) => [`Authorization: Bearer ${token}`]),
      },
      { weight: 1, arbitrary: fc.constant([]) },
      { weight: 2, arbitrary: printable.map((value) => [`Authorization: ${value}`]) },
      { weight: 1, arbitrary: printable.map((value) => [`Authorization: bearer ${value}`]) },
    ),
    more: fc.uniqueArray(headerLines, {
      maxLength: 5,
      selector: (line) => line.split(':')[0]?.toLowerCase(),
    }),
  })
  .map(({ authorization, call, device, host, method, more, tenant }) => {
    const fitting = call === 'recalculate' ? 'POST' : method;
    const length = fitting === 'POST' ? ['Content-Length: 0'] : [];
    return head(
      `${fitting} /t/${tenant}/devices/${device}/${call} HTTP/1.1`,
      `Host: ${host}`,
      ...authorization,
      ...length,
      ...more,
    );
  });

const pieces = fc.constantFrom(
  '\r',
  '\n',
  '\r\n',
  '\0',
  ' ',
  '\t',
  ':',
  ',',
  '\x80',
  '\r\n\r\n',
  'x',
  ';',
  '\r\n ',
  '0',
);
const changes = fc.oneof(
  fc.record({ kind: fc.constant('flip' as const), at: fc.nat(), mask: fc.integer({ min: 1, max: 255 }) }),
  fc.record({ kind: fc.constant('insert' as const), at: fc.nat(), piece: pieces }),
  fc.record({ kind: fc.constant('drop' as const), at: fc.nat(), count: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ kind: fc.constant('double' as const), at: fc.nat() }),
  fc.record({ kind: fc.constant('cut' as const), at: fc.nat() }),
  fc.record({ kind: fc.constant('join' as const), at: fc.nat() }),
);
type Change = typeof changes extends fc.Arbitrary<infer T> ? T : never;

function changed(bytes: Buffer, change: Change): Buffer {
  const at = change.at % (bytes.length + 1);
  switch (change.kind) {
    case 'flip': {
      const copy = Buffer.from(bytes);
      const index = at % bytes.length;
      copy[index] = (copy[index] ?? 0) ^ change.mask;
      return copy;
    }
    case 'insert':
      return Buffer.concat([bytes.subarray(0, at), Buffer.from(change.piece, 'latin1'), bytes.subarray(at)]);
    case 'drop':
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + change.count)]);
    case 'double': {
      const lines = bytes.toString('latin1').split('\r\n');
      const index = at % Math.max(1, lines.length - 2);
      lines.splice(index, 0, lines[index] ?? '');
      return Buffer.from(lines.join('\r\n'), 'latin1');
    }
    case 'cut':
      return bytes.subarray(0, Math.max(1, at));
    case 'join':
      return Buffer.concat([bytes, bytes]);
  }
}

describe('against the parser of Node', () => {
  /** ESPALIER_FUZZ_RUNS asks for more; a failure prints the seed. */
  const numRuns = Number(process.env.ESPALIER_FUZZ_RUNS ?? 1_500);

  test('whatever the lane takes, Node reads as the same one request', { timeout: 600_000 }, async () => {
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(requests, async (bytes) => {
        const request = readLaneRequest(bytes);
        if (request === undefined) return;
        taken += 1;
        await expectSameReading(bytes, request);
      }),
      { numRuns },
    );
    expect(taken).toBeGreaterThan(numRuns / 10);
  });

  test('what was changed by a few bytes is never taken where Node refuses it or reads something else', {
    timeout: 600_000,
  }, async () => {
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(requests, fc.array(changes, { minLength: 1, maxLength: 3 }), async (bytes, list) => {
        const mutated = list.reduce(
          (before, change) => (before.length === 0 ? before : changed(before, change)),
          bytes,
        );
        const request = readLaneRequest(mutated);
        if (request === undefined) return;
        taken += 1;
        await expectSameReading(mutated, request);
      }),
      { numRuns: numRuns * 10 },
    );
    expect(taken).toBeGreaterThan(0);
  });

  test('every single byte, changed to every value', { timeout: 600_000 }, async () => {
    const bytes = head(`GET ${pathOf()} HTTP/1.1`, ...usual, 'Connection: keep-alive', 'Accept: a, b');
    for (let at = 0; at < bytes.length; at += 1) {
      for (let value = 0; value < 256; value += 1) {
        const copy = Buffer.from(bytes);
        copy[at] = value;
        const request = readLaneRequest(copy);
        if (request === undefined || copy.equals(bytes)) continue;
        // Letters of the token and of values are many; Node's reading of each is looked at for some.
        if ((at * 256 + value) % 7 === 0) await expectSameReading(copy, request);
      }
    }
  });
});
