import { ProblemError, problem } from '../../problems.ts';
import type { Transaction } from '../../store/database.ts';
import { lockTenant } from '../../store/tenants/tenant.ts';

/**
 * The manual type knows exactly one Jamf Pro instance per tenant (domain/jamf.md 4.3): throws `conflict` when another
 * enabled one than `instanceId` is there. Holds the tenant's lock, so that two at once do not both pass.
 */
export async function checkOnlyInstance(
  tx: Transaction,
  tenantId: string,
  instanceId: string | null,
): Promise<void> {
  const tenant = await lockTenant(tx, tenantId);
  if (tenant?.connectionType !== 'manual') return;
  const [other] = await tx<{ name: string }[]>`
    select name from instances
    where tenant_id = ${tenantId} and enabled and (${instanceId}::uuid is null or instance_id <> ${instanceId}::uuid)
    limit 1`;
  if (!other) return;
  throw new ProblemError(
    problem(
      'conflict',
      `A manual connection has one Jamf Pro instance, and this tenant has ${other.name} already. For several ` +
        'instances migrate the tenant to the connection type cloud-connector.',
      { owner: 'configuration' },
    ),
  );
}
