import { Hono } from 'hono';
import { beginListener, finishListener, type ListenerEnv, type ListenerOptions } from './listener.ts';

/** The ops listener: plain HTTP for probes and scrapers (contract sections 2, 3 and 10). */
export interface OpsServices {
  /** Undefined when ready; else why not. */
  readonly notReady: () => Promise<string | undefined>;
  /** Prometheus text. */
  readonly metrics: () => Promise<string>;
}

export function createOpsApp(services: OpsServices, options: ListenerOptions): Hono<ListenerEnv> {
  const app = new Hono<ListenerEnv>();
  beginListener(app, options);
  app.get('/health/live', (c) => c.json({ status: 'live' }));
  app.get('/health/ready', async (c) => {
    const reason = await services.notReady();
    return reason === undefined ? c.json({ status: 'ready' }) : c.json({ status: 'not-ready', reason }, 503);
  });
  app.get('/metrics', async (c) =>
    c.text(await services.metrics(), 200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }),
  );
  finishListener(app);
  return app;
}
