import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { ProblemError, problem } from '../../problems.ts';
import {
  type Approval,
  lockApproval,
  readApproval,
  writeDecision,
  writeOutcome,
} from '../../store/approvals.ts';
import { inTransaction } from '../../store/retry.ts';
import { requireRole } from '../access.ts';
import type { AdminApp, AdminEnv, Operator } from '../context.ts';
import { recordChange } from '../recording.ts';
import { checkIfMatch, commonProblems, etag, jsonAnswer, problemAnswer, versionProblem } from '../schemas.ts';
import { roleOf } from './actions.ts';
import { approval, approvalOf, approvalPath, unknownApproval } from './approval.ts';
import { type CarryServices, carryOut } from './carry-out.ts';

/** `/approvals/{approvalId}/approve` and `/reject`. */

const decision = z
  .object({
    reason: z
      .string()
      .trim()
      .min(1)
      .max(500)
      .refine((text) => !text.includes('\0'), 'holds a NUL character')
      .optional(),
  })
  .strict()
  .openapi('ApprovalDecision');

const operation = (verb: 'approve' | 'reject', summary: string, description: string) =>
  createRoute({
    method: 'post',
    path: `/api/v1/approvals/{approvalId}/${verb}`,
    operationId: `${verb}Approval`,
    tags: ['Approvals'],
    summary,
    request: { params: approvalPath, body: { content: { 'application/json': { schema: decision } } } },
    responses: {
      200: jsonAnswer(approval.schema, description),
      ...commonProblems,
      409: problemAnswer('conflict: it waits no more'),
      ...versionProblem,
    },
  });

const approve = operation(
  'approve',
  'Carry the request out now, as the operator who asked; another operator with the role that it takes',
  'Carried out, or failed: `outcome` says how',
);
const reject = operation(
  'reject',
  'Refuse the request; who asked may take it back so',
  'Rejected: nothing was done',
);

/** The bootstrap key is one person, whoever holds it. */
const samePerson = ({ id, kind }: Operator, { requestedId, requestedKind }: Approval): boolean =>
  kind === requestedKind && (id ?? null) === requestedId;

function ownRequest({ action, approvalId, tenantId }: Approval): ProblemError {
  const role = roleOf(action);
  const who = role === 'admin' ? 'with the role admin' : `with the role ${role} or a higher one`;
  const detail =
    `This is your own request, which another operator has to approve: anybody else ${who} who may see the tenant ${tenantId}, ` +
    `with a key or a sign-in of their own ("espalier approvals approve ${approvalId}"). ` +
    `To take it back, reject it ("espalier approvals reject ${approvalId}").`;
  return new ProblemError(
    problem('forbidden', detail, { errors: [{ code: 'OWN_REQUEST', field: null, description: detail }] }),
  );
}

export function addApprovalDecisions(app: AdminApp, services: CarryServices): void {
  const { sql } = services;

  /** Compare and set under the row's lock: of two that decide at once one does. */
  const decide = async (c: Context<AdminEnv>, state: 'approved' | 'rejected', reason: string | undefined) => {
    requireRole(c, 'operator');
    const seen = await approvalOf(c, sql);
    const operator = requireRole(c, roleOf(seen.action));
    if (state === 'approved' && samePerson(operator, seen)) {
      throw ownRequest(seen);
    }
    await inTransaction(sql, async (tx) => {
      const row = await lockApproval(tx, seen);
      if (!row) throw unknownApproval();
      checkIfMatch(c.req.header('if-match'), row.version);
      if (row.state !== 'waiting')
        throw new ProblemError(
          problem('conflict', `The approval does not wait any more: it is ${row.state}.`),
        );
      const { id, kind, name } = operator;
      await writeDecision(tx, row, { state, kind, id, name, reason });
      await recordChange(c, tx, {
        tenantId: row.tenantId,
        action: state === 'approved' ? 'approval.approve' : 'approval.reject',
        object: { kind: 'approval', id: row.approvalId, name: row.summary },
        before: { state: row.state },
        after: { state },
        reason,
      });
    });
    return seen;
  };

  const answer = async ({ approvalId, tenantId }: Approval) => {
    const row = await readApproval(sql, approvalId, [tenantId]);
    if (!row) throw unknownApproval();
    return [approval.show(row), { etag: etag(row.version) }] as const;
  };

  app.openapi(approve, async (c) => {
    const row = await decide(c, 'approved', c.req.valid('json')?.reason);
    const by = { name: c.get('operator').name, requestId: c.get('requestId') };
    const outcome = await carryOut(app, services, row, by);
    await inTransaction(sql, async (tx) => {
      await writeOutcome(tx, row, outcome);
      const { state, status } = outcome;
      await recordChange(c, tx, {
        tenantId: row.tenantId,
        action: 'approval.carry-out',
        object: { kind: 'approval', id: row.approvalId, name: row.summary },
        before: { state: 'approved' },
        after: { state, status, ...(status === null ? { detail: outcome.answer } : {}) },
      });
    });
    const [body, headers] = await answer(row);
    return c.json(body, 200, headers);
  });

  app.openapi(reject, async (c) => {
    const row = await decide(c, 'rejected', c.req.valid('json')?.reason);
    const [body, headers] = await answer(row);
    return c.json(body, 200, headers);
  });
}
