import { createRoute, type z } from '@hono/zod-openapi';
import { eq } from 'drizzle-orm';
import { newId, parseGuid } from '../../ids.ts';
import { ProblemError, problem } from '../../problems.ts';
import { rerouteInstance } from '../../routing/claims.ts';
import { previewReroute } from '../../routing/preview-reroute.ts';
import { addReading } from '../../store/computers/reading.ts';
import { isUniqueViolation, type Sql, type Transaction } from '../../store/database.ts';
import { type HistoryOrigin, type Note, recorded, unnoted } from '../../store/history.ts';
import { type Instance, readInstance } from '../../store/instances/instance.ts';
import { secretAssociation } from '../../store/instances/secret.ts';
import { changeInstance, insertInstance } from '../../store/instances/settings.ts';
import { withoutTrace } from '../../store/retry.ts';
import { instances as instanceTable } from '../../store/schema.ts';
import type { Tenant } from '../../store/tenants/tenant.ts';
import { requireRole, tenantOf } from '../access.ts';
import { requireAllowedAddress } from '../allowed-address.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { rememberedAnswer } from '../outage/remembered.ts';
import { differing, originOf } from '../recording.ts';
import {
  checkIfMatch,
  commonProblems,
  dryRunQuery,
  etag,
  instancePath,
  invalidField,
  jsonAnswer,
  problemAnswer,
  tenantPath,
} from '../schemas.ts';
import { checkReference, createdWithReference } from '../secret-reference.ts';
import {
  type apiClient,
  changedInstance,
  changedSchema,
  describeInstance,
  instanceObject,
  instanceResource,
  newInstance,
} from './instance-schema.ts';
import { checkOnlyInstance } from './only-instance.ts';
import { readingsOf } from './reading.ts';
import { wakeComputers } from './wake.ts';

/** `/tenants/{tenantId}/instances` and one instance's operations. */

const tags = ['Instances'];
const conflict = { 409: problemAnswer('conflict') };
const body = <T extends z.ZodType>(schema: T) => ({
  required: true,
  content: { 'application/json': { schema } },
});

const list = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/instances',
  operationId: 'listInstances',
  tags,
  summary: 'The Jamf Pro instances of a tenant',
  request: { params: tenantPath, query: instanceResource.query },
  responses: { 200: rememberedAnswer(instanceResource.list, 'Instances'), ...commonProblems },
});
const create = createRoute({
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/instances',
  operationId: 'createInstance',
  tags,
  summary: 'Add a Jamf Pro instance; its secret is sealed and never shown again',
  request: { params: tenantPath, body: body(newInstance) },
  responses: { 201: jsonAnswer(createdWithReference, 'Created'), ...commonProblems, ...conflict },
});
const read = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/instances/{instanceId}',
  operationId: 'getInstance',
  tags,
  summary: 'One instance',
  request: { params: instancePath },
  responses: { 200: rememberedAnswer(instanceResource.schema, 'Instance'), ...commonProblems },
});
const change = createRoute({
  method: 'patch',
  path: '/api/v1/tenants/{tenantId}/instances/{instanceId}',
  operationId: 'changeInstance',
  tags,
  summary: "Change an instance; another URL's origin needs the secret again",
  request: { params: instancePath, body: body(changedInstance), query: dryRunQuery },
  responses: {
    200: jsonAnswer(changedSchema, 'The instance as it is now, or would be'),
    ...commonProblems,
    ...conflict,
    412: problemAnswer('precondition-failed'),
  },
});

/** An instance's base URL without a trailing slash; path only where Jamf Pro runs under a context path. */
async function normalUrl(text: string, services: AdminServices): Promise<string> {
  const url = new URL(text);
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw invalidField('url', 'must be an https URL without user, query or fragment');
  }
  await requireAllowedAddress(services, url.hostname, 'url');
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
}

/** What this runtime cannot do is refused when it is asked for, not at the instance's first call. */
function requireKnownAuthority(
  { instanceAuthorities }: Pick<AdminServices, 'instanceAuthorities'>,
  { caCertificate }: Pick<z.infer<typeof changedInstance>, 'caCertificate'>,
): void {
  if (instanceAuthorities || caCertificate === undefined || caCertificate === null) return;
  throw invalidField(
    'caCertificate',
    'cannot be used by this gateway: on Cloudflare Workers only public certificate authorities are trusted; give it to a gateway on Node',
  );
}

export const unknownInstance = (): ProblemError =>
  new ProblemError(problem('instance-unknown', 'The tenant has no such instance.'));

export async function instanceOf(sql: Sql, tenant: Tenant, id: string | undefined): Promise<Instance> {
  const instanceId = parseGuid(id);
  const instance = instanceId && (await readInstance(sql, tenant.tenantId, instanceId));
  if (!instance) throw unknownInstance();
  return instance;
}

type StoredSecret = Pick<Instance, 'apiSecretSealed' | 'apiSecretRef'>;

async function storeSecret(
  services: AdminServices,
  tenantId: string,
  instanceId: string,
  client: z.infer<typeof apiClient>,
): Promise<StoredSecret> {
  if (client.secretRef !== undefined) return { apiSecretSealed: null, apiSecretRef: client.secretRef };
  const apiSecretSealed = await services.sealer.seal(
    client.clientSecret ?? '',
    secretAssociation({ tenantId, instanceId }),
  );
  return { apiSecretSealed, apiSecretRef: null };
}

const nameTaken = (error: unknown): unknown =>
  isUniqueViolation(error)
    ? new ProblemError(problem('conflict', 'The tenant has an instance of this name.'))
    : error;

async function addInstance(
  services: AdminServices,
  tenantId: string,
  given: z.infer<typeof newInstance>,
  by: HistoryOrigin,
): Promise<string> {
  const { sql } = services;
  requireKnownAuthority(services, given);
  const instanceId = newId();
  const url = await normalUrl(given.url, services);
  const secret = await storeSecret(services, tenantId, instanceId, given.apiClient);
  try {
    await recorded(sql, by, async (tx, note) => {
      await checkOnlyInstance(tx, tenantId, null);
      const made = await insertInstance(tx, {
        tenantId,
        instanceId,
        name: given.name,
        url,
        apiClientId: given.apiClient.clientId,
        ...secret,
        compliance: given.compliance,
        caCertificate: given.caCertificate ?? null,
        clientCertificateSha256: given.clientCertificateSha256 ?? null,
      });
      // The first reconciliation becomes due with this row: an instance's Macs are known without a webhook of each.
      await addReading(tx, { tenantId, instanceId }, { reconcile: services.reconciles });
      note({
        tenantId,
        action: 'instance.create',
        object: instanceObject(made),
        after: { ...instanceResource.settings(made), apiSecret: 'set' },
      });
    });
  } catch (error) {
    throw nameTaken(error);
  }
  return instanceId;
}

/** Runs the work for good and with its entry in the history, or without a trace. */
type Run = <T>(sql: Sql, work: (tx: Transaction, note: Note) => Promise<T>) => Promise<T>;

async function updateInstance(
  services: AdminServices,
  before: Instance,
  given: z.infer<typeof changedInstance>,
  run: Run,
): Promise<Instance> {
  const { sql } = services;
  const { instanceId, tenantId } = before;
  requireKnownAuthority(services, given);
  const { apiClient, ...settings } = given;
  const url = given.url === undefined ? before.url : await normalUrl(given.url, services);
  if (new URL(url).origin !== new URL(before.url).origin && apiClient === undefined) {
    throw invalidField(
      'apiClient',
      "is needed again because the URL's origin changes: the secret must not go to a new place unasked",
    );
  }
  const secret = apiClient ? await storeSecret(services, tenantId, instanceId, apiClient) : {};
  try {
    return await run(sql, async (tx, note) => {
      if (given.enabled === true) await checkOnlyInstance(tx, tenantId, instanceId);
      const changed = await changeInstance(tx, before, {
        ...settings,
        ...secret,
        url,
        apiClientId: apiClient?.clientId,
      });
      if (!changed)
        throw new ProblemError(
          problem('conflict', 'The instance was changed at the same time; read it again.'),
        );
      const change = differing(instanceResource.settings(before), instanceResource.settings(changed));
      note({
        tenantId,
        action: 'instance.change',
        object: instanceObject(changed),
        before: change.before,
        after: { ...change.after, ...(apiClient ? { apiSecret: 'changed' } : {}) },
      });
      return changed;
    });
  } catch (error) {
    throw nameTaken(error);
  }
}

export function addInstances(app: AdminApp, services: AdminServices): void {
  const { instances, publicUrl, readReference, sql } = services;

  app.openapi(list, async (c) => {
    const tenant = await tenantOf(c, sql);
    const scope = eq(instanceTable.tenantId, tenant.tenantId);
    const { rows, totalCount } = await instanceResource.readPage(services, c.req.valid('query'), scope);
    const ids = rows.map((row) => row.instanceId);
    const reading = await readingsOf(services, tenant.tenantId, ids);
    const results = rows.map((row) => describeInstance(row, reading(row.instanceId), publicUrl));
    return c.json({ totalCount, results }, 200);
  });

  app.openapi(create, async (c) => {
    const tenant = await tenantOf(c, sql);
    requireRole(c, 'admin');
    const checked = await checkReference(c, readReference, 'apiClient', c.req.valid('json').apiClient);
    const id = await addInstance(services, tenant.tenantId, c.req.valid('json'), originOf(c));
    await services.announceInstances(tenant.tenantId);
    const href = `/api/v1/tenants/${tenant.tenantId}/instances/${id}`;
    return c.json({ id, href, ...checked }, 201, { location: href, etag: etag(1) });
  });

  app.openapi(read, async (c) => {
    const instance = await instanceOf(sql, await tenantOf(c, sql), c.req.param('instanceId'));
    const reading = await readingsOf(services, instance.tenantId, [instance.instanceId]);
    return c.json(describeInstance(instance, reading(instance.instanceId), publicUrl), 200, {
      etag: etag(instance.version),
    });
  });

  app.openapi(change, async (c) => {
    const instance = await instanceOf(sql, await tenantOf(c, sql), c.req.param('instanceId'));
    requireRole(c, 'admin');
    checkIfMatch(c.req.header('if-match'), instance.version);
    const checked = await checkReference(c, readReference, 'apiClient', c.req.valid('json').apiClient);
    const dryRun = c.req.valid('query')['dry-run'] === 'true';
    const by = originOf(c);
    const run: Run = dryRun
      ? (queries, work) => withoutTrace(queries, (tx) => work(tx, unnoted))
      : (queries, work) => recorded(queries, by, work);
    const changed = await updateInstance(services, instance, c.req.valid('json'), run);
    const shown = async () => {
      const reading = await readingsOf(services, instance.tenantId, [instance.instanceId]);
      return { ...describeInstance(changed, reading(instance.instanceId), publicUrl), dryRun, ...checked };
    };
    if (dryRun) {
      const body = await shown();
      if (changed.enabled === instance.enabled) return c.json(body, 200);
      return c.json({ ...body, routes: await previewReroute(sql, instance, changed.enabled) }, 200);
    }
    instances.forget(instance.tenantId, instance.instanceId);
    if (c.req.valid('json').enabled !== undefined) {
      await rerouteInstance(sql, instance.tenantId, instance.instanceId, {
        author: c.get('operator').name,
        reason: changed.enabled ? 'the instance was enabled' : 'the instance was disabled',
      });
      services.routesChanged();
      await services.announceInstances(instance.tenantId);
      if (changed.enabled) await wakeComputers(sql, instance.tenantId, instance.instanceId);
    }
    return c.json(await shown(), 200, { etag: etag(changed.version) });
  });
}
