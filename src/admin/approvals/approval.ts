import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { parseGuid } from '../../ids.ts';
import { approvalLifeMs } from '../../limits.ts';
import { ProblemError, problem } from '../../problems.ts';
import { type Approval, approvalsNow, readApproval } from '../../store/approvals.ts';
import type { Sql } from '../../store/database.ts';
import { approvalStates } from '../../store/operator-schema.ts';
import { roles } from '../../store/row-types.ts';
import type { AdminEnv } from '../context.ts';
import { resource } from '../resource/resource.ts';
import { instant, pathId } from '../schemas.ts';
import { roleOf } from './actions.ts';

/** An approval as the admin API shows it. */

const person = z.object({ kind: z.string(), id: z.string().nullable(), name: z.string() });

export const approvalPath = z.object({ approvalId: pathId('The request that waits for a second operator') });

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

const outcomeSchema = z
  .object({ status: z.number().int().nullable(), answer: z.unknown(), detail: z.string().nullable() })
  .nullable()
  .openapi({
    description:
      'Status and body of the answer when the request was carried out; `detail` where it was not made or was interrupted.',
  });

function outcomeOf({ answer, status }: Pick<Approval, 'answer' | 'status'>): z.infer<typeof outcomeSchema> {
  if (status === null) return answer === null ? null : { status, answer: null, detail: answer };
  return { status, answer: answer === null || answer === '' ? null : parsed(answer), detail: null };
}

export const approval = resource({
  names: ['Approval', 'Approvals'],
  from: approvalsNow,
  columns: approvalsNow._.selectedFields,
  fields: ({ column, made }) => ({
    id: column('approvalId'),
    tenantId: column('tenantId', { filter: true, sort: true }),
    state: column('state', {
      schema: z.enum(approvalStates),
      description:
        'approved: being carried out. done: carried out. failed: refused when it was carried out, or its end is not ' +
        'known. expired: nobody decided within a day.',
      filter: approvalStates,
      sort: true,
    }),
    action: column('action', { filter: 'wildcards', sort: true }),
    summary: column('summary'),
    devices: column('devices', { sort: true }),
    role: made(z.enum(roles).openapi({ description: 'That it takes to decide.' }), ['action'], ({ action }) =>
      roleOf(action),
    ),
    request: made(
      z.object({ method: z.string(), target: z.string(), ifMatch: z.string().nullable() }),
      ['method', 'target', 'ifMatch'],
      ({ ifMatch, method, target }) => ({ method, target, ifMatch }),
    ),
    requestedBy: made(
      person.extend({ role: z.string() }),
      ['requestedKind', 'requestedId', 'requestedBy', 'requestedRole'],
      (row) => ({
        kind: row.requestedKind,
        id: row.requestedId,
        name: row.requestedBy,
        role: row.requestedRole,
      }),
    ),
    source: column('source', { description: 'Address that the request came from.', filter: true }),
    createdAt: column('createdAt', { filter: true, sort: true }),
    expiresAt: made(instant, ['createdAt'], ({ createdAt }) =>
      new Date(createdAt.getTime() + approvalLifeMs).toISOString(),
    ),
    decidedBy: made(
      person.nullable(),
      ['decidedKind', 'decidedId', 'decidedBy'],
      ({ decidedBy, decidedId, decidedKind }) =>
        decidedKind === null || decidedBy === null
          ? null
          : { kind: decidedKind, id: decidedId, name: decidedBy },
    ),
    decidedAt: column('decidedAt'),
    reason: column('decisionReason'),
    outcome: made(outcomeSchema, ['answer', 'status'], outcomeOf),
    versionLock: column('version'),
  }),
  table: [
    { field: 'id', whole: true, importance: 1 },
    { field: 'state', importance: 2 },
    { field: 'summary', importance: 3 },
    { field: 'devices', importance: 4 },
    { field: 'requestedBy.name', title: 'requested by', importance: 5 },
    { field: 'expiresAt', importance: 6 },
    { field: 'action', importance: 7 },
  ],
  sort: 'createdAt:desc',
  key: [approvalsNow.approvalId],
});

export const unknownApproval = (): ProblemError =>
  new ProblemError(problem('not-found', 'There is no such approval.'));

/** The approval of the path; one of another operator's tenant is as unknown as one that does not exist. */
export async function approvalOf(c: Context<AdminEnv>, sql: Sql): Promise<Approval> {
  const approvalId = parseGuid(c.req.param('approvalId'));
  const row = approvalId && (await readApproval(sql, approvalId, c.get('operator').tenantIds));
  if (!row) throw unknownApproval();
  return row;
}
