import type { MoveScope } from '../../routing/moves/plan.ts';
import { filterFields } from '../devices/devices.ts';
import { requireFilter } from '../filter.ts';
import { conditionSql } from '../filter-sql.ts';

/** Which devices a move is about, by the filter that lists devices too. */

export type Scoped = Pick<MoveScope, 'tenantId' | 'fromInstanceId' | 'toInstanceId' | 'unclaimed'> & {
  readonly filter: string | null;
};

/** Throws `ProblemError`, `invalid-request`, for a filter that cannot be read. */
export function scopeOf({ filter, ...rest }: Scoped): MoveScope {
  const condition = filter === null ? undefined : requireFilter(filter, filterFields);
  const { fromInstanceId, tenantId, toInstanceId, unclaimed } = rest;
  return {
    tenantId,
    fromInstanceId,
    toInstanceId,
    unclaimed,
    matching: (queries) => conditionSql(queries, condition),
  };
}
