/** Asks the gateway what goes with each instance and tenant that is to be deleted; nothing is deleted by asking. */

import type { AdminApi } from '../admin-api.ts';
import { countText } from './count-text.ts';
import { inParallel } from './in-parallel.ts';
import type { InstancePlan, Plan, Refusal, Removal, TenantPlan } from './plan.ts';
import { requestsAtOnce } from './read-present.ts';

const query = { 'dry-run': 'true' } as const;

async function countInstances(api: AdminApi, { instances, tenantId }: TenantPlan): Promise<InstancePlan[]> {
  return inParallel(instances, 1, async (instance) => {
    if (instance.action !== 'delete' || instance.id === undefined) return instance;
    const path = { tenantId, instanceId: instance.id };
    const gone = await api.request('DELETE /tenants/{tenantId}/instances/{instanceId}', { path, query });
    return { ...instance, removal: { devices: gone.devices, ...('moved' in gone && { moved: gone.moved }) } };
  });
}

/** A deletion with `force` is not refused for devices. */
function refuse(subject: string, removal: Removal | undefined, force: boolean): Refusal[] {
  if (removal === undefined || removal.devices === 0 || force) return [];
  return [
    {
      place: undefined,
      subject,
      problem: `it would be deleted and has ${countText(removal.devices, 'device')}`,
      remedy: 'give --force beside --prune to delete it all the same, or keep it in the file',
    },
  ];
}

/** The plan with what its deletions take along, and refused where that is devices. */
export async function countRemovals(
  api: AdminApi,
  plan: Plan,
  { force }: { readonly force: boolean },
): Promise<Plan> {
  const tenants = await inParallel(plan.tenants, requestsAtOnce, async (tenant): Promise<TenantPlan> => {
    if (tenant.action === 'delete') {
      const path = { tenantId: tenant.tenantId };
      const { devices } = await api.request('DELETE /tenants/{tenantId}', { path, query });
      return { ...tenant, removal: { devices } };
    }
    return { ...tenant, instances: await countInstances(api, tenant) };
  });
  const refusals = tenants.flatMap(({ instances, removal, tenantId }) => [
    ...refuse(`tenant ${tenantId}`, removal, force),
    ...instances.flatMap((one) => refuse(`instance ${one.name} of tenant ${tenantId}`, one.removal, force)),
  ]);
  return { ...plan, tenants, refusals: [...plan.refusals, ...refusals] };
}
