import { type Context, Hono } from 'hono';
import type { ListenerEnv, RequestFacts } from '../gateway/listener.ts';
import type { Sharing } from '../joining.ts';
import { busyRetrySeconds, storeRetrySeconds } from '../limits.ts';
import { ProblemError, problem, problemAnswer } from '../problems.ts';
import { type ApiProblem, ApiRefusal, type CallApi, createApi, problemOf } from './api.ts';
import { type Assets, assetPathOf, serveAsset } from './assets.ts';
import { createFormTurns, readForm } from './forms.ts';
import { consoleLayout, consolePart } from './layout.ts';
import { pages } from './pages/all.ts';
import { problemBox } from './parts.ts';
import { withVisibleTurns } from './turning-text.ts';
import type { ConsolePage, GoOn, PageContent, Person, Visit } from './visit.ts';

/**
 * The console: pages for operators, made on the server of what the admin API answers. It asks as the person asks, with
 * his session, and holds no query, no rule and no role of its own (docs/console.md).
 */

const headers = (): Record<string, string> => ({
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  'content-language': 'en',
  'cross-origin-opener-policy': 'same-origin',
  'referrer-policy': 'same-origin',
  'x-frame-options': 'DENY',
  vary: 'cookie, hx-request',
});

const rank: Readonly<Record<Person['role'], number>> = { viewer: 0, operator: 1, admin: 2 };

const statuses = [400, 403, 404, 409, 503] as const;
const statusOf = ({ status }: ApiProblem): (typeof statuses)[number] =>
  statuses.find((known) => known === status) ?? (status >= 500 ? 503 : 400);

const problemPage = (problem: ApiProblem): PageContent => ({
  title: problem.title,
  body: problemBox(problem),
  status: statusOf(problem),
});

/** What the API refused, or the bounds of a form; undefined: an error that is neither. */
async function problemIn(error: unknown, requestId: string): Promise<ApiProblem | undefined> {
  if (error instanceof ApiRefusal) return error.problem;
  if (!(error instanceof ProblemError)) return undefined;
  const { body, status } = problemAnswer(error.problem, requestId);
  return problemOf(new Response(body, { status }));
}

export interface ConsoleOptions {
  readonly call: CallApi;
  readonly assets: Assets;
  readonly readBody: RequestFacts['readBody'];
  readonly sharing: Sharing;
}

/** A page that is shown asks for itself anew, to take a part of the answer. */
const isPart = (c: Context): boolean => c.req.header('hx-request') === 'true';

const visible = (page: unknown): string => withVisibleTurns(String(page));

const isGoOn = (outcome: GoOn | PageContent): outcome is GoOn => 'goTo' in outcome;

/** Where a page leads on to, with its notice; anything but a path of ours would be a fault of a page. */
function locationOf({ done, goTo }: GoOn): string {
  const url = new URL(goTo, 'https://console.invalid');
  if (done !== undefined) url.searchParams.set('done', done);
  return url.pathname + url.search + url.hash;
}

/** Sends a browser whose session the API does not know to the sign-in page; throws what is no question of signing in. */
function leadToSignIn(c: Context<ListenerEnv>, error: unknown): Response {
  if (!(error instanceof ApiRefusal)) throw error;
  const { detail, status } = error.problem;
  // Nobody is known to be signed in, so the answer is not in the console's frame.
  if (status === 503)
    throw new ProblemError(problem('store-unavailable', detail, { retryAfterSeconds: storeRetrySeconds }));
  if (status === 429)
    throw new ProblemError(problem('rate-limited', detail, { retryAfterSeconds: busyRetrySeconds }));
  if (status !== 401) throw error;
  const { pathname, search } = new URL(c.req.url);
  const returnTo = c.req.method === 'GET' ? pathname + search : '/';
  const location = returnTo === '/' ? '/sign-in' : `/sign-in?${new URLSearchParams({ returnTo })}`;
  // A part of a page that is fetched anew must not show the sign-in page in its place.
  return isPart(c)
    ? c.body(null, 401, { ...headers(), 'hx-redirect': location })
    : c.body(null, 303, { ...headers(), location });
}

/** To be put beside the API on its listener. */
export function createConsole({ assets, call, readBody, sharing }: ConsoleOptions): Hono<ListenerEnv> {
  const app = new Hono<ListenerEnv>();
  const asset = assetPathOf(assets);
  /** The token that a form showed goes with what it asks of the API, which refuses another session's. */
  const tokens = new WeakMap<Context, string>();
  const menu = pages.filter(({ menu: entry }) => entry !== undefined);

  /** Undefined: nobody is signed in, and the answer sends the browser to do so. */
  const visitOf = async (c: Context<ListenerEnv>): Promise<Visit | Response> => {
    const api = createApi(c, call, () => tokens.get(c));
    let person: Person;
    try {
      person = await api.get<Person>('/session');
    } catch (error) {
      return leadToSignIn(c, error);
    }
    return {
      c,
      api,
      person,
      query: new URL(c.req.url).searchParams,
      param: (name) => c.req.param(name) ?? '',
      may: (role) => rank[person.role] >= rank[role],
    };
  };

  const answer = async (visit: Visit, page: ConsolePage, content: PageContent): Promise<Response> => {
    if (isPart(visit.c))
      return visit.c.html(visible(await consolePart(content)), content.status ?? 200, headers());
    const { pathname } = new URL(visit.c.req.url);
    const notice = page.notices?.[visit.query.get('done') ?? ''];
    const shown = menu.filter(
      ({ menu: entry }) =>
        visit.may(entry?.role ?? 'viewer') && (entry?.allTenants !== true || visit.person.tenants === null),
    );
    const frame = { asset, menu: shown, person: visit.person, path: pathname, notice };
    return visit.c.html(visible(await consoleLayout(frame, content)), content.status ?? 200, headers());
  };

  const handle =
    (page: ConsolePage, work: (visit: Visit) => Promise<GoOn | PageContent>) =>
    async (c: Context<ListenerEnv>): Promise<Response> => {
      const visit = await visitOf(c);
      if (visit instanceof Response) return visit;
      try {
        const outcome = await work(visit);
        if (isGoOn(outcome)) return c.body(null, 303, { ...headers(), location: locationOf(outcome) });
        return await answer(visit, page, outcome);
      } catch (error) {
        const found = await problemIn(error, c.get('requestId'));
        if (found === undefined) throw error;
        return answer(visit, page, problemPage(found));
      }
    };

  const turnOf = createFormTurns(sharing);

  app.get('/console/:name', (c) => serveAsset(c, assets));
  for (const page of pages) {
    app.get(page.path, handle(page, page.show));
    for (const [name, act] of Object.entries(page.acts ?? {})) {
      const path = `${page.path === '/' ? '' : page.path}/${name}`;
      app.post(
        path,
        handle(page, (visit) => {
          return turnOf(page)(async () => {
            const { files, form } = await readForm(visit.c, readBody, page);
            tokens.set(visit.c, form.get('csrf') ?? '');
            return act(visit, form, files);
          });
        }),
      );
    }
  }
  return app;
}
