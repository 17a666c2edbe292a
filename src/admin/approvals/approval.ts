import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { parseGuid } from '../../ids.ts';
import { approvalLifeMs } from '../../limits.ts';
import { ProblemError, problem } from '../../problems.ts';
import { type Approval, approvalStates, readApproval } from '../../store/approvals.ts';
import type { Sql } from '../../store/database.ts';
import type { AdminEnv } from '../context.ts';
import { instant, instantOrNull, iso } from '../schemas.ts';

/** An approval as the admin API shows it. */

const person = z.object({ kind: z.string(), id: z.string().nullable(), name: z.string() });

export const approvalSchema = z
  .object({
    id: z.string(),
    tenantId: z.string(),
    state: z.enum(approvalStates).openapi({
      description:
        'approved: being carried out. done: carried out. failed: refused when it was carried out, or its end is not ' +
        'known. expired: nobody decided within a day.',
    }),
    action: z.string(),
    summary: z.string(),
    devices: z.number().int(),
    request: z.object({ method: z.string(), target: z.string(), ifMatch: z.string().nullable() }),
    requestedBy: person.extend({ role: z.string() }),
    createdAt: instant,
    expiresAt: instant,
    decidedBy: person.nullable(),
    decidedAt: instantOrNull,
    reason: z.string().nullable(),
    outcome: z
      .object({
        status: z.number().int().nullable(),
        answer: z.unknown(),
        detail: z.string().nullable(),
      })
      .nullable()
      .openapi({
        description:
          'Status and body of the answer when the request was carried out; `detail` where it was not made or was interrupted.',
      }),
    versionLock: z.number().int(),
  })
  .openapi('Approval');

export const approvalPath = z.object({ approvalId: z.string().openapi({ format: 'uuid' }) });

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function outcomeOf({ answer, status }: Approval): z.infer<typeof approvalSchema>['outcome'] {
  if (status === null) return answer === null ? null : { status, answer: null, detail: answer };
  return { status, answer: answer === null || answer === '' ? null : parsed(answer), detail: null };
}

export const describeApproval = (row: Approval): z.infer<typeof approvalSchema> => ({
  id: row.approvalId,
  tenantId: row.tenantId,
  state: row.state,
  action: row.action,
  summary: row.summary,
  devices: row.devices,
  request: { method: row.method, target: row.target, ifMatch: row.ifMatch },
  requestedBy: {
    kind: row.requestedKind,
    id: row.requestedId,
    name: row.requestedBy,
    role: row.requestedRole,
  },
  createdAt: row.createdAt.toISOString(),
  expiresAt: new Date(row.createdAt.getTime() + approvalLifeMs).toISOString(),
  decidedBy:
    row.decidedKind === null || row.decidedBy === null
      ? null
      : { kind: row.decidedKind, id: row.decidedId, name: row.decidedBy },
  decidedAt: iso(row.decidedAt),
  reason: row.decisionReason,
  outcome: outcomeOf(row),
  versionLock: row.version,
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
