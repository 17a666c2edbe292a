import { type Context, Hono } from 'hono';
import { needs } from './access.ts';
import { classicError, type JamfEnv } from './answers.ts';
import { readSettings, showWebhook, toXml, type Webhook } from './webhook-settings.ts';
import type { Saved, Webhooks } from './webhooks.ts';

/** Classic calls answer XML unless JSON is asked for. */
function answer(
  c: Context<JamfEnv>,
  status: number,
  xml: Readonly<Record<string, unknown>>,
  json: Readonly<Record<string, unknown>> = xml,
): Response {
  const isJson = c.req.header('accept')?.includes('application/json') === true;
  return new Response(isJson ? JSON.stringify(json) : toXml(xml), {
    status,
    headers: { 'content-type': isJson ? 'application/json' : 'application/xml' },
  });
}

const notFound = (): Response =>
  classicError(404, 'The server has not found anything matching the request URI');

const answerId = (c: Context<JamfEnv>, status: number, id: number): Response =>
  answer(c, status, { webhook: { id } });

function answerSaved(c: Context<JamfEnv>, saved: Saved | { readonly kind: 'unknown' }): Response {
  if (saved.kind === 'unknown') return notFound();
  return saved.kind === 'saved'
    ? answerId(c, 201, saved.webhook.id)
    : classicError(409, 'Conflict: Duplicate name');
}

const isXml = (c: Context<JamfEnv>): boolean =>
  /^(application|text)\/xml\s*(;|$)/i.test(c.req.header('content-type') ?? '');

const unsupported = (): Response => classicError(415, 'The body must be XML');

async function create(c: Context<JamfEnv>, webhooks: Webhooks): Promise<Response> {
  if (c.req.param('id') !== '0') return classicError(400, 'A new webhook is posted to id 0');
  if (!isXml(c)) return unsupported();
  const read = readSettings(await c.req.text());
  if (read.kind === 'wrong') return classicError(400, read.reason);
  const saved = webhooks.create(read.settings);
  c.set('note', { webhook: read.settings.name, event: read.settings.event, saved: saved.kind });
  return answerSaved(c, saved);
}

async function update(
  c: Context<JamfEnv>,
  webhooks: Webhooks,
  webhook: Webhook | undefined,
): Promise<Response> {
  if (!webhook) return notFound();
  if (!isXml(c)) return unsupported();
  const read = readSettings(await c.req.text(), webhook);
  if (read.kind === 'wrong') return classicError(400, read.reason);
  return answerSaved(c, webhooks.update(webhook.id, read.settings));
}

function remove(c: Context<JamfEnv>, webhooks: Webhooks, webhook: Webhook | undefined): Response {
  if (!webhook) return notFound();
  webhooks.delete(webhook.id);
  return answerId(c, 200, webhook.id);
}

/** The Classic API's webhook settings, domain/jamf.md 3.1. */
export function webhookRoutes(webhooks: Webhooks): Hono<JamfEnv> {
  const app = new Hono<JamfEnv>();
  app.get('/JSSResource/webhooks', needs('Read Webhooks'), (c) => {
    const all = webhooks.list().map(({ id, name }) => ({ id, name }));
    return answer(c, 200, { webhooks: { size: all.length, webhook: all } }, { webhooks: all });
  });
  app.post('/JSSResource/webhooks/id/:id', needs('Create Webhooks'), (c) => create(c, webhooks));

  const finders = {
    '/JSSResource/webhooks/id/:key': (key: string) => webhooks.get(Number(key)),
    '/JSSResource/webhooks/name/:key': (key: string) => webhooks.byName(key),
  };
  for (const [path, find] of Object.entries(finders)) {
    const found = (c: Context<JamfEnv>): Webhook | undefined => find(c.req.param('key') ?? '');
    app.get(path, needs('Read Webhooks'), (c) => {
      const webhook = found(c);
      return webhook ? answer(c, 200, { webhook: showWebhook(webhook) }) : notFound();
    });
    app.put(path, needs('Update Webhooks'), (c) => update(c, webhooks, found(c)));
    app.delete(path, needs('Delete Webhooks'), (c) => remove(c, webhooks, found(c)));
  }
  return app;
}
