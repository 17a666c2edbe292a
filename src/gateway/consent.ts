import type { Hono } from 'hono';
import { type ConsentOptions, finishConsent } from '../connection/consent.ts';
import { storeRetrySeconds } from '../limits.ts';
import { ProblemError, problem, unavailableRetryAfter } from '../problems.ts';
import { isStoreUnavailable } from '../store/database.ts';
import { sourceKey } from './attempts.ts';
import { consentPage, consentUnavailablePage } from './consent-pages.ts';
import { pageHeaders } from './landing-pages.ts';
import { languageOf } from './language.ts';
import type { ListenerEnv, RequestFacts } from './listener.ts';
import { pagePolicy } from './page-style.ts';
import type { RateLimit } from './rate.ts';

/** `GET /microsoft/consent`: the administrator's browser, back from Microsoft. */

export interface ConsentVisits {
  /** Each visit costs a look into the database for its `state`, which anybody can invent. */
  readonly rate: RateLimit;
  readonly facts: Pick<RequestFacts, 'remoteAddress'>;
}

export function addConsentRoute(
  app: Hono<ListenerEnv>,
  options: ConsentOptions,
  { facts, rate }: ConsentVisits,
): void {
  app.get('/microsoft/consent', async (c) => {
    const retryAfterSeconds = rate.take('all', sourceKey(facts.remoteAddress(c)));
    if (retryAfterSeconds !== undefined)
      throw new ProblemError(problem('rate-limited', 'Too many visits of this page.', { retryAfterSeconds }));
    const query = new URL(c.req.url).searchParams;
    const language = languageOf(query, c.req.header('accept-language'));
    try {
      const outcome = await finishConsent(options, query);
      if (outcome.kind === 'continue') return c.redirect(outcome.url, 302);
      const isGood = outcome.result === 'granted' || outcome.result === 'one-more';
      return c.html(consentPage(language, outcome), isGood ? 200 : 400, pageHeaders(language));
    } catch (error) {
      if (!isStoreUnavailable(error)) throw error;
      options.log.warn('store.unavailable', { requestId: c.get('requestId'), error });
      // A person reads this: a page, not problem+json.
      return c.html(consentUnavailablePage(language, query), 503, {
        ...pageHeaders(language),
        'content-security-policy': pagePolicy('self'),
        'retry-after': unavailableRetryAfter(storeRetrySeconds),
      });
    }
  });
}
