import { createUseRecorder } from '../../store/credentials.ts';
import type { Sql } from '../../store/database.ts';
import { noteOperator, readBinding, type SeenOperator } from '../../store/operators.ts';
import type { Operator } from '../context.ts';

/**
 * The tenants that operators of Entra are bound to. The database is asked at every request, so that a binding which any
 * process changes holds from the next request on, and within a second on a stream of events.
 */

type EntraOperator = Omit<Operator, 'entraTenantId' | 'id' | 'tenantIds'> & {
  readonly id: string;
  readonly entraTenantId: string;
};

export interface EntraBindings {
  /** The operator with the tenants that he is bound to now. */
  bound(operator: EntraOperator): Promise<Operator>;
  /** Notes when an operator of Entra was last seen, once a minute at most. */
  recordUse(operator: Operator): Promise<void>;
}

export function createEntraBindings(sql: Sql): EntraBindings {
  const recordUse = createUseRecorder(({ seen }: { readonly keyId: string; readonly seen: SeenOperator }) =>
    noteOperator(sql, seen),
  );
  return {
    bound: async (operator) => {
      const { entraTenantId, id: objectId } = operator;
      return { ...operator, tenantIds: await readBinding(sql, { entraTenantId, objectId }) };
    },
    recordUse: async ({ entraTenantId, id, name, role }) => {
      if (entraTenantId === undefined || id === undefined) return;
      await recordUse({ keyId: `${entraTenantId}:${id}`, seen: { entraTenantId, objectId: id, name, role } });
    },
  };
}
