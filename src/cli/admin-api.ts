import { readFileSync } from 'node:fs';
import { request } from 'node:https';

/** Commands that work on a server: over its admin API, as `ESPALIER_URL` and `ESPALIER_API_KEY` say (contract section 11). */

export const exitCodes = {
  error: 1,
  usage: 2,
  authentication: 3,
  notFound: 4,
  permission: 5,
  rateLimited: 6,
} as const;

/** Ends the command with this exit code; the message is for whoever typed it. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';
  readonly exitCode: number;
  constructor(exitCode: number, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}

export type Method = 'DELETE' | 'GET' | 'PATCH' | 'POST' | 'PUT';

export interface AdminApi {
  /**
   * JSON of a success, undefined where it has no body; throws `CommandFailure` with the exit code that the refusal calls
   * for (contract section 9). `path` begins after `/api/v1`; `body` is sent as JSON.
   */
  call(
    method: Method,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<unknown>;
}

const answerWithinMs = 60_000;

const exitCodeOf = (status: number): number => {
  if (status === 401) return exitCodes.authentication;
  if (status === 403) return exitCodes.permission;
  if (status === 404) return exitCodes.notFound;
  if (status === 429) return exitCodes.rateLimited;
  return exitCodes.error;
};

interface Answer {
  readonly status: number;
  readonly text: string;
}

interface Asked {
  readonly method: Method;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  /** PEM to trust besides the public authorities. */
  readonly ca: string | undefined;
}

const exchange = (url: URL, { body, ca, headers, method }: Asked): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const options = { method, headers, timeout: answerWithinMs, ...(ca === undefined ? {} : { ca }) };
    const outgoing = request(url, options, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', reject);
      incoming.on('end', () =>
        resolve({ status: incoming.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }),
      );
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer within a minute')));
    outgoing.on('error', reject);
    outgoing.end(body);
  });

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const detailOf = (body: unknown): string | undefined =>
  typeof body === 'object' && body !== null && 'detail' in body && typeof body.detail === 'string'
    ? body.detail
    : undefined;

function readAuthority(path: string | undefined): string | undefined {
  if (path === undefined || path === '') return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new CommandFailure(exitCodes.usage, `ESPALIER_CA_FILE cannot be read: ${(error as Error).message}`);
  }
}

/** Throws `CommandFailure` for settings that are missing or wrong. */
export function openAdminApi(environment: Readonly<Record<string, string | undefined>>): AdminApi {
  const base = environment.ESPALIER_URL ?? '';
  const key = environment.ESPALIER_API_KEY ?? '';
  if (!URL.canParse(base) || new URL(base).protocol !== 'https:') {
    const problem = 'must be the base URL of the admin API; for example ESPALIER_URL=https://localhost:9443';
    throw new CommandFailure(exitCodes.usage, `ESPALIER_URL ${problem}`);
  }
  if (key === '') {
    throw new CommandFailure(exitCodes.usage, 'ESPALIER_API_KEY must be an admin API key, esp_…');
  }
  const ca = readAuthority(environment.ESPALIER_CA_FILE);
  return {
    call: async (method, path, body, more = {}) => {
      const url = new URL(`${base.replace(/\/+$/, '')}/api/v1${path}`);
      const headers = {
        authorization: `Bearer ${key}`,
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...more,
      };
      const asked = { method, headers, body: body === undefined ? undefined : JSON.stringify(body), ca };
      const { status, text } = await exchange(url, asked).catch((error: Error) => {
        throw new CommandFailure(exitCodes.error, `${url.origin} does not answer: ${error.message}`);
      });
      const answer = parse(text);
      if (status >= 200 && status < 300 && (answer !== undefined || text === '')) return answer;
      throw new CommandFailure(
        exitCodeOf(status),
        `HTTP ${status}: ${detailOf(answer) ?? 'no Espalier answer'}`,
      );
    },
  };
}
