/** Answers of a listener that is open before there is anything to serve. */

import { Hono } from 'hono';
import { problem, problemResponse } from '../problems.ts';
import { type ErrorPages, showErrorsAsPages } from './error-pages.ts';
import type { ListenerEnv } from './listener.ts';
import { requestIdOf } from './request-id.ts';

/** Callers come again as soon as a start can be over. */
const startingRetrySeconds = 5;

export function createStartingApp(pages: ErrorPages): Hono<ListenerEnv> {
  const app = new Hono<ListenerEnv>();
  app.use('*', async (c, next) => {
    c.set('requestId', requestIdOf(c.req.header('x-request-id')));
    await next();
  });
  app.use('*', showErrorsAsPages(pages));
  app.all('*', (c) =>
    problemResponse(
      problem('store-unavailable', 'Espalier is starting and does not serve yet; try again.', {
        retryAfterSeconds: startingRetrySeconds,
      }),
      c.get('requestId'),
    ),
  );
  return app;
}
