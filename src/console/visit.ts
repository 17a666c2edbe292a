import type { Context } from 'hono';
import type { ListenerEnv } from '../gateway/listener.ts';
import type { Html } from '../gateway/page-layout.ts';
import type { Api } from './api.ts';

/** Who is looking, as `GET /api/v1/session` says it. */
export interface Person {
  readonly name: string;
  readonly kind: 'bootstrap' | 'key' | 'user';
  /** null: the bootstrap key. */
  readonly id: string | null;
  readonly role: 'viewer' | 'operator' | 'admin';
  /** null: every tenant. */
  readonly tenants: readonly string[] | null;
  readonly session: { readonly expiresAt: string; readonly csrfToken: string } | null;
}

/** A request for a page by somebody who is signed in. */
export interface Visit {
  readonly c: Context<ListenerEnv>;
  readonly api: Api;
  readonly person: Person;
  readonly query: URLSearchParams;
  /** Of the path; the empty text where it has none of that name. */
  param(name: string): string;
  /** Whether the person's role is at least this one: what is not allowed is not shown as a button. The API decides. */
  may(role: Person['role']): boolean;
}

export interface PageContent {
  readonly title: string;
  /** Shown before the title, the way back: `[label, path]`. */
  readonly above?: readonly (readonly [label: string, path: string])[];
  readonly body: Html | readonly Html[];
  /** Of the console's own files, what this page loads beside those of all pages. */
  readonly files?: readonly string[];
  readonly status?: 200 | 400 | 403 | 404 | 409 | 503;
}

/** After a write: to another page, where `done` says which of that page's notices is shown. */
export interface GoOn {
  readonly goTo: string;
  readonly done?: string;
}

export type Form = URLSearchParams;
/** What was uploaded, by the name of its field. */
export type Files = ReadonlyMap<string, File>;

/** A page of the console. Everything that it shows and does comes of the admin API. */
export interface ConsolePage {
  /** As Hono writes it, such as `/tenants/:tenantId`. */
  readonly path: string;
  /** In the menu, in the order of `pages/all.ts`; `key` goes there after `g`. */
  readonly menu?: {
    readonly label: string;
    readonly key: string;
    /** The entry is for this role and higher ones. */
    readonly role?: Person['role'];
    /** It is about the whole deployment, which who is bound to tenants does not read. */
    readonly allTenants?: true;
  };
  readonly show: (visit: Visit) => Promise<PageContent>;
  /** Notices by the name that `GoOn` gives. */
  readonly notices?: Readonly<Record<string, string>>;
  /** What its forms post, by the last part of the path: `POST <path>/<name>`. */
  readonly acts?: Readonly<
    Record<string, (visit: Visit, form: Form, files: Files) => Promise<GoOn | PageContent>>
  >;
  /** How much its forms may hold (limits.ts); default: `short`. */
  readonly forms?: 'short' | 'long' | 'files';
}
