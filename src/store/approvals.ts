import { and, eq, inArray, sql } from 'drizzle-orm';
import { QueryBuilder } from 'drizzle-orm/pg-core';
import { approvalKeptMs, approvalLifeMs, changeBatch, leaseMs } from '../limits.ts';
import { columns, omit, pick } from './columns.ts';
import type { Queries, Sql, Transaction } from './database.ts';
import { recordHistory } from './history.ts';
import { type ApprovalState, approvals } from './operator-schema.ts';
import { query } from './query.ts';
import { inTransaction } from './retry.ts';

/** Requests that wait for a second operator (contract section 3, `ESPALIER_APPROVALS`), and what became of them. */

export type Approval = Omit<typeof approvals.$inferSelect, 'expiresAt'>;

export const interrupted =
  'The gateway stopped while it carried the request out. It may have been done, or done in part: look at the object, and ask again if need be.';

/**
 * The rows as they are now: `expires_at` ends the waiting of one that waits, and the lease of one that is being
 * carried out, whether or not somebody has noted it already.
 */
export const approvalsNow = new QueryBuilder()
  .select({
    ...omit(approvals, 'expiresAt'),
    answer: sql<string | null>`
      case when state = 'approved' and expires_at <= now() then ${interrupted} else answer end`.as('answer'),
    state: sql<ApprovalState>`
      case when expires_at > now() then state when state = 'waiting' then 'expired' when state = 'approved' then 'failed'
           else state end`.as('state'),
  })
  .from(approvals)
  .as('a');

interface ApprovalKey {
  readonly tenantId: string;
  readonly approvalId: string;
}

/** Undefined as well for a tenant that is none of these; `tenantIds` undefined: every tenant. */
export async function readApproval(
  queries: Queries,
  approvalId: string,
  tenantIds: readonly string[] | undefined,
): Promise<Approval | undefined> {
  const scope = tenantIds === undefined ? undefined : inArray(approvalsNow.tenantId, [...tenantIds]);
  const [row] = await query(queries)
    .select()
    .from(approvalsNow)
    .where(and(scope, eq(approvalsNow.approvalId, approvalId)));
  return row;
}

/** The row, and with it the right to decide, until the transaction ends. */
export async function lockApproval(
  tx: Transaction,
  { approvalId, tenantId }: ApprovalKey,
): Promise<Approval | undefined> {
  await tx`
    select 1 from approvals where tenant_id = ${tenantId} and approval_id = ${approvalId} for update`;
  return readApproval(tx, approvalId, [tenantId]);
}

/** Two requests for the same must not both make an approval: one after the other, until the transaction ends. */
export async function lockApprovals(tx: Transaction, tenantId: string): Promise<void> {
  await tx`select pg_advisory_xact_lock(hashtextextended(${`approvals/${tenantId}`}, 0))`;
}

/** Finds the pending approval of the same action on the same object, whatever its query and body contain. */
export async function readWaiting(
  tx: Transaction,
  { action, target, tenantId }: Pick<Approval, 'tenantId' | 'action' | 'target'>,
): Promise<Approval | undefined> {
  const [path = ''] = target.split('?');
  const [row] = await query(tx)
    .select()
    .from(approvalsNow)
    .where(
      and(
        eq(approvalsNow.tenantId, tenantId),
        eq(approvalsNow.state, 'waiting'),
        eq(approvalsNow.action, action),
        sql`split_part(${approvalsNow.target}, '?', 1) = ${path}`,
      ),
    )
    .orderBy(approvalsNow.createdAt)
    .limit(1);
  return row;
}

export type NewApproval = Omit<
  Approval,
  | 'state'
  | 'decidedKind'
  | 'decidedId'
  | 'decidedBy'
  | 'decidedAt'
  | 'decisionReason'
  | 'status'
  | 'answer'
  | 'createdAt'
  | 'version'
>;

export async function insertApproval(tx: Transaction, given: NewApproval): Promise<Date> {
  const [row] = await tx<Pick<Approval, 'createdAt'>[]>`
    insert into approvals (tenant_id, approval_id, action, summary, devices, method, target, if_match, body_sealed,
      requested_kind, requested_id, requested_entra_tenant_id, requested_by, requested_role, requested_tenant_ids,
      request_id, source, expires_at)
    values (${given.tenantId}, ${given.approvalId}, ${given.action}, ${given.summary}, ${given.devices}, ${given.method},
      ${given.target}, ${given.ifMatch}, ${given.bodySealed}, ${given.requestedKind}, ${given.requestedId},
      ${given.requestedEntraTenantId}, ${given.requestedBy}, ${given.requestedRole},
      ${given.requestedTenantIds}::uuid[], ${given.requestId}, ${given.source},
      now() + ${approvalLifeMs} * interval '1 millisecond')
    returning ${columns(tx, pick(approvals, 'createdAt'))}`;
  if (!row) throw new Error('an approval was not written');
  return row.createdAt;
}

export interface Decision {
  readonly state: 'approved' | 'rejected';
  readonly kind: string;
  readonly id: string | undefined;
  readonly name: string;
  readonly reason: string | undefined;
}

/**
 * The caller's transaction holds the row (`lockApproval`). With `approved` begins the lease of the process that carries
 * it out.
 */
export async function writeDecision(
  tx: Transaction,
  { approvalId, tenantId }: ApprovalKey,
  { id, kind, name, reason, state }: Decision,
): Promise<void> {
  await tx`
    update approvals set state = ${state}, decided_kind = ${kind}, decided_id = ${id ?? null}, decided_by = ${name},
      decided_at = now(), decision_reason = ${reason ?? null}, version = version + 1,
      expires_at = case when ${state} = 'approved' then now() + ${leaseMs} * interval '1 millisecond' else expires_at end
    where tenant_id = ${tenantId} and approval_id = ${approvalId}`;
}

/** While it is carried out, more often than `leaseMs`. */
export async function renewApproval(client: Sql, { approvalId, tenantId }: ApprovalKey): Promise<void> {
  await client`
    update approvals set expires_at = now() + ${leaseMs} * interval '1 millisecond'
    where tenant_id = ${tenantId} and approval_id = ${approvalId} and state = 'approved'`;
}

/**
 * The outcome also replaces a `failed` without a status: there the lease could not be renewed, and the end became known
 * after all.
 */
export async function writeOutcome(
  tx: Transaction,
  { approvalId, tenantId }: ApprovalKey,
  { answer, state, status }: { state: 'done' | 'failed'; status: number | null; answer: string | null },
): Promise<void> {
  await tx`
    update approvals set state = ${state}, status = ${status}, answer = ${answer}, version = version + 1
    where tenant_id = ${tenantId} and approval_id = ${approvalId} and state in ('approved', 'failed') and status is null`;
}

/** Notes those whose time is over, and removes what was decided long ago; the runtime calls it now and then. */
export async function settleApprovals(client: Sql): Promise<void> {
  await inTransaction(client, async (tx) => {
    const over = await tx<Pick<Approval, 'tenantId' | 'approvalId' | 'summary' | 'state'>[]>`
      update approvals a set state = case when a.state = 'waiting' then 'expired' else 'failed' end,
        answer = case when a.state = 'approved' then ${interrupted} else a.answer end, version = version + 1
      from (select tenant_id, approval_id from approvals
            where state in ('waiting', 'approved') and expires_at <= now()
            order by tenant_id, approval_id limit ${changeBatch} for update skip locked) late
      where a.tenant_id = late.tenant_id and a.approval_id = late.approval_id
      returning ${columns(tx, pick(approvals, 'tenantId', 'approvalId', 'summary', 'state'), 'a')}`;
    // Every process appends these entries in the same order, since each one locks the end of its tenant's chain.
    for (const { approvalId, state, summary, tenantId } of over.toSorted((a, b) =>
      a.tenantId < b.tenantId ? -1 : 1,
    )) {
      await recordHistory(tx, {
        tenantId,
        author: { kind: 'gateway', id: undefined, name: 'espalier' },
        action: state === 'expired' ? 'approval.expire' : 'approval.interrupted',
        object: { kind: 'approval', id: approvalId, name: summary },
        after: { state },
      });
    }
  });
  await client`
    delete from approvals where state in ('done', 'failed', 'rejected', 'expired')
      and created_at < now() - ${approvalKeptMs} * interval '1 millisecond'`;
}
