/** Commands that work on a server: over its admin API, at the address and with the key that `settings.ts` finds. */

import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { headersOf, reasonOf } from '../client/request.ts';
import { type Client, createRequests } from '../client/requests.ts';
import { CommandFailure, exitCodes } from './failure.ts';
import { isRow, type Row } from './output/fields.ts';
import { connectionFailure, isReset } from './server/broken-connection.ts';
import { type Asked, exchange, open, textOf } from './server/exchange.ts';
import { refusalOf } from './server/refusal.ts';
import { type Connection, type Environment, resolveConnection } from './server/settings.ts';

export { CommandFailure, exitCodes } from './failure.ts';

/**
 * The operations of the published client, over TLS that trusts the authority of the connection. What is refused is thrown as a
 * `CommandFailure` with the exit code that it calls for (contract section 9), and a request that may be repeated is sent once
 * more when the connection breaks.
 */
export type AdminApi = Client;

export interface AdminServer extends AdminApi {
  /** Base URL, without the path of the API. */
  readonly url: string;
  /** The body of a success as it comes. */
  download(
    path: string,
    accept: string,
    headers?: Readonly<Record<string, string>>,
  ): Promise<IncomingMessage>;
  /** A POST that is answered in lines: `onLine` takes each but the last, which has the result. */
  follow(path: string, onLine: (line: Row) => Promise<void>): Promise<unknown>;
  /** Sends a body as it comes and reads the JSON of the success. */
  upload(
    path: string,
    contentType: string,
    body: Readable,
    headers?: Readonly<Record<string, string>>,
  ): Promise<unknown>;
}

const linesType = 'application/x-ndjson';
const callIdleMs = 60_000;
/** An import is committed before it is answered, an export begins with a query over all routes. */
const streamIdleMs = 600_000;

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

interface Exchanged {
  readonly status: number;
  readonly text: string;
  readonly headers: IncomingHttpHeaders;
  readonly repeated: boolean;
}

async function exchangeTwice(url: URL, asked: Asked): Promise<Exchanged> {
  const attempt = async (repeated: boolean): Promise<Exchanged> => ({
    ...(await exchange(url, asked)),
    repeated,
  });
  const mayRepeat =
    ['DELETE', 'GET', 'PUT'].includes(asked.method) || asked.headers['idempotency-key'] !== undefined;
  try {
    return await attempt(false);
  } catch (error) {
    if (!mayRepeat || !isReset(error)) throw connectionFailure(url.origin, error);
    return attempt(true).catch((again: unknown) => {
      throw connectionFailure(url.origin, again);
    });
  }
}

/** Said beside the answer, which is a program's to read. */
function warnOfAge(degraded: string): void {
  const seconds = /age=(\d+)/.exec(degraded)?.[1] ?? 'some';
  process.stderr.write(
    `espalier: the server's database is away: this is from its memory, ${seconds} seconds old, and not all of it\n`,
  );
}

/** JSON of a success, undefined where it has no body; everything else is a refusal. */
function answerOf({ headers, repeated, status, text }: Exchanged): unknown {
  const answer = parse(text);
  const degraded = headers['x-espalier-degraded'];
  if (degraded !== undefined) warnOfAge(String(degraded));
  const success = status >= 200 && status < 300;
  if (success && (answer !== undefined || text === '')) return answer;
  throw refusalOf(status, success ? undefined : answer, { repeated, retryAfter: headers['retry-after'] });
}

/** The result of the last line; a problem in its place is thrown as the refusal that it is. */
async function readLines(
  incoming: IncomingMessage,
  onLine: (line: Row) => Promise<void>,
): Promise<{ readonly result: unknown } | undefined> {
  for await (const text of createInterface({ input: incoming })) {
    const line = parse(text);
    if (!isRow(line)) continue;
    if ('result' in line) return { result: line.result };
    if (isRow(line.problem))
      throw refusalOf(Number(line.problem.status), line.problem, { repeated: false, retryAfter: undefined });
    await onLine(line);
  }
  return undefined;
}

export interface SessionOptions {
  /** Reason for the history, kept with every write. */
  readonly reason?: string | undefined;
}

export function connectTo({ apiKey, ca, url }: Connection, { reason }: SessionOptions = {}): AdminServer {
  const urlOf = (path: string): URL => new URL(`${url.replace(/\/+$/, '')}/api/v1${path}`);
  const authorization = `Bearer ${apiKey}`;
  const stream = async (path: string, asked: Omit<Asked, 'ca' | 'idleMs'>): Promise<IncomingMessage> => {
    const target = urlOf(path);
    const headers = { authorization, ...asked.headers };
    return open(target, { ...asked, headers, ca, idleMs: streamIdleMs }).catch((error: unknown) => {
      throw error instanceof CommandFailure ? error : connectionFailure(target.origin, error);
    });
  };
  const whole = async (incoming: IncomingMessage): Promise<Exchanged> => ({
    status: incoming.statusCode ?? 0,
    text: await textOf(incoming),
    headers: incoming.headers,
    repeated: false,
  });
  const client = createRequests({
    ...{ apiKey, reason, url },
    send: async (target, asked) =>
      answerOf(await exchangeTwice(new URL(target), { ...asked, ca, idleMs: callIdleMs })),
  });
  return {
    ...client,
    url,
    download: async (path, accept, more = {}) => {
      const incoming = await stream(path, { method: 'GET', headers: { accept, ...more } });
      if (incoming.statusCode === 200) return incoming;
      answerOf(await whole(incoming));
      throw new CommandFailure(exitCodes.error, `HTTP ${incoming.statusCode}: no Espalier answer`);
    },
    follow: async (path, onLine) => {
      const headers = { accept: linesType, ...headersOf('POST', { reason }) };
      const incoming = await stream(path, { method: 'POST', headers });
      const { 'content-type': type } = incoming.headers;
      if (incoming.statusCode !== 200 || type !== linesType) return answerOf(await whole(incoming));
      const last = await readLines(incoming, onLine).catch((error: unknown) => {
        throw error instanceof CommandFailure ? error : connectionFailure(url, error);
      });
      if (last === undefined) throw new CommandFailure(exitCodes.error, 'the answer ended before its result');
      return last.result;
    },
    upload: async (path, contentType, body, more = {}) => {
      const headers = {
        accept: 'application/json',
        'content-type': contentType,
        ...reasonOf('POST', reason),
        ...more,
      };
      return answerOf(await whole(await stream(path, { method: 'POST', headers, body })));
    },
  };
}

/** Throws `CommandFailure` for settings that are missing or wrong. */
export const openAdminApi = (environment: Environment, options?: SessionOptions): AdminServer =>
  connectTo(resolveConnection(environment), options);
