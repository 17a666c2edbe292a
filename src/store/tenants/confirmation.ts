/** The newest `confirm` or `enable` of each tenant, step by step, so that whoever comes back sees where it stands. */

import { eq, sql as raw } from 'drizzle-orm';
import { confirmationSilenceMs } from '../../limits.ts';
import type { Queries } from '../database.ts';
import { query } from '../query.ts';
import type { ConfirmStep } from '../row-types.ts';
import { confirmations } from '../schema.ts';

export interface ConfirmationKey {
  readonly tenantId: string;
  readonly confirmationId: string;
}

/** Takes the tenant's row over from the one before. */
export async function beginConfirmation(
  sql: Queries,
  { confirmationId, tenantId }: ConfirmationKey,
  enabling: boolean,
): Promise<void> {
  const begun = { confirmationId, enabling, steps: [], endedAt: null };
  await query(sql)
    .insert(confirmations)
    .values({ ...begun, tenantId })
    .onConflictDoUpdate({
      target: confirmations.tenantId,
      set: { ...begun, startedAt: raw`now()`, renewedAt: raw`now()` },
    });
}

/** Notes all steps so far. Of a confirmation that another one took over nothing is kept. */
export async function recordConfirmation(
  sql: Queries,
  { confirmationId, tenantId }: ConfirmationKey,
  steps: readonly ConfirmStep[],
  { ended }: { readonly ended: boolean },
): Promise<void> {
  const json = sql.json(steps.map((step) => ({ ...step })));
  await sql`
    update confirmations set steps = ${json}, renewed_at = now(), ended_at = ${ended ? sql`now()` : null}
    where tenant_id = ${tenantId} and confirmation_id = ${confirmationId}`;
}

/** Says that the process which does it lives. */
export async function renewConfirmation(
  sql: Queries,
  { confirmationId, tenantId }: ConfirmationKey,
): Promise<void> {
  await sql`
    update confirmations set renewed_at = now()
    where tenant_id = ${tenantId} and confirmation_id = ${confirmationId}`;
}

/** `interrupted`: it has not ended, and the process that did it is gone. */
export type ConfirmationState = 'running' | 'ended' | 'interrupted';

export interface Confirmation {
  readonly state: ConfirmationState;
  readonly enabling: boolean;
  readonly startedAt: Date;
  readonly endedAt: Date | null;
  readonly steps: readonly ConfirmStep[];
}

/** undefined: none was tried since the tenant is here. */
export async function readConfirmation(sql: Queries, tenantId: string): Promise<Confirmation | undefined> {
  const { enabling, endedAt, startedAt, renewedAt, steps } = confirmations;
  const [row] = await query(sql)
    .select({
      ...{ enabling, startedAt, endedAt, steps },
      silent: raw<boolean>`${renewedAt} < now() - ${confirmationSilenceMs} * interval '1 millisecond'`,
    })
    .from(confirmations)
    .where(eq(confirmations.tenantId, tenantId));
  if (row === undefined) return undefined;
  const { silent, ...rest } = row;
  return { ...rest, state: rest.endedAt !== null ? 'ended' : silent ? 'interrupted' : 'running' };
}
