import { Hono } from 'hono';
import { errorPages, showErrorsAsPages } from './error-pages.ts';
import { beginListener, finishListener, type ListenerEnv, type ListenerOptions } from './listener.ts';

/** `age`: seconds for which memory has been served without hearing of changes. */
export type Readiness =
  | { readonly ready: true; readonly degraded?: readonly string[]; readonly age?: number }
  | { readonly ready: false; readonly reason: string };

/** The ops listener: plain HTTP for probes and scrapers (contract sections 2, 3 and 10). */
export interface OpsServices {
  readonly readiness: () => Promise<Readiness>;
  /** Prometheus text. */
  readonly metrics: () => Promise<string>;
}

export function createOpsApp(services: OpsServices, options: ListenerOptions): Hono<ListenerEnv> {
  const app = new Hono<ListenerEnv>();
  beginListener(app, options);
  app.use('*', showErrorsAsPages(errorPages.ops));
  app.get('/health/live', (c) => c.json({ status: 'live' }));
  app.get('/health/ready', async (c) => {
    const { ready, ...more } = await services.readiness();
    return ready ? c.json({ status: 'ready', ...more }) : c.json({ status: 'not-ready', ...more }, 503);
  });
  app.get('/metrics', async (c) =>
    c.text(await services.metrics(), 200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }),
  );
  finishListener(app);
  return app;
}
