import { randomUUID } from 'node:crypto';
import type { Context } from 'hono';
import type { HostEnv } from '../host.ts';
import type { AcceptedToken } from './bearer.ts';
import type { CloudContext } from './context.ts';
import type { IntuneState } from './intune-state.ts';

/** A Graph request after authentication. */
export interface GraphRequest {
  readonly cloud: CloudContext;
  readonly token: AcceptedToken;
  readonly query: URLSearchParams;
  readonly intune: IntuneState;
  /** The body of a request that has one; undefined where it is no JSON. */
  readonly body?: unknown;
}

export type GraphAnswer =
  | {
      readonly kind: 'entity';
      readonly set: string;
      readonly entity: Record<string, unknown>;
      readonly status?: 201;
    }
  | {
      readonly kind: 'collection';
      readonly set: string;
      readonly items: readonly Record<string, unknown>[];
      /** null: all on one page. */
      readonly pageSize: number | null;
    }
  | {
      readonly kind: 'failure';
      readonly status: 400 | 401 | 403 | 404 | 405 | 409 | 429;
      readonly code: string;
      readonly message: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  | { readonly kind: 'no-content' };

export const notFound = (what: string): GraphAnswer => ({
  kind: 'failure',
  status: 404,
  code: 'Request_ResourceNotFound',
  message: `Resource '${what}' does not exist or one of its queried reference-property objects are not present.`,
});

export const unsupportedQuery: GraphAnswer = {
  kind: 'failure',
  status: 400,
  code: 'Request_UnsupportedQuery',
  message: 'Unsupported or invalid query filter clause specified for this resource.',
};

/** The value of `$filter=<property> eq '<value>'`, the only form served; undefined for anything else. */
export function equalityFilter(query: URLSearchParams, property: string): string | undefined {
  const match = /^\s*(\w+)\s+eq\s+'((?:[^']|'')*)'\s*$/.exec(query.get('$filter') ?? '');
  return match?.[1] === property ? match[2]?.replaceAll("''", "'") : undefined;
}

function select(entity: Record<string, unknown>, query: URLSearchParams): Record<string, unknown> {
  const wanted = query
    .get('$select')
    ?.split(',')
    .map((name) => name.trim());
  if (!wanted) return entity;
  return Object.fromEntries(Object.entries(entity).filter(([name]) => wanted.includes(name)));
}

/** Sends an answer in Graph's shapes: entity, page with `@odata.nextLink`, error (domain/microsoft.md 5). */
export function sendGraph(
  c: Context<HostEnv>,
  cloud: CloudContext,
  query: URLSearchParams,
  answer: GraphAnswer,
): Response {
  const requestId = randomUUID();
  const clientRequestId = c.req.header('client-request-id') ?? requestId;
  const headers = { 'request-id': requestId, 'client-request-id': clientRequestId };
  const url = new URL(c.req.url);
  const version = url.pathname.split('/')[1] ?? 'v1.0';
  const context = (set: string): string => `${cloud.addresses.graph}/${version}/$metadata#${set}`;
  switch (answer.kind) {
    case 'entity':
      return c.json(
        { '@odata.context': `${context(answer.set)}/$entity`, ...select(answer.entity, query) },
        answer.status ?? 200,
        headers,
      );
    case 'collection': {
      const start = Number(query.get('$skiptoken') ?? 0) || 0;
      const end = start + (answer.pageSize ?? answer.items.length);
      const next = new URL(`${url.pathname}${url.search}`, cloud.addresses.graph);
      next.searchParams.set('$skiptoken', String(end));
      return c.json(
        {
          '@odata.context': context(answer.set),
          ...(end < answer.items.length && { '@odata.nextLink': next.href }),
          value: answer.items.slice(start, end).map((item) => select(item, query)),
        },
        200,
        headers,
      );
    }
    case 'failure':
      c.set('note', { code: answer.code });
      return c.json(
        {
          error: {
            code: answer.code,
            message: answer.message,
            innerError: {
              date: new Date(cloud.world.clock.now()).toISOString().slice(0, 19),
              'request-id': requestId,
              'client-request-id': clientRequestId,
            },
          },
        },
        answer.status,
        { ...headers, ...answer.headers },
      );
    case 'no-content':
      return c.body(null, 204, headers);
  }
}
