import { createRoute, z } from '@hono/zod-openapi';
import { addReading, pollSoon } from '../../delivery/computers/ask.ts';
import { newId, parseGuid } from '../../ids.ts';
import { ProblemError, problem } from '../../problems.ts';
import { rerouteInstance } from '../../routing/claims.ts';
import { previewReroute } from '../../routing/preview-reroute.ts';
import { isUniqueViolation, type Sql } from '../../store/database.ts';
import { type Instance, instanceColumns, readInstance, secretAssociation } from '../../store/instances.ts';
import { dueChannel } from '../../store/notifications.ts';
import { inTransaction, withoutTrace } from '../../store/retry.ts';
import type { Tenant } from '../../store/tenants.ts';
import { requireRole, tenantOf } from '../access.ts';
import { requireAllowedAddress } from '../allowed-address.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { requireFilter } from '../filter.ts';
import type { FilterFields } from '../filter-fields.ts';
import { conditionSql } from '../filter-sql.ts';
import {
  checkIfMatch,
  commonProblems,
  created,
  dryRunQuery,
  etag,
  filteredPaging,
  instancePath,
  instant,
  instantOrNull,
  invalidField,
  iso,
  jsonAnswer,
  listOf,
  orderBy,
  parseSort,
  problemAnswer,
  step,
  tenantPath,
  versionProblem,
} from '../schemas.ts';
import { checkReference, clientWithSecret } from '../secret-reference.ts';
import { checkOnlyInstance } from './only-instance.ts';
import { readingSchema, readingsOf } from './reading.ts';

/** `/tenants/{tenantId}/instances` and one instance's operations. */

const apiClient = clientWithSecret.openapi('ApiClient');

const compliance = z
  .object({
    source: z.enum(['jamf', 'smart-group']),
    applicableGroup: z.string().min(1).max(200).optional(),
    complianceGroup: z.string().min(1).max(200).optional(),
  })
  .strict()
  .refine((value) => value.source === 'jamf' || value.complianceGroup !== undefined, {
    message: 'is needed for the source smart-group',
    path: ['complianceGroup'],
  })
  .openapi('ComplianceSource');

const fingerprint = z
  .string()
  .transform((text) => text.replaceAll(':', '').toLowerCase())
  .refine((text) => /^[0-9a-f]{64}$/.test(text), 'must be a SHA-256 fingerprint in hex');

const fields = {
  name: z.string().trim().min(1).max(100),
  url: z.url({ protocol: /^https$/ }).max(500),
  caCertificate: z
    .string()
    .max(50_000)
    .refine((text) => text.includes('-----BEGIN CERTIFICATE-----'), 'must be PEM'),
  clientCertificateSha256: fingerprint,
};

const newInstance = z
  .object({
    name: fields.name,
    url: fields.url,
    apiClient,
    compliance: compliance.default({ source: 'jamf' }),
    caCertificate: fields.caCertificate.optional(),
    clientCertificateSha256: fields.clientCertificateSha256.optional(),
  })
  .strict()
  .openapi('NewInstance');

const changedInstance = z
  .object({
    name: fields.name.optional(),
    url: fields.url.optional(),
    apiClient: apiClient.optional(),
    compliance: compliance.optional(),
    caCertificate: fields.caCertificate.nullable().optional(),
    clientCertificateSha256: fields.clientCertificateSha256.nullable().optional(),
    enabled: z.boolean().optional(),
  })
  .strict()
  .openapi('InstanceChange');

const instanceSchema = z
  .object({
    id: z.string(),
    tenantId: z.string(),
    name: z.string(),
    url: z.string(),
    apiClient: z.object({ clientId: z.string(), secretRef: z.string().nullable() }),
    compliance,
    caCertificate: z.string().nullable(),
    clientCertificateSha256: z.string().nullable(),
    enabled: z.boolean(),
    paused: z.boolean(),
    jamfVersion: z.string().nullable(),
    lastSeenAt: instantOrNull,
    lastError: z.string().nullable(),
    lastErrorAt: instantOrNull,
    reading: readingSchema,
    webhookUrl: z.string(),
    inventoryUrl: z.string(),
    versionLock: z.number().int(),
    createdAt: instant,
    updatedAt: instant,
  })
  .openapi('Instance');

/** `routes` of a dry run that enables or disables: of so many claimed devices these routes would change or end. */
const changedSchema = instanceSchema
  .extend({
    dryRun: z.boolean(),
    routes: z
      .object({ devices: z.number().int(), changed: z.number().int(), ended: z.number().int() })
      .optional(),
  })
  .openapi('ChangedInstance');

const describe = (
  instance: Instance,
  reading: z.infer<typeof readingSchema>,
  publicUrl: string,
): z.infer<typeof instanceSchema> => ({
  id: instance.instanceId,
  tenantId: instance.tenantId,
  name: instance.name,
  url: instance.url,
  apiClient: { clientId: instance.apiClientId, secretRef: instance.apiSecretRef },
  compliance: instance.compliance,
  caCertificate: instance.caCertificate,
  clientCertificateSha256: instance.clientCertificateSha256,
  enabled: instance.enabled,
  paused: instance.paused,
  jamfVersion: instance.jamfVersion,
  lastSeenAt: iso(instance.lastSeenAt),
  lastError: instance.lastError,
  lastErrorAt: iso(instance.lastErrorAt),
  reading,
  webhookUrl: `${publicUrl}/jamf/${instance.instanceId}/webhooks`,
  inventoryUrl: `${publicUrl}/jamf/${instance.instanceId}/inventory`,
  versionLock: instance.version,
  createdAt: instance.createdAt.toISOString(),
  updatedAt: instance.updatedAt.toISOString(),
});

const tags = ['Instances'];
const conflict = { 409: problemAnswer('conflict') };
const body = <T extends z.ZodType>(schema: T) => ({
  required: true,
  content: { 'application/json': { schema } },
});

const filterFields: FilterFields = {
  instanceId: { type: 'uuid', column: 'instance_id' },
  name: { type: 'text', column: 'name', wildcards: true },
  url: { type: 'text', column: 'url', wildcards: true },
  enabled: { type: 'boolean', column: 'enabled' },
  paused: { type: 'boolean', column: 'paused' },
  jamfVersion: { type: 'text', column: 'jamf_version', wildcards: true },
  lastSeenAt: { type: 'timestamp', column: 'last_seen_at' },
  lastErrorAt: { type: 'timestamp', column: 'last_error_at' },
};

const list = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/instances',
  operationId: 'listInstances',
  tags,
  summary: 'The Jamf Pro instances of a tenant',
  request: { params: tenantPath, query: filteredPaging(filterFields) },
  responses: { 200: jsonAnswer(listOf(instanceSchema, 'Instances'), 'Instances'), ...commonProblems },
});
const create = createRoute({
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/instances',
  operationId: 'createInstance',
  tags,
  summary: 'Add a Jamf Pro instance; its secret is sealed and never shown again',
  request: { params: tenantPath, body: body(newInstance) },
  responses: { 201: jsonAnswer(created, 'Created'), ...commonProblems, ...conflict },
});
const read = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/instances/{instanceId}',
  operationId: 'getInstance',
  tags,
  summary: 'One instance',
  request: { params: instancePath },
  responses: { 200: jsonAnswer(instanceSchema, 'Instance'), ...commonProblems },
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
const test = createRoute({
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/instances/{instanceId}/test',
  operationId: 'testInstance',
  tags,
  summary: 'Test the API client, the version and the privileges of an instance',
  request: { params: instancePath },
  responses: {
    200: jsonAnswer(
      z.object({ ok: z.boolean(), steps: z.array(step) }).openapi('InstanceTest'),
      'Every step',
    ),
    ...commonProblems,
    ...versionProblem,
  },
});
/** `computers`: that waited for the instance and are read at once when it is resumed. */
const pausedSchema = z
  .object({
    instanceId: z.string(),
    paused: z.boolean(),
    dryRun: z.boolean(),
    computers: z.number().int().optional(),
  })
  .openapi('InstancePaused');
const pauseRoute = (verb: 'pause' | 'resume') =>
  createRoute({
    method: 'post',
    path: `/api/v1/tenants/{tenantId}/instances/{instanceId}/${verb}`,
    operationId: `${verb}Instance`,
    tags,
    summary:
      verb === 'pause' ? 'Leave the instance alone: calls for it answer 503' : 'Use the instance again',
    request: { params: instancePath, query: dryRunQuery },
    responses: { 200: jsonAnswer(pausedSchema, verb), ...commonProblems, ...versionProblem },
  });

const sortColumns = { name: 'name', url: 'url', createdAt: 'created_at' };

/** An instance's base URL without a trailing slash; path only where Jamf Pro runs under a context path. */
async function normalUrl(text: string, services: AdminServices): Promise<string> {
  const url = new URL(text);
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw invalidField('url', 'must be an https URL without user, query or fragment');
  }
  await requireAllowedAddress(services, url.hostname, 'url');
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
}

const unknownInstance = (): ProblemError =>
  new ProblemError(problem('instance-unknown', 'The tenant has no such instance.'));

export async function instanceOf(sql: Sql, tenant: Tenant, id: string | undefined): Promise<Instance> {
  const instanceId = parseGuid(id);
  const instance = instanceId && (await readInstance(sql, tenant.tenantId, instanceId));
  if (!instance) throw unknownInstance();
  return instance;
}

interface StoredSecret {
  readonly sealed: string | null;
  readonly ref: string | null;
}

async function storeSecret(
  services: AdminServices,
  tenantId: string,
  instanceId: string,
  client: z.infer<typeof apiClient>,
): Promise<StoredSecret> {
  if (client.secretRef !== undefined) return { sealed: null, ref: client.secretRef };
  const sealed = await services.sealer.seal(
    client.clientSecret ?? '',
    secretAssociation(tenantId, instanceId),
  );
  return { sealed, ref: null };
}

const nameTaken = (error: unknown): unknown =>
  isUniqueViolation(error)
    ? new ProblemError(problem('conflict', 'The tenant has an instance of this name.'))
    : error;

async function insertInstance(
  services: AdminServices,
  tenantId: string,
  given: z.infer<typeof newInstance>,
): Promise<string> {
  const { sql } = services;
  const instanceId = newId();
  const url = await normalUrl(given.url, services);
  const secret = await storeSecret(services, tenantId, instanceId, given.apiClient);
  try {
    await inTransaction(sql, async (tx) => {
      await checkOnlyInstance(tx, tenantId, null);
      await tx`
        insert into instances (tenant_id, instance_id, name, url, api_client_id, api_secret_sealed, api_secret_ref,
          compliance, ca_certificate, client_certificate_sha256)
        values (${tenantId}, ${instanceId}, ${given.name}, ${url}, ${given.apiClient.clientId},
          ${secret.sealed}, ${secret.ref}, ${tx.json(given.compliance)}, ${given.caCertificate ?? null},
          ${given.clientCertificateSha256 ?? null})`;
      // With it the first reconciliation is due: an instance's Macs are known without a webhook of each.
      await addReading(tx, { tenantId, instanceId }, { reconcile: services.reconciles });
    });
  } catch (error) {
    throw nameTaken(error);
  }
  return instanceId;
}

async function updateInstance(
  services: AdminServices,
  before: Instance,
  given: z.infer<typeof changedInstance>,
  run: typeof inTransaction,
): Promise<Instance> {
  const { sql } = services;
  const { instanceId, tenantId } = before;
  const url = given.url === undefined ? before.url : await normalUrl(given.url, services);
  if (new URL(url).origin !== new URL(before.url).origin && given.apiClient === undefined) {
    throw invalidField(
      'apiClient',
      "is needed again because the URL's origin changes: the secret must not go to a new place unasked",
    );
  }
  const secret = given.apiClient
    ? await storeSecret(services, tenantId, instanceId, given.apiClient)
    : { sealed: before.apiSecretSealed, ref: before.apiSecretRef };
  const ca = given.caCertificate === undefined ? before.caCertificate : given.caCertificate;
  const pin =
    given.clientCertificateSha256 === undefined
      ? before.clientCertificateSha256
      : given.clientCertificateSha256;
  let changed: Instance | undefined;
  try {
    [changed] = await run(sql, async (tx) => {
      if (given.enabled === true) await checkOnlyInstance(tx, tenantId, instanceId);
      return tx<Instance[]>`
      update instances set name = ${given.name ?? before.name}, url = ${url},
        api_client_id = ${given.apiClient?.clientId ?? before.apiClientId}, api_secret_sealed = ${secret.sealed},
        api_secret_ref = ${secret.ref}, compliance = ${tx.json({ ...(given.compliance ?? before.compliance) })},
        ca_certificate = ${ca}, client_certificate_sha256 = ${pin}, enabled = ${given.enabled ?? before.enabled},
        version = version + 1, updated_at = now()
      where tenant_id = ${tenantId} and instance_id = ${instanceId} and version = ${before.version}
      returning ${instanceColumns(tx)}`;
    });
  } catch (error) {
    throw nameTaken(error);
  }
  if (!changed)
    throw new ProblemError(problem('conflict', 'The instance was changed at the same time; read it again.'));
  return changed;
}

async function countWaiting(sql: Sql, tenantId: string, instanceId: string): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*) as count from computers
    where tenant_id = ${tenantId} and instance_id = ${instanceId} and wanted_revision > done_revision`;
  return row?.count ?? 0;
}

/** What waited for the instance is due at once, and so is what its webhooks did not tell meanwhile. */
async function wakeComputers(sql: Sql, tenantId: string, instanceId: string): Promise<void> {
  await pollSoon(sql, { tenantId, instanceId });
  await sql`update computers set next_try_at = now()
    where tenant_id = ${tenantId} and instance_id = ${instanceId} and wanted_revision > done_revision`;
  await sql.notify(dueChannel, 'computers');
}

export function addInstances(app: AdminApp, services: AdminServices): void {
  const { instances, publicUrl, sql } = services;

  app.openapi(list, async (c) => {
    const tenant = await tenantOf(c, sql);
    const { filter: text, page, 'page-size': pageSize, sort } = c.req.valid('query');
    const filter = text === undefined ? undefined : requireFilter(text, filterFields);
    const wanted = sql`tenant_id = ${tenant.tenantId} and ${conditionSql(sql, filter)}`;
    const order = orderBy(parseSort(sort, sortColumns, 'name:asc'));
    const [total] = await sql<{ count: number }[]>`select count(*) from instances where ${wanted}`;
    const rows = await sql<Instance[]>`
      select ${instanceColumns(sql)} from instances where ${wanted}
      order by ${sql.unsafe(order)}, instance_id limit ${pageSize} offset ${page * pageSize}`;
    const ids = rows.map((row) => row.instanceId);
    const reading = await readingsOf(services, tenant.tenantId, ids);
    const results = rows.map((row) => describe(row, reading(row.instanceId), publicUrl));
    return c.json({ totalCount: total?.count ?? 0, results }, 200);
  });

  app.openapi(create, async (c) => {
    const tenant = await tenantOf(c, sql);
    requireRole(c, 'admin');
    checkReference(c, 'apiClient', c.req.valid('json').apiClient);
    const id = await insertInstance(services, tenant.tenantId, c.req.valid('json'));
    await services.noteInstances(tenant.tenantId);
    const href = `/api/v1/tenants/${tenant.tenantId}/instances/${id}`;
    return c.json({ id, href }, 201, { location: href, etag: etag(1) });
  });

  app.openapi(read, async (c) => {
    const instance = await instanceOf(sql, await tenantOf(c, sql), c.req.param('instanceId'));
    const reading = await readingsOf(services, instance.tenantId, [instance.instanceId]);
    return c.json(describe(instance, reading(instance.instanceId), publicUrl), 200, {
      etag: etag(instance.version),
    });
  });

  app.openapi(change, async (c) => {
    const instance = await instanceOf(sql, await tenantOf(c, sql), c.req.param('instanceId'));
    requireRole(c, 'admin');
    checkIfMatch(c.req.header('if-match'), instance.version);
    checkReference(c, 'apiClient', c.req.valid('json').apiClient);
    const dryRun = c.req.valid('query')['dry-run'] === 'true';
    const run = dryRun ? withoutTrace : inTransaction;
    const changed = await updateInstance(services, instance, c.req.valid('json'), run);
    const reading = await readingsOf(services, instance.tenantId, [instance.instanceId]);
    if (dryRun) {
      const body = { ...describe(changed, reading(instance.instanceId), publicUrl), dryRun };
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
      await services.noteInstances(instance.tenantId);
      if (changed.enabled) await wakeComputers(sql, instance.tenantId, instance.instanceId);
    }
    const body = { ...describe(changed, reading(instance.instanceId), publicUrl), dryRun };
    return c.json(body, 200, { etag: etag(changed.version) });
  });

  app.openapi(test, async (c) => {
    const instance = await instanceOf(sql, await tenantOf(c, sql), c.req.param('instanceId'));
    requireRole(c, 'operator');
    checkIfMatch(c.req.header('if-match'), instance.version);
    const steps = await services.testInstance(instance);
    return c.json({ ok: steps.every((one) => one.ok), steps }, 200);
  });

  for (const verb of ['pause', 'resume'] as const) {
    app.openapi(pauseRoute(verb), async (c) => {
      const instance = await instanceOf(sql, await tenantOf(c, sql), c.req.param('instanceId'));
      const { instanceId, tenantId } = instance;
      requireRole(c, 'operator');
      checkIfMatch(c.req.header('if-match'), instance.version);
      const dryRun = c.req.valid('query')['dry-run'] === 'true';
      const paused = verb === 'pause';
      const computers = paused ? {} : { computers: await countWaiting(sql, tenantId, instanceId) };
      if (dryRun) return c.json({ instanceId, paused: instance.paused, dryRun, ...computers }, 200);
      const [changed] = await sql<{ version: number }[]>`
        update instances set paused = ${paused}, version = version + 1, updated_at = now()
        where tenant_id = ${tenantId} and instance_id = ${instanceId} returning version`;
      instances.forget(tenantId, instanceId);
      if (!changed) throw unknownInstance();
      if (!paused) await wakeComputers(sql, tenantId, instanceId);
      return c.json({ instanceId, paused, dryRun, ...computers }, 200, { etag: etag(changed.version) });
    });
  }
}
