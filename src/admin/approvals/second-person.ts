import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { newId } from '../../ids.ts';
import { approvalDevices, approvalGrowthShare, approvalLifeMs } from '../../limits.ts';
import { ProblemError, problem } from '../../problems.ts';
import type { Sealer } from '../../secrets/seal.ts';
import { type Approval, insertApproval, lockApprovals, readWaiting } from '../../store/approvals.ts';
import { inTransaction } from '../../store/retry.ts';
import type { AdminEnv, AdminServices } from '../context.ts';
import { nothingChanged, recordChange } from '../recording.ts';
import { instant, jsonAnswer } from '../schemas.ts';
import type { ApprovedAction } from './actions.ts';
import { approvedDevices } from './approved-request.ts';

/** A request that touches many devices waits here for another operator (`ESPALIER_APPROVALS`). */

const waitingSchema = z
  .object({
    approvalId: z.string(),
    href: z.string(),
    devices: z.number().int(),
    expiresAt: instant,
    state: z.literal('waiting'),
  })
  .openapi('WaitsForApproval');

export type Waiting = z.infer<typeof waitingSchema>;

/** Each operation that may wait has this answer beside its own. */
export const waitsForApproval = {
  202: jsonAnswer(
    waitingSchema,
    'Nothing is done yet: with ESPALIER_APPROVALS=on another operator has to approve it first',
  ),
};

export const bodyAssociation = ({
  approvalId,
  tenantId,
}: Pick<Approval, 'tenantId' | 'approvalId'>): string => `approvals/${tenantId}/${approvalId}/body`;

interface Wish {
  readonly tenantId: string;
  readonly action: ApprovedAction;
  /** Number of devices that would be touched, counted just now. */
  readonly devices: number;
  /** Summary of the action for the person who decides: names and choices, no secret. */
  readonly summary: string;
}

const waitingOf = (approvalId: string, devices: number, createdAt: Date): Waiting => ({
  approvalId,
  href: `/api/v1/approvals/${approvalId}`,
  devices,
  expiresAt: new Date(createdAt.getTime() + approvalLifeMs).toISOString(),
  state: 'waiting',
});

/** Nobody approved a deletion of five thousand devices by approving one of a hundred and fifty. */
function checkGrowth(approved: number, devices: number): void {
  if (devices <= approved * (1 + approvalGrowthShare)) return;
  throw new ProblemError(
    problem(
      'conflict',
      `This was approved for ${approved} devices and would touch ${devices} now; ask again.`,
    ),
  );
}

/** The same request again gets the same approval; one that asks for something else with it has to wait. */
async function requireSame(sealer: Sealer, known: Approval, target: string, body: string): Promise<void> {
  const asked = known.bodySealed === null ? '' : await sealer.open(known.bodySealed, bodyAssociation(known));
  if (known.target === target && asked === body) return;
  throw new ProblemError(
    problem(
      'conflict',
      `The approval ${known.approvalId} waits to do the same with other choices; have it decided first.`,
      {
        errors: [{ code: 'APPROVAL_WAITS', field: null, description: known.summary, id: known.approvalId }],
      },
    ),
  );
}

/** The body is JSON without blanks, so that two spellings of the same are the same; that of a DELETE was never read. */
async function bodyOf(c: Context<AdminEnv>): Promise<string> {
  const text = c.req.method === 'DELETE' ? '' : await c.req.text();
  return text === '' ? '' : JSON.stringify(JSON.parse(text));
}

/**
 * Called after all checks and right before acting. Undefined: go on. Otherwise nothing may be done, and this is the
 * answer, with 202.
 */
export type SecondPerson = (c: Context<AdminEnv>, wish: Wish) => Promise<Waiting | undefined>;

export function createSecondPerson({
  approvals,
  sealer,
  sql,
}: Pick<AdminServices, 'approvals' | 'sealer' | 'sql'>): SecondPerson {
  return async (c, { action, devices, summary, tenantId }) => {
    const approved = approvedDevices(c);
    if (approved !== undefined) {
      checkGrowth(approved, devices);
      return undefined;
    }
    if (!approvals || devices <= approvalDevices) return undefined;
    const { pathname, search } = new URL(c.req.url);
    const target = `${pathname}${search}`;
    const body = await bodyOf(c);
    const { entraTenantId, id, kind, name, role, tenantIds } = c.get('operator');
    return inTransaction(sql, async (tx) => {
      await lockApprovals(tx, tenantId);
      const known = await readWaiting(tx, { tenantId, action, target });
      if (known) {
        await requireSame(sealer, known, target, body);
        nothingChanged(c);
        return waitingOf(known.approvalId, known.devices, known.createdAt);
      }
      const key = { tenantId, approvalId: newId() };
      const createdAt = await insertApproval(tx, {
        ...key,
        action,
        summary,
        devices,
        method: c.req.method,
        target,
        ifMatch: c.req.header('if-match') ?? null,
        bodySealed: body === '' ? null : await sealer.seal(body, bodyAssociation(key)),
        requestedKind: kind,
        requestedId: id ?? null,
        requestedEntraTenantId: entraTenantId ?? null,
        requestedBy: name,
        requestedRole: role,
        requestedTenantIds: tenantIds === undefined ? null : [...tenantIds],
        requestId: c.get('requestId'),
        source: c.get('source') ?? null,
      });
      await recordChange(c, tx, {
        tenantId,
        action: 'approval.request',
        object: { kind: 'approval', id: key.approvalId, name: summary },
        after: { action, devices, method: c.req.method, target },
      });
      return waitingOf(key.approvalId, devices, createdAt);
    });
  };
}
