import { Agent, request } from 'undici';
import { DemoFailure } from './demo-failure.ts';

export interface DemoAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

export interface DemoRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** HTTPS of the demo, redirects not followed. */
export interface DemoHttp {
  /** Throws `DemoFailure` when there is no answer. */
  send(url: string, options?: DemoRequest): Promise<DemoAnswer>;
  close(): Promise<void>;
}

const timeoutMs = 30_000;

/** Trusts these certificates (PEM) and no others. */
export function createDemoHttp(trustedPem: readonly string[]): DemoHttp {
  const agent = new Agent({
    connect: { ca: [...trustedPem], timeout: 10_000 },
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    connections: 32,
  });
  return {
    send: async (url, { body, headers, method = 'GET' } = {}) => {
      try {
        const answer = await request(url, { method, headers: { ...headers }, body, dispatcher: agent });
        return { status: answer.statusCode, headers: answer.headers, text: await answer.body.text() };
      } catch (error) {
        throw new DemoFailure(`${method} ${url}: ${(error as Error).message}`, { cause: error });
      }
    },
    close: () => agent.destroy(),
  };
}

/** A JSON API below a base address. */
export interface JsonApi {
  readonly base: string;
  /** Throws `DemoFailure` for a status that is neither 2xx nor in `also`. */
  call<T>(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    options?: { readonly body?: unknown; readonly also?: readonly number[] },
  ): Promise<{ status: number; body: T }>;
}

export function createJsonApi(http: DemoHttp, base: string, headers: Record<string, string> = {}): JsonApi {
  return {
    base,
    call: async <T>(
      method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
      path: string,
      { body, also = [] }: { readonly body?: unknown; readonly also?: readonly number[] } = {},
    ) => {
      const answer = await http.send(`${base}${path}`, {
        method,
        headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const isGood = (answer.status >= 200 && answer.status < 300) || also.includes(answer.status);
      if (!isGood) {
        throw new DemoFailure(
          `${method} ${base}${path} answered ${answer.status}: ${answer.text.slice(0, 600)}`,
        );
      }
      return { status: answer.status, body: (answer.text === '' ? undefined : JSON.parse(answer.text)) as T };
    },
  };
}
