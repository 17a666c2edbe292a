import { sql } from 'drizzle-orm';
import type { MoveScope } from '../../routing/moves/plan.ts';
import { device } from '../devices/device.ts';
import { fragmentOf } from '../filter-sql.ts';

/** A filter selects the devices of a move, as it does in the list of devices. */

export type Scoped = Pick<MoveScope, 'tenantId' | 'fromInstanceId' | 'toInstanceId' | 'unclaimed'> & {
  readonly filter: string | null;
};

/** Throws `ProblemError`, `invalid-request`, for a filter that cannot be read. */
export function scopeOf({ filter, ...rest }: Scoped): MoveScope {
  const condition = filter === null ? sql`true` : device.matching(filter);
  const { fromInstanceId, tenantId, toInstanceId, unclaimed } = rest;
  return {
    tenantId,
    fromInstanceId,
    toInstanceId,
    unclaimed,
    matching: (queries) => fragmentOf(queries, condition),
  };
}
