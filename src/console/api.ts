import type { Context } from 'hono';
import type { ListenerEnv } from '../gateway/listener.ts';

/** The admin API as the console calls it: in this process, as the operator whose session the browser has. */

/** What the API says of a request that it did not carry out (RFC 9457). */
export interface ApiProblem {
  readonly status: number;
  readonly slug: string;
  readonly title: string;
  readonly detail: string;
  readonly owner: string;
  readonly requestId: string;
  readonly errors: readonly { readonly field: string | null; readonly description: string }[];
}

/** Travels from a call to the frame of all pages, which shows the problem. */
export class ApiRefusal extends Error {
  override readonly name = 'ApiRefusal';
  readonly problem: ApiProblem;
  constructor(problem: ApiProblem) {
    super(`${problem.slug}: ${problem.detail}`);
    this.problem = problem;
  }
}

/** The part of the person that a dry run needs: the token of his session. */
interface Asking {
  readonly session: { readonly csrfToken: string } | null;
}

export interface ApiAnswer<T> {
  readonly status: number;
  readonly etag: string | undefined;
  readonly body: T;
}

export interface ApiWrite {
  readonly body?: unknown;
  /** In place of `body`: what is no JSON. */
  readonly content?: { readonly type: string; readonly bytes: Uint8Array<ArrayBuffer> };
  /** The ETag of the state that the person saw, so that a change in between is refused. */
  readonly ifMatch?: string | undefined;
  /** The ETag of an answer that is known: the same one is answered without a body. */
  readonly ifNoneMatch?: string | undefined;
  /** Why, for the history. */
  readonly reason?: string | undefined;
}

export interface Api {
  /** Rejects with `ApiRefusal` for whatever is not 2xx, as the others do. */
  get<T>(path: string, query?: Query): Promise<T>;
  /** The same with the version of what was read. */
  read<T>(path: string): Promise<ApiAnswer<T>>;
  /** Undefined: what the person may see is what this tag was given for. */
  readUnlessSame<T>(path: string, query: Query, tag: string | undefined): Promise<ApiAnswer<T> | undefined>;
  write<T>(method: 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, more?: ApiWrite): Promise<ApiAnswer<T>>;
  /** Begins what the API answers in lines, and comes back with the first of them: the work goes on by itself. */
  begin(path: string, more?: Pick<ApiWrite, 'reason'>): Promise<void>;
  /** What a POST would do. It changes nothing, so a page that is only looked at may ask, with the session's own token. */
  dryRun<T>(person: Asking, path: string, body?: unknown): Promise<T>;
}

export type Query = Readonly<Record<string, string | number | undefined>>;

/**
 * Answers a request of the admin API without a socket; `env` is what the runtime gives with the person's own request. All
 * calls of one page have the same `page`, so that its session is looked for once.
 */
export type CallApi = (request: Request, env: Context['env'], page: object) => Response | Promise<Response>;

/** Of the browser's request, what says who it is and that it came from our own page. */
const handedOn = ['cookie', 'origin', 'sec-fetch-site', 'x-espalier-refresh'] as const;

const withQuery = (path: string, query: Query = {}): string => {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== '');
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return text === '' ? path : `${path}?${text}`;
};

/** A path with each of its parts encoded, so that none can reach for another resource. */
export const at = (strings: TemplateStringsArray, ...parts: readonly (string | number)[]): string =>
  strings.reduce((path, text, index) => path + encodeURIComponent(String(parts[index - 1])) + text);

/** UTF-8 in a header: one character for each byte, and a single line. */
const headerText = (text: string): string =>
  String.fromCharCode(...new TextEncoder().encode(text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ').trim()));

export async function problemOf(answer: Response): Promise<ApiProblem> {
  const text = await answer.text();
  let read: Partial<Record<'type' | 'title' | 'detail' | 'owner' | 'instance', string>> & {
    errors?: ApiProblem['errors'];
  } = {};
  try {
    read = JSON.parse(text);
  } catch {
    // Every refusal of the API is JSON; what is none is shown by its status alone.
  }
  return {
    status: answer.status,
    slug: read.type?.split('/').at(-1) ?? 'internal-error',
    title: read.title ?? `HTTP ${answer.status}`,
    detail: read.detail ?? '',
    owner: read.owner ?? 'espalier',
    requestId: read.instance ?? answer.headers.get('x-request-id') ?? '',
    errors: (read.errors ?? []).filter(({ field }) => field !== null),
  };
}

function contentOf({ body, content }: ApiWrite): ApiWrite['content'] {
  if (content !== undefined || body === undefined) return content;
  return { type: 'application/json', bytes: new TextEncoder().encode(JSON.stringify(body)) };
}

interface Asked {
  readonly accept?: string;
  /** The request is this page's own, with this token, and not the browser's. */
  readonly own?: { readonly token: string | undefined };
}

/** Reads until the work has begun, and leaves it to itself. */
async function firstLine(answer: Response): Promise<void> {
  const reader = answer.body?.getReader();
  if (reader === undefined) return;
  const { value } = await reader.read();
  await reader.cancel();
  const [line = ''] = new TextDecoder().decode(value).split('\n');
  const { problem } = JSON.parse(line);
  if (problem === undefined) return;
  throw new ApiRefusal(await problemOf(new Response(JSON.stringify(problem), { status: problem.status })));
}

export function createApi(c: Context<ListenerEnv>, call: CallApi, csrfToken: () => string | undefined): Api {
  const page = {};
  const ask = async (
    method: string,
    path: string,
    more: ApiWrite,
    { accept = 'application/json', own }: Asked = {},
  ): Promise<Response> => {
    const token = own === undefined ? csrfToken() : own.token;
    const headers = new Headers({ accept, 'x-request-id': c.get('requestId') });
    for (const name of handedOn) {
      const value = c.req.header(name);
      if (value !== undefined) headers.set(name, value);
    }
    // A link from anywhere may lead to a page that asks so; it is this page that asks, and nothing comes of it.
    if (own !== undefined) {
      headers.delete('origin');
      headers.set('sec-fetch-site', 'same-origin');
    }
    if (method !== 'GET' && token !== undefined) headers.set('x-espalier-csrf', headerText(token));
    if (more.ifMatch !== undefined) headers.set('if-match', headerText(more.ifMatch));
    if (more.ifNoneMatch !== undefined) headers.set('if-none-match', headerText(more.ifNoneMatch));
    if (more.reason !== undefined && more.reason.trim() !== '')
      headers.set('x-espalier-reason', headerText(more.reason));
    const content = contentOf(more);
    if (content !== undefined) headers.set('content-type', content.type);
    const request = new Request(new URL(`/api/v1${path}`, c.req.url), {
      method,
      headers,
      ...(content === undefined ? {} : { body: content.bytes }),
    });
    const answer = await call(request, c.env, page);
    if (!answer.ok && answer.status !== 304) throw new ApiRefusal(await problemOf(answer));
    return answer;
  };
  const send = async <T>(
    method: string,
    path: string,
    more: ApiWrite = {},
    asked: Asked = {},
  ): Promise<ApiAnswer<T>> => {
    const answer = await ask(method, path, more, asked);
    const text = await answer.text();
    return {
      status: answer.status,
      etag: answer.headers.get('etag') ?? undefined,
      body: (text === '' ? undefined : JSON.parse(text)) as T,
    };
  };
  return {
    get: async <T>(path: string, query?: Query) => (await send<T>('GET', withQuery(path, query))).body,
    read: (path) => send('GET', path),
    readUnlessSame: async <T>(path: string, query: Query, tag: string | undefined) => {
      const answer = await send<T>('GET', withQuery(path, query), { ifNoneMatch: tag });
      return answer.status === 304 ? undefined : answer;
    },
    write: (method, path, more) => send(method, path, more),
    begin: async (path, more = {}) => {
      const answer = await ask('POST', path, more, { accept: 'application/x-ndjson' });
      await firstLine(answer);
    },
    dryRun: async <T>({ session }: Asking, path: string, body?: unknown) =>
      (
        await send<T>(
          'POST',
          withQuery(path, { 'dry-run': 'true' }),
          { body },
          { own: { token: session?.csrfToken } },
        )
      ).body,
  };
}
