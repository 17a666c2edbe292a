import type { Context } from 'hono';
import { randomToken } from '../../entra/authorization-code.ts';
import type { Attempts } from '../../gateway/attempts.ts';
import { storeRetrySeconds } from '../../limits.ts';
import { isStoreUnavailable } from '../../store/database.ts';
import { recordHistory } from '../../store/history.ts';
import { inTransaction } from '../../store/retry.ts';
import { endSession } from '../../store/sign-ins.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Credentials } from '../access.ts';
import type { AdminApp, AdminEnv, AdminServices } from '../context.ts';
import {
  dropSessionCookie,
  dropSignInCookie,
  sessionCookie,
  setSessionCookie,
  setSignInCookie,
  signInCookie,
} from '../operators/cookies.ts';
import { csrfFault, maskedToken } from '../operators/csrf.ts';
import type { EntraOperators } from '../operators/entra-settings.ts';
import { findSession, type Session, shownSession } from '../operators/sessions.ts';
import {
  keepLanguage,
  languageOf,
  ownForm,
  redirect,
  refused,
  refusedPath,
  showEarlierRefusal,
} from './answers.ts';
import { beginSignIn, callbackPath } from './begin.ts';
import { enter, enterByKey } from './enter.ts';
import { showLink, useLink } from './enter-by-link.ts';
import { finishSignIn } from './finish.ts';
import { oneTimePath } from './one-time-link.ts';
import { pageHeaders, signedInPage, signInPage } from './pages.ts';
import { explainedOf, loggedOf } from './refusals.ts';
import { homePath, parseReturnTo } from './return-to.ts';

/** `/sign-in`, `/sign-in/start`, `/sign-in/callback`, `/sign-out`: operators' browsers, to Entra and back. */

interface Parts extends Credentials {
  readonly services: AdminServices;
  readonly attempts: Attempts;
  readonly log: Log;
}

type Handler = (c: Context<AdminEnv>) => Promise<Response>;
type EntraHandler = (c: Context<AdminEnv>, entra: EntraOperators) => Promise<Response>;

/** Undefined: there is none, or it has ended. */
async function liveSession(
  c: Context<AdminEnv>,
  { bindings, keys, live, services }: Pick<Parts, 'bindings' | 'keys' | 'live' | 'services'>,
): Promise<Session | undefined> {
  const cookie = sessionCookie(c);
  if (cookie === undefined) return undefined;
  const tenantIds = services.operators?.tenantIds ?? [];
  return findSession(services.sql, { bindings, keys, live, tenantIds }, await shownSession(cookie));
}

const showSignIn =
  (parts: Parts): Handler =>
  async (c) => {
    const query = new URL(c.req.url).searchParams;
    const asked = query.get('returnTo');
    const returnTo = asked === null ? undefined : parseReturnTo(asked);
    if (asked !== null && returnTo === undefined) return refused(c, parts.services, 'bad-return');
    const language = languageOf(c);
    const session = await liveSession(c, parts);
    if (session !== undefined) {
      const { expiresAt, operator } = session;
      const csrfToken = maskedToken(await session.csrfToken());
      const page = signedInPage(language, { operator, session: { expiresAt, csrfToken }, returnTo });
      return c.html(page, 200, pageHeaders(language));
    }
    if (query.has('start')) {
      const next = returnTo === undefined ? '' : `?${new URLSearchParams({ returnTo })}`;
      return redirect(c, `/sign-in/start${next}`);
    }
    const hasEntra = parts.services.operators !== undefined;
    return c.html(
      signInPage(language, {
        returnTo,
        hasEntra,
        signedOut: query.has('signed-out'),
      }),
      200,
      pageHeaders(language),
    );
  };

const startSignIn =
  ({ attempts, services }: Parts): EntraHandler =>
  async (c, entra) => {
    const waitSeconds = attempts.startSignIn(services.facts.remoteAddress(c));
    if (waitSeconds !== undefined) return refused(c, services, 'busy', waitSeconds);
    const query = new URL(c.req.url).searchParams;
    const returnTo = parseReturnTo(query.get('returnTo') ?? homePath);
    if (returnTo === undefined) return refused(c, services, 'bad-return');
    // Kept when there is one: two windows of a browser may be on their way at the same time.
    const browser = signInCookie(c) ?? randomToken();
    const location = await beginSignIn({
      entra,
      sql: services.sql,
      sealer: services.sealer,
      browser,
      returnTo,
      chooseAccount: query.has('choose'),
    });
    setSignInCookie(c, browser);
    return redirect(c, location);
  };

const finish =
  (parts: Parts): EntraHandler =>
  async (c, entra) => {
    const { attempts, log, services } = parts;
    const source = services.facts.remoteAddress(c);
    const requestId = c.get('requestId');
    const outcome = await finishSignIn({
      entra,
      sql: services.sql,
      sealer: services.sealer,
      browser: signInCookie(c),
      query: new URL(c.req.url).searchParams,
    });
    if (!outcome.ok) {
      if (outcome.reason === 'not-matched') attempts.wrong(source);
      log.warn('sign-in.refused', { ...loggedOf(outcome), requestId, source });
      return refused(c, services, explainedOf(outcome));
    }
    const { person, returnTo } = outcome;
    const author = { kind: 'user', id: person.objectId, name: person.name } as const;
    setSessionCookie(c, await enter(c, services, { ...person, keyHash: null }, author));
    dropSignInCookie(c);
    const { entraTenantId, name, objectId, role } = person;
    log.info('sign-in.done', { entraTenantId, objectId, name, role, requestId, source });
    return redirect(c, returnTo);
  };

/** A session for a key: the browser keeps a cookie, and the key nowhere. */
const showKey =
  (parts: Parts): Handler =>
  async (c) => {
    const { attempts, keys, log, services } = parts;
    const form = await ownForm(c, services, services.adminUrl());
    if (form === undefined) return refused(c, services, 'forged');
    const asked = form.get('returnTo');
    const returnTo = parseReturnTo(asked === null || asked === '' ? homePath : asked);
    if (returnTo === undefined) return refused(c, services, 'bad-return');
    const key = (form.get('key') ?? '').trim();
    const operator = await keys.find(key);
    const source = services.facts.remoteAddress(c);
    if (operator === undefined) {
      const limited = attempts.wrong(source);
      if (limited !== undefined) return refused(c, services, 'busy', limited.retryAfterSeconds);
      log.warn('sign-in.refused', { reason: 'key', requestId: c.get('requestId'), source });
      const language = languageOf(c);
      const page = signInPage(language, {
        returnTo,
        hasEntra: services.operators !== undefined,
        signedOut: false,
        isWrongKey: true,
      });
      return c.html(page, 403, pageHeaders(language));
    }
    await enterByKey(c, services, key, operator);
    return redirect(c, returnTo);
  };

const signOut =
  (parts: Parts): Handler =>
  async (c) => {
    const { log, services } = parts;
    const { sql } = services;
    const form = await ownForm(c, services, services.adminUrl());
    if (form === undefined) return refused(c, services, 'forged');
    const cookie = sessionCookie(c);
    const session = await liveSession(c, parts);
    if (cookie !== undefined && session !== undefined) {
      const given = form.get('csrf') ?? undefined;
      const fault = await csrfFault(c.req.raw.headers, services.adminUrl(), session, given);
      if (fault !== undefined) return refused(c, services, 'forged');
      const { operator, sessionId } = session;
      await inTransaction(sql, async (tx) => {
        if ((await endSession(tx, cookie)) === undefined) return;
        await recordHistory(tx, {
          tenantId: undefined,
          author: { kind: operator.kind, id: operator.id, name: operator.name },
          action: 'session.end',
          object: { kind: 'session', id: sessionId, name: operator.name },
          requestId: c.get('requestId'),
          source: services.facts.remoteAddress(c),
        });
      });
      log.info('sign-out', { objectId: operator.id, requestId: c.get('requestId') });
    }
    dropSessionCookie(c);
    return redirect(c, '/sign-in?signed-out');
  };

export function addSignIn(app: AdminApp, services: AdminServices, more: Omit<Parts, 'services'>): void {
  const parts: Parts = { ...more, services };
  const page = (handler: Handler) => async (c: Context<AdminEnv>) => {
    keepLanguage(c);
    try {
      return await handler(c);
    } catch (error) {
      if (!isStoreUnavailable(error)) throw error;
      more.log.warn('store.unavailable', { requestId: c.get('requestId'), error });
      // A person reads this: a page, not problem+json.
      return refused(c, services, 'unavailable', storeRetrySeconds);
    }
  };
  const byEntra = (handler: EntraHandler) =>
    page(async (c) => {
      const { operators } = services;
      return operators === undefined ? refused(c, services, 'not-set-up') : handler(c, operators);
    });
  app.get('/sign-in', page(showSignIn(parts)));
  app.get('/sign-in/start', byEntra(startSignIn(parts)));
  app.get(callbackPath, byEntra(finish(parts)));
  app.get(
    refusedPath,
    page((c) => showEarlierRefusal(c, services)),
  );
  app.post('/sign-in/key', page(showKey(parts)));
  app.post('/sign-out', page(signOut(parts)));
  if (services.oneTimeLink !== undefined) {
    const link = { ...parts, link: services.oneTimeLink };
    app.get(oneTimePath, page(showLink(link)));
    app.post(oneTimePath, page(useLink(link)));
  }
}
