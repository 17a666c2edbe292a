import { type Agent, request } from 'node:https';
import { gunzipSync } from 'node:zlib';
import { call } from '../../test/harness/http.ts';
import { percentile } from '../pace.ts';
import type { SeededFleet } from './fleet-sql.ts';

/** Pages of the console as a browser asks for them: with a session, compressed, over a connection that stays. */

export interface PageRequest {
  readonly name: string;
  readonly path: string;
  /** The page asks for a part of itself. */
  readonly isPart?: boolean;
}

export interface PageMeasure {
  readonly name: string;
  /** The first of all. */
  readonly coldMs: number;
  readonly medianMs: number;
  readonly p95Ms: number;
  readonly slowestMs: number;
  readonly bytes: number;
  readonly compressedBytes: number;
}

/** Exchanges a key for the cookie of a session. */
export async function signIn(origin: string, ca: string, key: string): Promise<string> {
  const answer = await call(`${origin}/sign-in/key`, {
    method: 'POST',
    ca,
    headers: {
      origin,
      'sec-fetch-site': 'same-origin',
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: new URLSearchParams({ key }).toString(),
  });
  if (answer.status !== 303) throw new Error(`the sign-in was answered ${answer.status}: ${answer.text}`);
  return [answer.headers['set-cookie'] ?? []]
    .flat()
    .map((line) => line.split(';')[0])
    .join('; ');
}

/** What a page sends with a request for itself, or for a part of itself because something has changed. */
export const pageHeaders = (cookie: string, isPart: boolean): Record<string, string> => ({
  cookie,
  accept: 'text/html',
  'accept-encoding': 'gzip, deflate, br',
  'sec-fetch-site': 'same-origin',
  ...(isPart ? { 'hx-request': 'true', 'x-espalier-refresh': '1' } : {}),
});

/** What a page says that went wrong. */
const problemIn = (bytes: Buffer): string => {
  const text = bytes.toString('utf8');
  return text
    .slice(text.indexOf('class="problem"'))
    .replaceAll(/<[^>]*>|\s+/g, ' ')
    .slice(0, 500);
};

/** Resolves when the last byte is there. */
export function fetchPage(
  agent: Agent,
  url: string,
  headers: Record<string, string>,
): Promise<{ readonly bytes: Buffer; readonly isGzip: boolean; readonly ms: number }> {
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { agent, headers }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', reject);
      incoming.on('end', () => {
        const bytes = Buffer.concat(chunks);
        const { statusCode } = incoming;
        const isGzip = incoming.headers['content-encoding'] === 'gzip';
        if (statusCode !== 200)
          reject(
            new Error(`${url} answered ${statusCode}: ${problemIn(isGzip ? gunzipSync(bytes) : bytes)}`),
          );
        resolve({ bytes, isGzip, ms: performance.now() - started });
      });
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

export function pagesOf(
  { computerName, deviceId, serialNumber, tenantId }: SeededFleet,
  devices: number,
): PageRequest[] {
  const tenant = `/tenants/${tenantId}`;
  const search = (text: string): string => `/search?q=${encodeURIComponent(text)}`;
  return [
    { name: 'overview', path: '/' },
    { name: 'overview, its live part', path: '/', isPart: true },
    { name: 'overview, last page', path: '/?page=20' },
    { name: 'tenants', path: '/tenants' },
    { name: 'tenant', path: tenant },
    { name: 'tenant, charts of a week', path: `${tenant}?range=week` },
    { name: 'devices', path: `${tenant}/devices` },
    { name: 'devices, last page', path: `${tenant}/devices?page=${Math.ceil(devices / 100) - 1}` },
    { name: 'devices, part of a serial', path: `${tenant}/devices?q=${serialNumber.slice(2, 7)}` },
    { name: 'devices, failed', path: `${tenant}/devices?state=failed` },
    { name: 'devices, verified, page 100', path: `${tenant}/devices?state=verified&page=100` },
    { name: 'device', path: `${tenant}/devices/${deviceId}` },
    { name: 'search, by serial', path: search(serialNumber) },
    { name: 'search, by name', path: search(computerName) },
    { name: 'search, by device id', path: search(deviceId) },
    { name: 'search, tenants', path: search('customer 05') },
    { name: 'search, nothing', path: search('no-such-thing') },
    { name: 'reports by cause', path: '/reports' },
    { name: 'reports of a tenant', path: `/reports?tenant=${tenantId}` },
    { name: 'reports, failed', path: '/reports?state=failed' },
    { name: 'moves', path: `${tenant}/moves` },
    { name: 'history', path: '/history' },
    { name: 'history of a tenant', path: `/history?tenant=${tenantId}` },
    { name: 'approvals', path: '/approvals' },
  ];
}

/** One request after the other. */
export async function measurePage(
  { agent, cookie, origin }: { readonly agent: Agent; readonly cookie: string; readonly origin: string },
  { isPart = false, name, path }: PageRequest,
  { samples, warmUps }: { readonly samples: number; readonly warmUps: number },
): Promise<PageMeasure> {
  const took: number[] = [];
  let last: Awaited<ReturnType<typeof fetchPage>> | undefined;
  for (let turn = 0; turn < 1 + warmUps + samples; turn += 1) {
    last = await fetchPage(agent, origin + path, pageHeaders(cookie, isPart));
    took.push(last.ms);
  }
  if (!last?.isGzip) throw new Error(`${path} was not compressed`);
  const measured = took.slice(1 + warmUps).sort((a, b) => a - b);
  return {
    name,
    coldMs: took[0] ?? 0,
    medianMs: percentile(measured, 0.5),
    p95Ms: percentile(measured, 0.95),
    slowestMs: measured.at(-1) ?? 0,
    bytes: gunzipSync(last.bytes).byteLength,
    compressedBytes: last.bytes.byteLength,
  };
}
