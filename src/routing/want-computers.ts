import { backgroundPerSecond } from '../limits.ts';
import type { Fragment, Transaction } from '../store/database.ts';

/**
 * Makes computers that have devices now due to be read, one after the other, behind what is fresh; says of how many.
 * `won` selects distinct `instance_id, jamf_computer_id`; `behind`: as many others come first. A row that somebody
 * holds is being read already: what it finds waits for the tenant's lock, which the caller holds, and is decided by
 * the new table. Waiting for it would be a deadlock.
 *
 * Each is looked up by its key: as joins the planner, which knows of a new tenant that it has no rows, would put all
 * of them beside all of them.
 */
export async function wantComputers(
  tx: Transaction,
  tenantId: string,
  won: Fragment,
  behind = 0,
): Promise<number> {
  const [wanted] = await tx<{ count: number }[]>`
    with won as materialized (
      select instance_id, jamf_computer_id, now() + ((${behind}::int + row_number() over (order by instance_id, jamf_computer_id) - 1)
        / ${backgroundPerSecond}::float8) * interval '1 second' as due_at
      from (${won}) one
    ), free as materialized (
      select won.* from won
      left join lateral (
        select true as there from computers c where c.tenant_id = ${tenantId} and c.instance_id = won.instance_id
          and c.jamf_computer_id = won.jamf_computer_id offset 0) known on true
      left join lateral (
        select true as ours from computers c where known.there and c.tenant_id = ${tenantId}
          and c.instance_id = won.instance_id and c.jamf_computer_id = won.jamf_computer_id for update skip locked) held on true
      where known.there is null or held.ours
    ), due as (
      insert into computers as c (tenant_id, instance_id, jamf_computer_id, background, next_try_at)
      select ${tenantId}, instance_id, jamf_computer_id, true, due_at from free
      on conflict (tenant_id, instance_id, jamf_computer_id) do update set
        wanted_revision = c.wanted_revision + 1, updated_at = now(),
        background = case when c.wanted_revision > c.done_revision then c.background else true end,
        next_try_at = case when c.wanted_revision > c.done_revision then c.next_try_at else excluded.next_try_at end
    )
    select count(*)::int as count from won`;
  return wanted?.count ?? 0;
}
