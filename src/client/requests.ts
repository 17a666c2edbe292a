/**
 * The operations of the admin API over any transport: what differs between a program with `fetch` (client.ts) and our command
 * line (src/cli/admin-api.ts) is how a request is sent and how a refusal is thrown.
 */

import {
  type Answer,
  headersOf,
  type InputOf,
  type Method,
  methodOf,
  type OperationName,
  pathOf,
  type RequestOptions,
} from './request.ts';

/** Part of `RequestInit`. */
export interface ClientRequest {
  readonly method: Method;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface Client {
  /** Resolves to the answer of a success, undefined where it has no body, and rejects for every other one. */
  request<Name extends OperationName>(operation: Name, ...input: InputOf<Name>): Promise<Answer<Name>>;
  /** The same for an operation that is known only when the program runs; `path` begins after `/api/v1`. */
  call(
    method: Method,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<unknown>;
}

export interface RequestsOptions {
  readonly url: string;
  readonly apiKey: string;
  readonly reason?: string | undefined;
  /** Resolves to what a success says. */
  readonly send: (url: string, request: ClientRequest) => Promise<unknown>;
}

/** What any operation may take; its own type says which of it. */
interface AnyInput extends RequestOptions {
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
}

export function createRequests({ apiKey, reason, send, url }: RequestsOptions): Client {
  const base = `${url.replace(/\/+$/, '')}/api/v1`;
  const call: Client['call'] = (method, path, body, more = {}) => {
    const headers = {
      authorization: `Bearer ${apiKey}`,
      accept: 'application/json',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headersOf(method, { reason }),
      ...more,
    };
    const text = body === undefined ? {} : { body: JSON.stringify(body) };
    return send(base + path, { method, headers, ...text });
  };
  const request = (
    operation: OperationName,
    { body, path, query, ...own }: AnyInput = {},
  ): Promise<unknown> => {
    const method = methodOf(operation);
    const headers = headersOf(method, { ...own, reason: own.reason ?? reason });
    return call(method, pathOf(operation, path, query), body, headers);
  };
  return { call, request: request as Client['request'] };
}
