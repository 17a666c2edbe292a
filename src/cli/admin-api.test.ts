/** A server that a client has to stand: a real TLS server that breaks off, refuses early and answers slowly, at will. */

import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { developmentCertificate } from '../runtime/node-certificate.ts';
import { type AdminServer, connectTo } from './admin-api.ts';
import { exportDevices } from './commands/export-devices.ts';
import { givenOf } from './commands/given.ts';
import { importDevices } from './commands/import-devices.ts';
import type { CommandFailure } from './failure.ts';
import type { Format, Output } from './output/output.ts';

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

const problem = (status: number, slug: string, detail: string) =>
  JSON.stringify({
    type: `https://espalier.dev/problems/${slug}`,
    title: 't',
    status,
    detail,
    instance: 'req-1',
    owner: 'caller',
    httpStatus: status,
    errors: [],
  });

describe('the client of the admin API', () => {
  const folder = mkdtempSync(join(tmpdir(), 'espalier-client-'));
  const seen: Seen[] = [];
  let behave: (response: ServerResponse, nth: number, request: IncomingMessage) => void;
  let api: AdminServer;
  let close: () => void;

  beforeAll(async () => {
    const { certFile, keyFile } = await developmentCertificate(folder, 'https://localhost');
    const [cert, key] = [readFileSync(certFile, 'utf8'), readFileSync(keyFile, 'utf8')];
    const server = createServer({ cert, key }, (request, response) => {
      let body = '';
      if (request.url === '/api/v1/early') {
        behave(response, 1, request);
        return;
      }
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('error', () => undefined);
      request.on('end', () => {
        seen.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body });
        behave(response, seen.length, request);
      });
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const url = `https://localhost:${(server.address() as AddressInfo).port}`;
    api = connectTo({ url, apiKey: 'esp_key', ca: cert });
    close = () => server.close();
  });
  afterAll(() => close());
  beforeEach(() => {
    seen.length = 0;
  });

  const json = (response: ServerResponse, status: number, body: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
  const breakFirst = (response: ServerResponse, nth: number): void => {
    if (nth === 1) response.socket?.destroy();
    else json(response, 200, { done: true });
  };

  it.each(['GET', 'PUT', 'DELETE', 'POST'] as const)(
    'sends a %s once more when the connection breaks',
    async (method) => {
      behave = breakFirst;
      expect(await api.call(method, '/x', method === 'GET' ? undefined : { a: 1 })).toEqual({ done: true });
      expect(seen).toHaveLength(2);
      expect(seen[0]?.headers['idempotency-key']).toBe(seen[1]?.headers['idempotency-key']);
      expect(seen[0]?.headers['idempotency-key'] !== undefined).toBe(method === 'POST');
      expect(seen[1]?.body).toBe(seen[0]?.body);
    },
  );

  it('sends a PATCH no second time, nor anything a third', async () => {
    behave = breakFirst;
    await expect(api.call('PATCH', '/x', {})).rejects.toMatchObject({ exitCode: 1 });
    expect(seen).toHaveLength(1);
    behave = (response) => response.socket?.destroy();
    await expect(api.call('GET', '/x')).rejects.toThrow('broke the connection');
    expect(seen).toHaveLength(3);
  });

  it('gives each POST a key of its own', async () => {
    behave = (response) => json(response, 200, {});
    await api.call('POST', '/x');
    await api.call('POST', '/x');
    expect(seen[0]?.headers['idempotency-key']).not.toBe(seen[1]?.headers['idempotency-key']);
  });

  it.each([
    [401, 'unauthenticated', 3, 'profiles test'],
    [403, 'forbidden', 5, 'espalier whoami'],
    [404, 'not-found', 4, 'who must act: you'],
    [409, 'conflict', 1, 'stands against it'],
    [412, 'precondition-failed', 1, 'changed since it was read'],
    [429, 'rate-limited', 6, 'try again in 7 s'],
    [503, 'overloaded', 1, 'try again in 7 s'],
    [500, 'internal-error', 1, 'request id: req-1'],
  ])('explains a %i', async (status, slug, exitCode, text) => {
    behave = (response) => {
      response.writeHead(status, { 'content-type': 'application/problem+json', 'retry-after': '7' });
      response.end(problem(status, slug, 'the detail'));
    };
    const failure = (await api.call('GET', '/x').catch((error: unknown) => error)) as CommandFailure;
    expect(failure.exitCode).toBe(exitCode);
    expect(failure.message).toContain(`HTTP ${status}: the detail (${slug})`);
    expect(failure.message).toContain(text);
  });

  it('speaks of no other key to who has to leave the approval to somebody else', async () => {
    behave = (response) => {
      response.writeHead(403, { 'content-type': 'application/problem+json' });
      const errors = [{ code: 'OWN_REQUEST', field: null, description: 'another operator has to approve' }];
      response.end(
        JSON.stringify({
          ...JSON.parse(problem(403, 'forbidden', 'another operator has to approve')),
          errors,
        }),
      );
    };
    const failure = (await api.call('POST', '/x').catch((error: unknown) => error)) as CommandFailure;
    expect(failure.exitCode).toBe(5);
    expect(failure.message).toBe(
      'HTTP 403: another operator has to approve (forbidden)\n  who must act: you: the request has to be another one\n  request id: req-1',
    );
  });

  it('says that the first sending may have done it when the second is refused', async () => {
    behave = (response, nth) => {
      if (nth === 1) response.socket?.destroy();
      else response.writeHead(409).end(problem(409, 'conflict', 'it is there'));
    };
    await expect(api.call('POST', '/x')).rejects.toThrow('the first time may have done it');
  });

  it('takes the page of a proxy for no answer', async () => {
    behave = (response) =>
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>sign in</html>');
    await expect(api.call('GET', '/x')).rejects.toThrow('no Espalier answer');
  });

  interface Written {
    text: string;
    readonly said: string[];
    readonly output: Output;
  }
  const written = (format: Format): Written => {
    const all: Written = {
      text: '',
      said: [],
      output: {
        format,
        terminalWidth: undefined,
        write: async (part) => {
          all.text += part;
        },
        say: (line) => {
          all.said.push(line);
        },
      },
    };
    return all;
  };
  const transfer = (output: Output, values: Record<string, unknown>) => ({
    api,
    output,
    given: givenOf(values),
    parameters: { tenantId: 't 1' },
  });

  it('imports a file by its name or its first character, and ends with 1 for a refused row', async () => {
    behave = (response) =>
      json(response, 200, {
        accepted: 1,
        rejected: [{ line: 3, code: 'INVALID', description: 'no such instance' }],
      });
    const csv = join(folder, 'routes.csv');
    writeFileSync(csv, 'deviceId,instanceId\na,b\nc,d\n');
    const first = written('table');
    expect(await importDevices(transfer(first.output, { file: csv, mode: 'atomic', dryRun: true }))).toBe(1);
    expect(seen[0]).toMatchObject({
      method: 'POST',
      url: '/api/v1/tenants/t%201/devices/import?mode=atomic&dry-run=true',
      headers: { 'content-type': 'text/csv' },
      body: 'deviceId,instanceId\na,b\nc,d\n',
    });
    expect(first.text).toBe('line  code     description\n3     INVALID  no such instance\n');
    expect(first.said).toEqual(['1 rows accepted, 1 rejected; nothing was changed']);
    behave = (response) => json(response, 200, { accepted: 2, rejected: [] });
    const unnamed = join(folder, 'routes');
    writeFileSync(unnamed, '\n  {"deviceId":"a"}\n');
    expect(await importDevices(transfer(written('json').output, { file: unnamed }))).toBe(0);
    expect(seen[1]).toMatchObject({
      headers: { 'content-type': 'application/x-ndjson' },
      body: '\n  {"deviceId":"a"}\n',
    });
  });

  it('sends a packed file as it is, and asks for its format where the name does not say it', async () => {
    behave = (response) => json(response, 200, { accepted: 1, rejected: [] });
    const packed = join(folder, 'routes.ndjson.gz');
    writeFileSync(packed, gzipSync('{"deviceId":"a"}\n'));
    expect(await importDevices(transfer(written('table').output, { file: packed, reason: 'move' }))).toBe(0);
    expect(seen[0]).toMatchObject({
      url: '/api/v1/tenants/t%201/devices/import?reason=move',
      headers: { 'content-type': 'application/x-ndjson', 'content-encoding': 'gzip' },
    });
    const unnamed = join(folder, 'routes.gz');
    writeFileSync(unnamed, gzipSync('x'));
    await expect(importDevices(transfer(written('table').output, { file: unnamed }))).rejects.toThrow(
      '--format',
    );
  });

  it('shows the refusal of an import that is answered before all of it was sent', async () => {
    const big = Readable.from(
      (function* () {
        // More than the sockets between hold.
        for (let row = 0; row < 20_000; row += 1) yield `{"deviceId":"${row}"}\n`.repeat(20);
      })(),
    );
    behave = (response) =>
      response.writeHead(403, { connection: 'close' }).end(problem(403, 'forbidden', 'no'));
    await expect(api.upload('/early', 'application/x-ndjson', big)).rejects.toMatchObject({ exitCode: 5 });
  });

  it('exports to a file that is there only when it is whole', async () => {
    const to = join(folder, 'out.csv');
    behave = (response) => {
      response.writeHead(200, { 'content-type': 'text/csv', 'content-length': '1000' });
      response.write('deviceId\na\n');
      setTimeout(() => response.socket?.destroy(), 50);
    };
    await expect(exportDevices(transfer(written('table').output, { to }))).rejects.toThrow('broke off');
    expect(() => readFileSync(to)).toThrow('ENOENT');
    behave = (response) => response.writeHead(200, { 'content-type': 'text/csv' }).end('deviceId\na\nb\n');
    const whole = written('table');
    expect(await exportDevices(transfer(whole.output, { to }))).toBe(0);
    expect(readFileSync(to, 'utf8')).toBe('deviceId\na\nb\n');
    expect(whole.said).toEqual([`2 routes in ${to}`]);
    expect(seen[1]?.headers.accept).toBe('text/csv');
  });
});
