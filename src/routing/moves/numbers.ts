import { columns, pick } from '../../store/columns.ts';
import type { Queries, Sql } from '../../store/database.ts';
import type { MoveDeviceState, MoveKey, SkipReason } from '../../store/moves/move.ts';
import { moveDevices } from '../../store/schema.ts';

/** Counts the progress of moves. */

export interface MoveNumbers {
  readonly devices: Readonly<Record<MoveDeviceState, number>>;
  readonly skipped: readonly { readonly reason: SkipReason; readonly count: number }[];
  /** Devices that the move wants elsewhere than they are now: the work that is under way. */
  readonly pending: number;
}

interface Row {
  readonly moveId: string;
  readonly state: MoveDeviceState;
  readonly reason: SkipReason | null;
  readonly count: number;
  readonly pending: number;
}

const noDevices: MoveNumbers['devices'] = { planned: 0, moved: 0, 'rolled-back': 0, skipped: 0 };

/** The numbers of the given moves, by the move's id. */
export async function numbersOf(
  queries: Queries,
  keys: readonly MoveKey[],
): Promise<(moveId: string) => MoveNumbers> {
  const tenantIds = keys.map(({ tenantId }) => tenantId);
  const moveIds = keys.map(({ moveId }) => moveId);
  const rows = await (queries as Sql)<Row[]>`
    select ${columns(queries, pick(moveDevices, 'moveId', 'state', 'reason'), 'd')}, count(*) as count,
      count(*) filter (where (m.state = 'moving' and not m.paused and d.state = 'planned' and d.bucket < m.percent)
                          or (m.state = 'rolled-back' and d.state = 'moved')) as pending
    from unnest(${tenantIds}::uuid[], ${moveIds}::uuid[]) as asked (tenant_id, move_id)
    join moves m on m.tenant_id = asked.tenant_id and m.move_id = asked.move_id
    join move_devices d on d.tenant_id = m.tenant_id and d.move_id = m.move_id
    group by d.move_id, d.state, d.reason order by d.reason`;
  const byMove = Map.groupBy(rows, ({ moveId }) => moveId);
  return (moveId) => {
    const devices = { ...noDevices };
    const skipped: { reason: SkipReason; count: number }[] = [];
    let pending = 0;
    for (const row of byMove.get(moveId) ?? []) {
      devices[row.state] += row.count;
      pending += row.pending;
      if (row.reason !== null) skipped.push({ reason: row.reason, count: row.count });
    }
    return { devices, skipped, pending };
  };
}
