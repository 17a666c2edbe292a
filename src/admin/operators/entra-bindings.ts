import { operatorTokenMs, storeRetrySeconds } from '../../limits.ts';
import { ProblemError, problem } from '../../problems.ts';
import { createUseIntervals } from '../../store/credentials.ts';
import { isStoreUnavailable, type Sql } from '../../store/database.ts';
import { noteOperator, type OperatorKey, readBinding } from '../../store/operators.ts';
import type { AdminServices, Operator } from '../context.ts';

/**
 * The tenants that operators of Entra are bound to. The database is asked at every request, so that a binding which any
 * process changes holds from the next request on, and within a second on a stream of events. While it is away a token that
 * was issued a moment ago opens what memory holds, within the binding that was last read.
 */

type EntraOperator = Omit<Operator, 'entraTenantId' | 'id' | 'tenantIds'> & {
  readonly id: string;
  readonly entraTenantId: string;
};

export interface EntraBindings {
  /**
   * The operator with the tenants that he is bound to now. `issuedAtMs`: that of the token that he shows, without which
   * nobody is let in while the database is away.
   */
  bound(operator: EntraOperator, issuedAtMs?: number): Promise<Operator>;
  /** Notes when an operator of Entra was last seen, once a minute at most. */
  recordUse(operator: Operator): Promise<void>;
}

const tokenTooOld = (): ProblemError =>
  new ProblemError(
    problem(
      'store-unavailable',
      `The database is away: until it is back a token of Entra opens the admin API for ${operatorTokenMs / 60_000} minutes from its issue. Take a new one, or try again.`,
      { retryAfterSeconds: storeRetrySeconds },
    ),
  );

/** The binding as it was last read; throws the database's error where nobody is let in by it. */
function rememberedTenants(
  outage: AdminServices['outage'],
  key: OperatorKey,
  issuedAtMs: number | undefined,
  error: unknown,
): readonly string[] | undefined {
  const remembered = outage.degradedSeconds() === undefined ? undefined : outage.bindingOf(key);
  if (!isStoreUnavailable(error) || remembered === undefined || issuedAtMs === undefined) throw error;
  // A token's times are dates.
  if (Date.now() - issuedAtMs >= operatorTokenMs) throw tokenTooOld();
  return remembered.tenantIds;
}

export function createEntraBindings(sql: Sql, outage: AdminServices['outage']): EntraBindings {
  const isDue = createUseIntervals();
  return {
    bound: async (operator, issuedAtMs) => {
      const { entraTenantId, id: objectId } = operator;
      const key = { entraTenantId, objectId };
      const tenantIds = await readBinding(sql, key).catch((error: unknown) =>
        rememberedTenants(outage, key, issuedAtMs, error),
      );
      return { ...operator, tenantIds };
    },
    recordUse: async ({ entraTenantId, id, name, role }) => {
      if (entraTenantId === undefined || id === undefined) return;
      if (outage.degradedSeconds() !== undefined) return;
      // Awaited, unlike the use of a key: whoever came is listed, and an administrator looks for them at once.
      if (isDue(`${entraTenantId}:${id}`))
        await noteOperator(sql, { entraTenantId, objectId: id, name, role });
    },
  };
}
