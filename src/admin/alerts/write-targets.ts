import { createRoute, z } from '@hono/zod-openapi';
import {
  type Destination,
  newSigningSecret,
  openDestination,
  sealDestination,
} from '../../alerts/post-message.ts';
import { newId } from '../../ids.ts';
import { alertTargetsOfAll, alertTargetsOfTenant } from '../../limits.ts';
import { ProblemError, problem } from '../../problems.ts';
import { SealBroken, type Sealer } from '../../secrets/seal.ts';
import { beginStream, endStream } from '../../store/alerts/history-cursors.ts';
import {
  type AlertTarget,
  changeTarget,
  countKnownTenants,
  countTargets,
  insertTarget,
  lockTargets,
  removeTarget,
} from '../../store/alerts/targets.ts';
import type { Transaction } from '../../store/database.ts';
import { requireRole } from '../access.ts';
import { requireAllowedAddress } from '../allowed-address.ts';
import type { AdminApp, AdminServices, Operator } from '../context.ts';
import { changing, differing } from '../recording.ts';
import {
  checkIfMatch,
  commonProblems,
  etag,
  invalidField,
  jsonAnswer,
  onlyVersion,
  problemAnswer,
  versionProblem,
} from '../schemas.ts';
import { targetOf, targetPath, targetResource, targetUrl, unknownTarget } from './target.ts';

/** Making, changing and removing targets of alerts. An admin who is bound to tenants makes them for tenants of his own. */

const newTarget = targetResource.body('create').extend({ url: targetUrl }).openapi('NewAlertTarget');
const targetChange = targetResource
  .body('change')
  .extend({ url: targetUrl.optional() })
  .openapi('AlertTargetChange');

const tags = ['Alerts'];
const refusals = {
  ...commonProblems,
  400: problemAnswer('invalid-request or address-refused'),
  409: problemAnswer('conflict'),
};

const create = createRoute({
  method: 'post',
  path: '/api/v1/alerts/targets',
  operationId: 'createAlertTarget',
  tags,
  summary: 'Add a webhook for alerts; its signing secret is shown this once',
  request: { body: { required: true, content: { 'application/json': { schema: newTarget } } } },
  responses: {
    201: jsonAnswer(
      z
        .object({
          id: z.string(),
          href: z.string(),
          secret: z.string().nullable().openapi({ description: 'null for chats, which check no signature' }),
        })
        .openapi('CreatedAlertTarget'),
      'The target, with the secret that signs its messages',
    ),
    ...refusals,
  },
});
const change = createRoute({
  method: 'patch',
  path: '/api/v1/alerts/targets/{targetId}',
  operationId: 'changeAlertTarget',
  tags,
  summary: 'Change what a target is told, or its address',
  request: {
    params: targetPath,
    body: { required: true, content: { 'application/json': { schema: targetChange } } },
  },
  responses: { 200: jsonAnswer(targetResource.schema, 'Target'), ...refusals, ...versionProblem },
});
const remove = createRoute({
  method: 'delete',
  path: '/api/v1/alerts/targets/{targetId}',
  operationId: 'deleteAlertTarget',
  tags,
  summary: 'Remove a target',
  request: { params: targetPath },
  responses: { 204: { description: 'Removed' }, ...commonProblems, ...versionProblem },
});

type Tenants = readonly string[] | null;

/** Refuses tenants that are not the operator's, and those that there are none of: a slip would be silence. */
function requireOwnTenants({ tenantIds: own }: Operator, tenants: Tenants): void {
  if (own === undefined || tenants?.every((tenantId) => own.includes(tenantId))) return;
  throw new ProblemError(
    problem('forbidden', 'A tenant-bound operator has targets for its own tenants only.'),
  );
}

async function requireKnownTenants(tx: Transaction, tenants: Tenants): Promise<void> {
  if (tenants !== null && (await countKnownTenants(tx, tenants)) < tenants.length)
    throw invalidField('tenants', 'names a tenant that there is not', 'TENANT_UNKNOWN');
}

async function requireRoom(tx: Transaction, tenants: Tenants): Promise<void> {
  const limit = tenants === null ? alertTargetsOfAll : alertTargetsOfTenant;
  if ((await countTargets(tx, tenants)) < limit) return;
  throw new ProblemError(
    problem('conflict', `There are ${limit} targets for the same tenants already; remove one first.`),
  );
}

function requireFitting({ format, history }: Pick<AlertTarget, 'format' | 'history'>): void {
  if (history && format !== 'standard')
    throw invalidField('history', 'is for targets of the format standard: a chat has no place for it');
}

const unique = (values: Tenants): string[] | null => (values === null ? null : [...new Set(values)]);

const objectOf = ({ name, targetId }: Pick<AlertTarget, 'name' | 'targetId'>) => ({
  kind: 'alert-target',
  id: targetId,
  name,
});

/** As the history shows it. */
const settingsOf = (row: AlertTarget) => targetResource.settings({ ...row, state: 'ok' });

function addCreate(app: AdminApp, services: AdminServices): void {
  const { sealer, sql } = services;
  app.openapi(create, async (c) => {
    const operator = requireRole(c, 'admin');
    const { enabled, format, history, kinds = null, name, tenants = null, url } = c.req.valid('json');
    const tenantIds = unique(tenants);
    requireOwnTenants(operator, tenantIds);
    requireFitting({ format, history });
    const { hostname, origin: address } = new URL(url);
    await requireAllowedAddress(services, hostname, 'url');
    const targetId = newId();
    const secret = format === 'standard' ? newSigningSecret() : null;
    const sealed = await sealDestination(sealer, targetId, { url, secret });
    const row = { targetId, name, format, tenantIds, kinds, history, enabled, address, sealed };
    await changing(c, sql, async (tx, note) => {
      await lockTargets(tx);
      await requireKnownTenants(tx, tenantIds);
      await requireRoom(tx, tenantIds);
      await insertTarget(tx, row);
      if (history) await beginStream(tx, row);
      const after = { name, format, address, tenants: tenantIds, kinds, history, enabled };
      note({ tenantId: undefined, action: 'alert-target.create', object: objectOf(row), after });
    });
    const href = `/api/v1/alerts/targets/${targetId}`;
    return c.json({ id: targetId, href, secret }, 201, { location: href, etag: etag(onlyVersion) });
  });
}

type Change = z.output<typeof targetChange>;

async function opened(sealer: Sealer, row: AlertTarget): Promise<Destination> {
  try {
    return await openDestination(sealer, row);
  } catch (error) {
    if (!(error instanceof SealBroken)) throw error;
    throw new ProblemError(
      problem('conflict', 'The signing secret does not open with ESPALIER_SECRETS_KEY: make a new target.'),
    );
  }
}

/** The row as it is to be; its new address is sealed with the secret that it has. */
async function changedRow({ sealer }: AdminServices, row: AlertTarget, given: Change): Promise<AlertTarget> {
  const { enabled = row.enabled, history = row.history, kinds = row.kinds, name = row.name, url } = given;
  const tenantIds = given.tenants === undefined ? row.tenantIds : unique(given.tenants);
  const changed = { ...row, name, enabled, history, kinds, tenantIds };
  if (url === undefined) return changed;
  const { secret } = await opened(sealer, row);
  const sealed = await sealDestination(sealer, row.targetId, { url, secret });
  return { ...changed, address: new URL(url).origin, sealed };
}

function addChange(app: AdminApp, services: AdminServices): void {
  const { sql } = services;
  app.openapi(change, async (c) => {
    const before = await targetOf(c, sql);
    const operator = requireRole(c, 'admin');
    checkIfMatch(c.req.header('if-match'), before.version);
    const given = c.req.valid('json');
    if (given.url !== undefined) await requireAllowedAddress(services, new URL(given.url).hostname, 'url');
    const wanted = await changedRow(services, before, given);
    requireOwnTenants(operator, wanted.tenantIds);
    requireFitting(wanted);
    const changed = await changing(c, sql, async (tx, note) => {
      if (given.tenants !== undefined) {
        await lockTargets(tx);
        await requireKnownTenants(tx, wanted.tenantIds);
      }
      const row = await changeTarget(tx, wanted);
      if (!row)
        throw new ProblemError(
          problem('conflict', 'The target was changed at the same time; read it again.'),
        );
      if (!row.history) await endStream(tx, row.targetId);
      else if (!before.history || given.tenants !== undefined) await beginStream(tx, row);
      const difference = differing(settingsOf(before), settingsOf(row));
      const address = given.url === undefined ? {} : { url: 'changed' };
      note({
        tenantId: undefined,
        action: 'alert-target.change',
        object: objectOf(row),
        before: difference.before,
        after: { ...difference.after, ...address },
      });
      return row;
    });
    const state = changed.enabled ? ('ok' as const) : ('disabled' as const);
    return c.json(targetResource.show({ ...changed, state }), 200, { etag: etag(changed.version) });
  });
}

export function addAlertTargetWrites(app: AdminApp, services: AdminServices): void {
  const { sql } = services;
  addCreate(app, services);
  addChange(app, services);
  app.openapi(remove, async (c) => {
    const target = await targetOf(c, sql);
    requireRole(c, 'admin');
    checkIfMatch(c.req.header('if-match'), target.version);
    await changing(c, sql, async (tx, note) => {
      const row = await removeTarget(tx, target.targetId);
      // Somebody else was quicker: it happened once, and is in the history once.
      if (!row) throw unknownTarget();
      note({
        tenantId: undefined,
        action: 'alert-target.delete',
        object: objectOf(row),
        before: settingsOf(row),
      });
    });
    return c.body(null, 204);
  });
}
