import { backgroundPerSecond } from '../limits.ts';
import type { Fragment, Transaction } from '../store/database.ts';

/**
 * Makes computers that have devices now due to be read, one after the other, behind what is fresh; says of how many.
 * `won` selects distinct `instance_id, jamf_computer_id`; `behind`: as many others come first. A row that somebody
 * holds is being read already: what it finds waits for the tenant's lock, which the caller holds, and is decided by
 * the new table. Waiting for it would be a deadlock.
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
      select won.* from won join computers c on c.tenant_id = ${tenantId} and c.instance_id = won.instance_id
        and c.jamf_computer_id = won.jamf_computer_id
      for update of c skip locked
    ), known as (
      update computers c set wanted_revision = c.wanted_revision + 1, updated_at = now(),
        background = case when c.wanted_revision > c.done_revision then c.background else true end,
        next_try_at = case when c.wanted_revision > c.done_revision then c.next_try_at else free.due_at end
      from free where c.tenant_id = ${tenantId} and c.instance_id = free.instance_id
        and c.jamf_computer_id = free.jamf_computer_id
    ), anew as (
      insert into computers (tenant_id, instance_id, jamf_computer_id, background, next_try_at)
      select ${tenantId}, instance_id, jamf_computer_id, true, due_at from won
      where not exists (select 1 from computers c where c.tenant_id = ${tenantId} and c.instance_id = won.instance_id
        and c.jamf_computer_id = won.jamf_computer_id)
      on conflict do nothing
    )
    select count(*)::int as count from won`;
  return wanted?.count ?? 0;
}
