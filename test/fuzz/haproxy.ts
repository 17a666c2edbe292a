/** Debian's HAProxy with its strict parsing before a server that records what HAProxy made of a request. */

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../harness/eventually.ts';
import { freePort } from '../harness/ports.ts';

const environment = { PATH: `${process.env.PATH}:/usr/sbin` };

export function hasHaproxy(): boolean {
  const found = spawnSync('haproxy', ['-v'], { env: environment }).status === 0;
  if (!found && process.env.CI === 'true') throw new Error('haproxy is needed: apt-get install it');
  if (!found) process.stderr.write('haproxy is not installed: nothing is compared with it.\n');
  return found;
}

/** A request as a server behind a parser sees it. */
export interface Reading {
  readonly method: string;
  readonly target: string;
  /** Those that a test compares, with their values in the order in which they came. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Haproxy {
  readonly port: number;
  readonly readings: Reading[];
  close(): Promise<void>;
}

/** `compared`: names of headers that are recorded. */
export async function startHaproxy(compared: readonly string[]): Promise<Haproxy> {
  const readings: Reading[] = [];
  const double = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('error', () => undefined);
    request.on('end', () => {
      readings.push({
        method: request.method ?? '',
        target: request.url ?? '',
        headers: comparedHeaders(request.rawHeaders, compared),
        body: Buffer.concat(chunks).toString('latin1'),
      });
      response.setHeader('content-length', 2).end('{}');
    });
  });
  await new Promise<void>((resolve) => double.listen(0, '127.0.0.1', resolve));
  const port = await freePort();
  const dir = mkdtempSync(join(tmpdir(), 'haproxy-'));
  const file = join(dir, 'haproxy.cfg');
  writeFileSync(
    file,
    `global
  maxconn 200
defaults
  mode http
  timeout connect 2s
  timeout client 5s
  timeout server 5s
  timeout http-request 3s
frontend in
  bind 127.0.0.1:${port}
  default_backend double
backend double
  http-reuse never
  server double 127.0.0.1:${(double.address() as AddressInfo).port}
`,
  );
  const child = spawn('haproxy', ['-db', '-q', '-f', file], { env: environment, stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await eventually(
    () =>
      new Promise<void>((resolve, reject) => {
        const socket = connect(port, '127.0.0.1', () => {
          socket.destroy();
          resolve();
        });
        socket.once('error', reject);
      }),
  );
  return {
    port,
    readings,
    close: async () => {
      child.kill('SIGKILL');
      await ended;
      double.closeAllConnections();
      await new Promise((resolve) => double.close(resolve));
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Pairs of names and values, one after the other, as Node has them. */
export function comparedHeaders(raw: readonly string[], names: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = (raw[at] ?? '').toLowerCase();
    if (!names.includes(name)) continue;
    const value = (raw[at + 1] ?? '').trim();
    found[name] = found[name] === undefined ? value : `${found[name]}, ${value}`;
  }
  return found;
}
