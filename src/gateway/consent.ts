import type { Hono } from 'hono';
import { type ConsentOptions, finishConsent } from '../connection/consent.ts';
import { consentPage } from './consent-pages.ts';
import { pageHeaders } from './landing-pages.ts';
import { languageOf } from './language.ts';
import type { ListenerEnv } from './listener.ts';

/** `GET /microsoft/consent`: the administrator's browser, back from Microsoft. */

export function addConsentRoute(app: Hono<ListenerEnv>, options: ConsentOptions): void {
  app.get('/microsoft/consent', async (c) => {
    const query = new URL(c.req.url).searchParams;
    const outcome = await finishConsent(options, query);
    if (outcome.kind === 'continue') return c.redirect(outcome.url, 302);
    const language = languageOf(query, c.req.header('accept-language'));
    const isGood = outcome.result === 'granted' || outcome.result === 'one-more';
    return c.html(consentPage(language, outcome), isGood ? 200 : 400, pageHeaders(language));
  });
}
