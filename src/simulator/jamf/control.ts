import { type Context, Hono } from 'hono';
import { z } from 'zod';
import type { JamfInstance } from './instance.ts';
import { majorMinor } from './inventory-versions.ts';

export type ControlRead<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly answer: Response };

/** Reads a JSON body by its schema; 400 that names each wrong field otherwise. An empty body is `{}`. */
export async function readBody<T>(c: Context, schema: z.ZodType<T>): Promise<ControlRead<T>> {
  const refuse = (errors: readonly { field: string; message: string }[]): ControlRead<T> => ({
    ok: false,
    answer: c.json({ errors }, 400),
  });
  const text = await c.req.text();
  let body: unknown;
  try {
    body = text === '' ? {} : JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return refuse([{ field: '', message: 'the body is not JSON' }]);
    throw error;
  }
  const read = schema.safeParse(body);
  if (read.success) return { ok: true, value: read.data };
  return refuse(
    read.error.issues.map((issue) => ({
      field: [...issue.path, ...(issue.code === 'unrecognized_keys' ? issue.keys : [])].join('.'),
      message: issue.message,
    })),
  );
}

const share = z.number().min(0).max(1);

const versionBody = z.strictObject({
  version: z.string().refine((text) => majorMinor(text) !== undefined, 'like 11.30.1-t1784555528405'),
});
const clientBody = z.strictObject({
  enabled: z.boolean().optional(),
  lifetimeSeconds: z.int().min(1).max(86_400).optional(),
});
const tokenVariants = z.strictObject({
  wrongSecretStatus: z.union([z.literal(401), z.literal(400)]).optional(),
  revokedTokenAnswer: z.enum(['empty-errors', 'invalid-token']).optional(),
});
const complianceVariants = z.strictObject({
  vendors: z.array(z.string().min(1)).optional(),
  deviceInformation: z.enum(['array', 'object', 'absent']).optional(),
  calculatingMs: z.int().min(0).optional(),
  unknownComputer: z.enum(['not-found', 'empty-array']).optional(),
});
const webhookVariants = z.strictObject({
  flatCheckIn: z.boolean().optional(),
  omitNewFields: z.boolean().optional(),
  duplicateShare: share.optional(),
  lateShare: share.optional(),
  lateMs: z.int().min(0).optional(),
  outOfOrderShare: share.optional(),
});
const inventoryVariants = z.strictObject({ oddShare: share.optional(), unmanagedShare: share.optional() });
const trustBody = z.strictObject({
  pem: z
    .string()
    .refine((text) => text.includes('-----BEGIN CERTIFICATE-----'), 'certificates in PEM')
    .nullable(),
});

const summary = (instance: JamfInstance) => ({
  name: instance.name,
  origin: instance.origin,
  url: instance.url,
  clientId: instance.clientId,
  version: instance.version(),
  computers: instance.computers.size(),
});

const details = (instance: JamfInstance) => ({
  ...summary(instance),
  requests: { now: instance.load.now(), most: instance.load.max() },
  clients: [...instance.tokens.clients.values()].map(({ clientSecret: _, ...client }) => client),
  variants: {
    tokens: instance.tokens.variants,
    compliance: instance.compliance.variants,
    webhooks: instance.webhooks.variants,
    inventory: instance.computers.variants,
  },
});

type Handle = (c: Context, instance: JamfInstance) => Response | Promise<Response>;

/** Takes a body and acts on it; 400 when the body is wrong. */
const withBody =
  <T>(schema: z.ZodType<T>, act: (c: Context, instance: JamfInstance, body: T) => Response): Handle =>
  async (c, instance) => {
    const read = await readBody(c, schema);
    return read.ok ? act(c, instance, read.value) : read.answer;
  };

type On = (handle: Handle) => (c: Context) => Response | Promise<Response>;

function clientRoutes(app: Hono, on: On): void {
  const unknown = (c: Context): Response =>
    c.json({ errors: [{ field: 'clientId', message: 'no such client' }] }, 404);
  app.post(
    '/instances/:name/clients/:clientId/rotate',
    on((c, { tokens }) => {
      const clientId = c.req.param('clientId') ?? '';
      const clientSecret = tokens.rotateSecret(clientId);
      return clientSecret === undefined ? unknown(c) : c.json({ clientId, clientSecret });
    }),
  );
  app.patch(
    '/instances/:name/clients/:clientId',
    on(
      withBody(clientBody, (c, instance, changes) => {
        const client = instance.tokens.clients.get(c.req.param('clientId') ?? '');
        if (!client) return unknown(c);
        Object.assign(client, changes);
        return c.json(details(instance));
      }),
    ),
  );
}

const variants = {
  tokens: { schema: tokenVariants, of: (instance: JamfInstance): object => instance.tokens.variants },
  compliance: {
    schema: complianceVariants,
    of: (instance: JamfInstance): object => instance.compliance.variants,
  },
  webhooks: { schema: webhookVariants, of: (instance: JamfInstance): object => instance.webhooks.variants },
  inventory: {
    schema: inventoryVariants,
    of: (instance: JamfInstance): object => instance.computers.variants,
  },
};

function variantRoutes(app: Hono, on: On): void {
  for (const [part, { schema, of }] of Object.entries(variants)) {
    app.patch(
      `/instances/:name/variants/${part}`,
      on(withBody<object>(schema, (c, instance, changes) => c.json(Object.assign(of(instance), changes)))),
    );
  }
}

function webhookRoutes(app: Hono, on: On, instances: ReadonlyMap<string, JamfInstance>): void {
  app.get(
    '/instances/:name/webhooks',
    on((c, { webhooks }) =>
      c.json({
        webhooks: webhooks.list().map(({ authentication, ...webhook }) => ({
          ...webhook,
          authenticationType: authentication.type,
        })),
        counts: webhooks.counts(),
        deliveries: webhooks.deliveries(),
      }),
    ),
  );
  app.put('/webhook-trust', async (c) => {
    const read = await readBody(c, trustBody);
    if (!read.ok) return read.answer;
    const pem = read.value.pem ?? undefined;
    await Promise.all([...instances.values()].map((instance) => instance.webhooks.trust(pem)));
    return c.body(null, 204);
  });
  app.put(
    '/instances/:name/webhook-trust',
    on(async (c, instance) => {
      const read = await readBody(c, trustBody);
      if (!read.ok) return read.answer;
      await instance.webhooks.trust(read.value.pem ?? undefined);
      return c.body(null, 204);
    }),
  );
}

/**
 * The control API of the simulated instances, mounted at `/control/jamf`. Secrets are shown only by `rotate`.
 */
export function jamfControl(options: { instances: ReadonlyMap<string, JamfInstance> }): Hono {
  const { instances } = options;
  const app = new Hono();
  const on =
    (handle: Handle) =>
    (c: Context): Response | Promise<Response> => {
      const instance = instances.get(c.req.param('name') ?? '');
      if (!instance) return c.json({ errors: [{ field: 'name', message: 'no such instance' }] }, 404);
      return handle(c, instance);
    };

  app.get('/instances', (c) => c.json([...instances.values()].map(summary)));
  app.get(
    '/instances/:name',
    on((c, instance) => c.json(details(instance))),
  );
  app.put(
    '/instances/:name/version',
    on(
      withBody(versionBody, (c, instance, { version }) => {
        instance.setVersion(version);
        return c.json(summary(instance));
      }),
    ),
  );
  app.post(
    '/instances/:name/restart',
    on((c, instance) => {
      instance.restart();
      return c.json(summary(instance));
    }),
  );
  clientRoutes(app, on);

  variantRoutes(app, on);
  webhookRoutes(app, on, instances);
  return app;
}
