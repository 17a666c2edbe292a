import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bootstrapKey, type GatewayProcess, type Scene, startScene } from '../harness/gateway.ts';
import { openCaller } from '../harness/lane-scene.ts';

type ListenerName = 'data' | 'admin' | 'ops';
type Row = [listener: ListenerName, what: string, request: string, status: number];

const tenant = 'aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb';
const device = `/t/${tenant}/devices/${tenant}`;
const page = 'Accept: text/html';
const operator = `Authorization: Bearer ${bootstrapKey}`;
const request = (line: string, ...lines: readonly string[]): string =>
  [`${line} HTTP/1.1`, 'Host: localhost', ...lines, '', ''].join('\r\n');

/** Each kind of answer that a browser can be led to, by whichever part of a listener makes it. */
const rows: readonly Row[] = [
  ['data', 'a problem of the lane', request(`GET ${device}/compliance`, 'Authorization: Bearer a.b.c'), 401],
  ['data', 'a problem of the ordinary way', request(`GET ${device}/compliance`), 401],
  ['data', 'a problem of Jamf’s side', request(`POST /jamf/${tenant}/webhooks`, 'Content-Length: 0'), 401],
  ['data', 'a path that is not there', request('GET /nothing'), 404],
  ['data', 'a page that is not there', request('GET /nothing', page), 404],
  ['data', 'a method that is not taken', request('DELETE /microsoft/consent'), 405],
  ['data', 'a landing page of an unknown tenant', request(`GET /t/${tenant}/enroll`, page), 404],
  ['data', 'the page behind a consent', request('GET /microsoft/consent?state=x', page), 400],
  ['data', 'an answer to HEAD', request('HEAD /nothing'), 404],
  ['data', 'what is no HTTP', 'hello\r\n\r\n', 400],
  ['data', 'a request with two hosts', request('GET /', 'Host: b'), 400],
  ['data', 'headers that are too large', request('GET /', `X-A: ${'x'.repeat(20_000)}`), 431],
  ['data', 'an expectation', request('GET /', 'Expect: tea'), 417],
  ['data', 'CONNECT', request('CONNECT localhost:1'), 400],
  ['admin', 'an answer of the API', request('GET /api/v1/tenants', operator), 200],
  ['admin', 'an unchanged answer', request('GET /api/v1/version', operator), 200],
  ['admin', 'a problem of the API', request('GET /api/v1/tenants'), 401],
  ['admin', 'a field error', request('GET /api/v1/tenants?page-size=9999', operator), 400],
  ['admin', 'a streamed answer', request(`GET /api/v1/tenants/${tenant}/devices/export`, operator), 404],
  ['admin', 'the document', request('GET /api/v1/openapi.json'), 200],
  ['admin', 'the page of the document', request('GET /api/docs', page), 200],
  ['admin', 'a redirect to the sign-in', request('GET /', page), 303],
  ['admin', 'the sign-in', request('GET /sign-in', page), 200],
  ['admin', 'an asset', request('GET /console/console.css'), 200],
  ['admin', 'a page that is not there', request('GET /nothing', page), 404],
  ['admin', 'what is no HTTP', 'hello\r\n\r\n', 400],
  ['ops', 'life', request('GET /health/live'), 200],
  ['ops', 'metrics', request('GET /metrics'), 200],
  ['ops', 'a path that is not there', request('GET /nothing'), 404],
  ['ops', 'a page that is not there', request('GET /nothing', page), 404],
  ['ops', 'what is no HTTP', 'hello\r\n\r\n', 400],
];

describe('headers of every answer', () => {
  let scene: Scene;
  /** At names that browsers remember; at localhost. */
  let named: GatewayProcess;
  let local: GatewayProcess;
  beforeAll(async () => {
    scene = await startScene({ world: { clouds: ['public'], tenants: [{ instances: [] }] } });
    named = await scene.another({
      ESPALIER_TLS: 'off',
      ESPALIER_PUBLIC_URL: 'https://gateway.example.com',
      ESPALIER_ADMIN_URL: 'https://admin.example.com',
    });
    local = await scene.another({ ESPALIER_TLS: 'off' });
  }, 120_000);
  afterAll(async () => {
    await Promise.all([named?.stop(), local?.stop()]);
    await scene?.close();
  });

  async function ask(url: string, bytes: string) {
    const caller = await openCaller(Number(new URL(url).port));
    caller.socket.write(bytes, 'latin1');
    for (const end = Date.now() + 5_000; !caller.text().includes('\r\n\r\n'); ) {
      if (caller.isClosed() || Date.now() > end) throw new Error(`no answer: ${caller.text()}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    caller.socket.destroy();
    const [line = '', ...lines] = caller.text().split('\r\n\r\n')[0]?.split('\r\n') ?? [];
    const fields = lines.map((one): [string, string] => {
      const [name = '', ...value] = one.split(': ');
      return [name.toLowerCase(), value.join(': ')];
    });
    const headers: Readonly<Record<string, string>> = Object.fromEntries(fields);
    expect(fields.length, 'no header twice').toBe(Object.keys(headers).length);
    return { status: Number(line.split(' ')[1]), headers };
  }

  it.each(rows)('%s: %s', async (listener, what, bytes, status) => {
    const { headers, status: answered } = await ask(named[listener], bytes);
    expect(answered).toBe(status);
    expect(headers['content-security-policy']).toMatch(
      /^default-src 'none'(?:;.*)?; frame-ancestors 'none'$/,
    );
    expect(headers['content-security-policy']).not.toMatch(/unsafe|\*|https?:/);
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(headers['cross-origin-resource-policy']).toBe('same-origin');
    expect(headers['referrer-policy']).toMatch(/^(?:no-referrer|same-origin)$/);
    expect(headers['cache-control']).toBe(what === 'an asset' ? 'no-cache' : 'no-store');
    expect(headers['strict-transport-security']).toBe(listener === 'ops' ? undefined : 'max-age=31536000');
    expect(headers).not.toHaveProperty('server');
    expect(headers).not.toHaveProperty('x-powered-by');
    const atHome = await ask(local[listener], bytes);
    expect(atHome.headers).not.toHaveProperty('strict-transport-security');
    expect(atHome.headers['content-security-policy']).toBe(headers['content-security-policy']);
  });
});
