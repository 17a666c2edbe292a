import type { Context, Hono } from 'hono';
import { z } from 'zod';
import type { RegisteredApplication } from './applications.ts';
import type { MicrosoftCloud } from './cloud.ts';
import { controlNotFound, readControlBody } from './control-body.ts';
import { entraErrorSchema } from './settings.ts';

const cloudSchema = z.strictObject({
  signedInTenantId: z.guid().nullable().optional(),
  assertionReplay: z.enum(['refuse', 'allow']).optional(),
  /** Answered to every tenant of the cloud: domain/microsoft.md 1.8, scope G. */
  entraError: entraErrorSchema.nullable().optional(),
  refreshInSeconds: z.int().min(1).max(86_400).nullable().optional(),
  notAssigned: z.enum(['redirect', 'page']).optional(),
});

const rolloverSchema = z.strictObject({ mode: z.enum(['planned', 'unannounced', 'emergency']) });

const applicationChange = z.strictObject({
  displayName: z.string().min(1),
  redirectUris: z.array(z.url()),
  secrets: z.array(z.strictObject({ value: z.string().min(1), expiresAt: z.iso.datetime().optional() })),
  certificates: z.array(z.string().includes('-----BEGIN CERTIFICATE-----')),
  accessTokenAcceptedVersion: z.union([z.literal(1), z.literal(2), z.null()]),
  requestedRoles: z.array(
    z.strictObject({ resourceAppId: z.guid(), roleId: z.guid(), value: z.string().min(1) }),
  ),
  delegatedScopes: z.array(z.strictObject({ resourceAppId: z.guid(), scope: z.string().min(1) })),
  appRoles: z.array(z.strictObject({ roleId: z.guid(), value: z.string().min(1) })),
  identifierUris: z.array(z.string().min(1)),
});

const applicationSchema = applicationChange
  .partial()
  .extend({ appId: z.guid(), displayName: z.string().min(1) });

const expirySchema = z.strictObject({ expiresAt: z.iso.datetime().nullable() });

/** An application without its secrets: the control API is read into logs and reports. */
const describe = (application: RegisteredApplication): Record<string, unknown> => ({
  ...application,
  secrets: application.secrets.map(({ expiresAt }) => ({ expiresAt: expiresAt ?? null })),
});

const describeCloud = (cloud: MicrosoftCloud): Record<string, unknown> => ({
  name: cloud.name,
  origins: cloud.origins,
  cloudsFileEntry: cloud.cloudsFileEntry(),
  signedInTenantId: cloud.settings.signedInTenantId,
  assertionReplay: cloud.settings.assertionReplay,
  entraError: cloud.settings.entraError,
  refreshInSeconds: cloud.settings.refreshInSeconds,
  notAssigned: cloud.settings.notAssigned,
  currentKeyId: cloud.keys.current().kid,
  keyIds: cloud.keys.published().map((key) => key.kid),
});

type WithinCloud = (
  c: Context,
  act: (cloud: MicrosoftCloud) => Response | Promise<Response>,
) => Promise<Response>;

function mountApplications(app: Hono, within: WithinCloud): void {
  app.get('/clouds/:cloud/applications', (c) =>
    within(c, (cloud) => c.json({ applications: cloud.applications.list().map(describe) })),
  );
  app.post('/clouds/:cloud/applications', (c) =>
    within(c, async (cloud) => {
      const input = await readControlBody(c, applicationSchema);
      if (!input.ok) return input.response;
      return c.json(describe(cloud.applications.register(input.value)), 201);
    }),
  );
  app.patch('/clouds/:cloud/applications/:appId', (c) =>
    within(c, async (cloud) => {
      const input = await readControlBody(c, applicationChange.partial());
      if (!input.ok) return input.response;
      const changed = cloud.applications.update(c.req.param('appId'), input.value);
      return changed ? c.json(describe(changed)) : controlNotFound(c, 'application');
    }),
  );
  app.post('/clouds/:cloud/applications/:appId/secrets-expiry', (c) =>
    within(c, async (cloud) => {
      const input = await readControlBody(c, expirySchema);
      if (!input.ok) return input.response;
      const known = cloud.applications.get(c.req.param('appId'));
      if (!known) return controlNotFound(c, 'application');
      const expiresAt = input.value.expiresAt ?? undefined;
      const secrets = known.secrets.map(({ value }) => ({ value, expiresAt }));
      const changed = cloud.applications.update(known.appId, { secrets });
      return changed ? c.json(describe(changed)) : controlNotFound(c, 'application');
    }),
  );
}

/** Control of a cloud as a whole: settings, key rollover, applications. */
export function mountCloudControl(app: Hono, clouds: readonly MicrosoftCloud[]): void {
  const within: WithinCloud = async (c, act) => {
    const cloud = clouds.find(({ name }) => name === c.req.param('cloud'));
    return cloud ? act(cloud) : controlNotFound(c, 'cloud');
  };

  app.get('/clouds', (c) => c.json({ clouds: clouds.map(describeCloud) }));
  app.get('/clouds/:cloud', (c) => within(c, (cloud) => c.json(describeCloud(cloud))));
  app.patch('/clouds/:cloud', (c) =>
    within(c, async (cloud) => {
      const input = await readControlBody(c, cloudSchema);
      if (!input.ok) return input.response;
      Object.assign(cloud.settings, input.value);
      return c.json(describeCloud(cloud));
    }),
  );
  app.post('/clouds/:cloud/keys/rollover', (c) =>
    within(c, async (cloud) => {
      const input = await readControlBody(c, rolloverSchema);
      if (!input.ok) return input.response;
      await cloud.keys.rollover(input.value.mode);
      return c.json(describeCloud(cloud));
    }),
  );
  mountApplications(app, within);
}
