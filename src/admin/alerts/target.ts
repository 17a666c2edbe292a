import { z } from '@hono/zod-openapi';
import { and, eq, getTableColumns, sql } from 'drizzle-orm';
import { makePgArray } from 'drizzle-orm/pg-core';
import type { Context } from 'hono';
import { attentionKinds } from '../../alerts/attention.ts';
import { parseGuid } from '../../ids.ts';
import { ProblemError, problem } from '../../problems.ts';
import { type AlertTarget, targetShape } from '../../store/alerts/targets.ts';
import type { Sql } from '../../store/database.ts';
import { alertTargets } from '../../store/operator-schema.ts';
import { query } from '../../store/query.ts';
import { alertFormats } from '../../store/row-types.ts';
import type { AdminEnv, Operator } from '../context.ts';
import { defaulting, optional, required } from '../resource/fields.ts';
import { resource } from '../resource/resource.ts';
import { guid, pathId } from '../schemas.ts';

/** A target of alerts as the admin API takes and shows it. Its address and signing secret are in no answer but that of its making. */

const states = ['ok', 'failing', 'given-up', 'disabled'] as const;

const stateOf = sql<(typeof states)[number]>`
  case when not ${alertTargets.enabled} then 'disabled' when ${alertTargets.givenUpAt} is not null then 'given-up'
       when ${alertTargets.failingSince} is not null then 'failing' else 'ok' end`;

const tenantIds = z.array(guid).min(1).max(1_000);
const kinds = z.array(z.enum(attentionKinds)).min(1).max(attentionKinds.length);

export const targetResource = resource({
  names: ['AlertTarget', 'AlertTargets'],
  from: alertTargets,
  columns: { ...getTableColumns(alertTargets), state: stateOf },
  fields: ({ column }) => ({
    id: column('targetId'),
    name: column('name', {
      filter: 'wildcards',
      sort: true,
      setting: true,
      input: required(z.string().trim().min(1).max(100)),
    }),
    format: column('format', {
      schema: z.enum(alertFormats),
      filter: alertFormats,
      setting: true,
      input: { create: z.enum(alertFormats).default('standard') },
    }),
    address: column('address', {
      description: 'The origin of its URL; the rest is a secret.',
      setting: true,
    }),
    tenants: column('tenantIds', {
      schema: z.array(z.string()).nullable(),
      description: 'null: all tenants, and the gateway itself.',
      setting: true,
      input: optional(tenantIds),
    }),
    kinds: column('kinds', {
      schema: z.array(z.string()).nullable(),
      description: 'Kinds of the overview; null: all of them.',
      setting: true,
      input: optional(kinds),
    }),
    history: column('history', {
      description: 'True: every entry of the history is sent to it too.',
      setting: true,
      input: defaulting(z.boolean(), false),
    }),
    enabled: column('enabled', { setting: true, input: defaulting(z.boolean(), true) }),
    state: column('state', { schema: z.enum(states) }),
    attempts: column('attempts', { description: 'Failed tries since it last took a message.' }),
    failingSince: column('failingSince'),
    lastError: column('lastError'),
    lastToldAt: column('lastToldAt', { sort: true }),
    createdAt: column('createdAt', { filter: true, sort: true }),
    version: column('version'),
  }),
  table: [
    { field: 'id', whole: true, importance: 1 },
    { field: 'name', importance: 2 },
    { field: 'format', importance: 5 },
    { field: 'address', importance: 4 },
    { field: 'tenants', names: 'tenant', importance: 7 },
    { field: 'state', importance: 3 },
    { field: 'lastToldAt', importance: 6 },
  ],
  sort: 'createdAt:asc',
  key: [alertTargets.targetId],
});

/** It lies in the address alone where a target may lead: no name and password, which a log of a proxy would show. */
export const targetUrl = z
  .url({ protocol: /^https$/ })
  .max(2_000)
  .refine((text) => {
    // What is no URL comes here too, with that said of it already.
    const url = URL.parse(text);
    return url === null || (url.username === '' && url.password === '' && url.hash === '');
  }, 'must have no user name, password or fragment');

export const targetPath = z.object({ targetId: pathId('The webhook that is told') });

/** Targets within the operator's own tenants: a bound one sees no other. */
export const targetsVisibleTo = ({ tenantIds: own }: Operator) =>
  own === undefined ? sql`true` : sql`${alertTargets.tenantIds} <@ ${makePgArray([...own])}::uuid[]`;

export const unknownTarget = (): ProblemError =>
  new ProblemError(problem('not-found', 'There is no such target of alerts.'));

/** The target of the path; another operator's is as unknown as one that does not exist. */
export async function targetOf(c: Context<AdminEnv>, client: Sql): Promise<AlertTarget> {
  const targetId = parseGuid(c.req.param('targetId'));
  if (targetId === undefined) throw unknownTarget();
  const [row] = await query(client)
    .select(targetShape)
    .from(alertTargets)
    .where(and(eq(alertTargets.targetId, targetId), targetsVisibleTo(c.get('operator'))));
  if (!row) throw unknownTarget();
  return row;
}
