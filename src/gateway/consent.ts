/** `GET /microsoft/consent`: the administrator's browser, back from Microsoft. */

import type { Hono } from 'hono';
import { html } from 'hono/html';
import { type ConsentOptions, type ConsentOutcome, finishConsent } from '../connection/consent.ts';
import type { ListenerEnv } from './listener.ts';

const securityHeaders = {
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
};

const page = (title: string, paragraphs: readonly string[]) => html`<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>${title} · Espalier</title>
    <style>
      body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 10vh auto; padding: 0 1rem; color: #1d2a1f; background: #fbfcfa; }
      h1 { font-size: 1.5rem; }
    </style>
  </head>
  <body>
    <h1>${title}</h1>
    ${paragraphs.map((text) => html`<p>${text}</p>`)}
  </body>
</html>`;

const pageOf = (outcome: Exclude<ConsentOutcome, { kind: 'continue' }>) =>
  outcome.kind === 'done'
    ? page('Consent given', [
        `The tenant ${outcome.tenant.displayName} has consented and proved it.`,
        'Next: confirm the connection, in the console or with POST /tenants/{tenantId}/confirm.',
      ])
    : page(outcome.title, [outcome.detail, outcome.remedy]);

export function addConsentRoute(app: Hono<ListenerEnv>, options: ConsentOptions): void {
  app.get('/microsoft/consent', async (c) => {
    const outcome = await finishConsent(options, new URL(c.req.url).searchParams);
    if (outcome.kind === 'continue') return c.redirect(outcome.url, 302);
    return c.html(pageOf(outcome), outcome.kind === 'done' ? 200 : 400, securityHeaders);
  });
}
