import { expect } from 'vitest';
import { bootstrapKey, type Scene } from './gateway.ts';
import { type Answer, call } from './http.ts';

/** The history of a running gateway, as an operator reads and verifies it. */

export interface Entry {
  readonly id: string;
  readonly tenantId: string | null;
  readonly sequence: number;
  readonly authorKind: string;
  readonly authorId: string | null;
  readonly author: string;
  readonly action: string;
  readonly objectKind: string;
  readonly objectId: string;
  readonly before: Record<string, unknown> | null;
  readonly after: Record<string, unknown> | null;
  readonly reason: string | null;
  readonly requestId: string | null;
  readonly source: string | null;
  readonly approvedBy: string | null;
  readonly hash: string;
  readonly previousHash: string;
}

export interface Verified {
  readonly ok: boolean;
  readonly entries: number;
  readonly brokenAt?: { tenantId: string | null; sequence: number; fault: string };
}

export interface HistoryReader {
  /** A request of the bootstrap key to a path of the admin API. */
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** Entries of one page, by the query of `/history`. */
  entries(query?: Record<string, string>, key?: string): Promise<Entry[]>;
  of(filter: string, key?: string): Promise<Entry[]>;
  verify(key?: string): Promise<Verified>;
  rows(): Promise<number>;
  /** Rows that operators caused: the gateway adds its own at any time. */
  operatorRows(): Promise<number>;
}

export function readHistoryOf(scene: Scene): HistoryReader {
  const entries = async (query: Record<string, string> = {}, key?: string): Promise<Entry[]> => {
    const answer = await scene.api('GET', `/history?${new URLSearchParams(query)}`, undefined, key);
    expect(answer.status, answer.text).toBe(200);
    return answer.json.results;
  };
  return {
    send: (method, path, body, headers = {}) =>
      call(`${scene.gateway.admin}/api/v1${path}`, {
        method,
        ca: scene.trust,
        headers: {
          authorization: `Bearer ${bootstrapKey}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    entries,
    of: (filter, key) => entries({ filter }, key),
    verify: async (key) => (await scene.api('GET', '/history/verify', undefined, key)).json,
    rows: async () => {
      const [row] = await scene.database.sql`select count(*)::int as count from history`;
      return row!.count;
    },
    operatorRows: async () => {
      const [row] = await scene.database
        .sql`select count(*)::int as count from history where author_kind <> 'gateway'`;
      return row!.count;
    },
  };
}
