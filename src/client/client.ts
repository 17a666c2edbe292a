/**
 * A client of the admin API for programs, published as `espalier/client`. Its types are made from the OpenAPI document; it needs
 * nothing but `fetch`, sends nothing twice and keeps nothing. Our own command line is built on the same operations.
 */

import type { Problem } from './operations.ts';
import { type Client, type ClientRequest, createRequests } from './requests.ts';

export type * from './operations.ts';
export type { Answer, Input, Method, OperationName, RequestOptions } from './request.ts';
export type { Client, ClientRequest } from './requests.ts';

export interface ClientOptions {
  /** Base URL of the admin listener. */
  readonly url: string;
  /** An API key (`esp_…`) or an operator's Entra token. */
  readonly apiKey: string;
  /** Default: the global `fetch`. One of your own trusts an authority of your own, or goes through a proxy. */
  readonly fetch?: (url: string, request: ClientRequest) => Promise<Response>;
  /** Reason for the history, of every request that gives none itself. */
  readonly reason?: string | undefined;
}

/** An answer that is no success: `problem` says what happened and who has to act (docs/problems/). */
export class EspalierError extends Error {
  override readonly name = 'EspalierError';
  readonly response: Response;
  /** Undefined: the answer is none of Espalier's, but perhaps of a proxy in front. */
  readonly problem: Problem | undefined;

  constructor(response: Response, problem: Problem | undefined) {
    super(`HTTP ${response.status}: ${problem?.detail ?? 'no Espalier answer'}`);
    this.response = response;
    this.problem = problem;
  }

  get status(): number {
    return this.response.status;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const isProblem = (value: unknown): value is Problem =>
  typeof value === 'object' && value !== null && 'detail' in value && typeof value.detail === 'string';

/** Lines, tables and events are text; all else is JSON. */
const plainTypes = /^(?:text\/(?:csv|plain|event-stream)|application\/x-ndjson)\b/;

async function answerOf(response: Response): Promise<unknown> {
  const text = await response.text();
  if (response.ok && text === '') return undefined;
  if (response.ok && plainTypes.test(response.headers.get('content-type') ?? '')) return text;
  const answer = parsed(text);
  if (response.ok && answer !== undefined) return answer;
  throw new EspalierError(response, !response.ok && isProblem(answer) ? answer : undefined);
}

/** Requests reject with `EspalierError` for an answer that is no success, and with what `fetch` says where there is none. */
export function createClient({ fetch: given, ...options }: ClientOptions): Client {
  const send = given ?? ((url: string, request: ClientRequest) => fetch(url, request));
  return createRequests({ ...options, send: async (url, request) => answerOf(await send(url, request)) });
}
