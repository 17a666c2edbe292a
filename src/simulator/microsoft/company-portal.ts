import type { CloudContext } from './context.ts';
import type { IntuneTenant, PartnerState } from './intune-state.ts';
import { connectionState } from './partner-lifecycle.ts';

export interface CompanyPortalAnswer {
  /** false: the Company Portal complains about its `-r` flag and registers nothing (domain/microsoft.md 7). */
  readonly partnerManagementEnabled: boolean;
  readonly partnerState: PartnerState;
  /** True where the partner is assigned to the user; without any assignment it is to everyone. */
  readonly assigned: boolean;
}

/** Answers the Company Portal's question about the user: domain/microsoft.md 7 and 11.19. undefined: unknown user. */
export function probeCompanyPortal(
  cloud: CloudContext,
  tenant: IntuneTenant,
  userId: string,
): CompanyPortalAnswer | undefined {
  const directory = cloud.directory.tenant(tenant.tenantId);
  const user = directory?.users.get(userId) ?? directory?.users.get(userId.toLowerCase());
  if (!directory || !user) return undefined;
  const { assignedGroupIds } = cloud.settings.tenant(tenant.tenantId).intune;
  const groupIds = [...assignedGroupIds, ...tenant.policies.flatMap((policy) => policy.assignments)];
  const assigned =
    groupIds.length === 0 ||
    groupIds.some((groupId) => directory.groups.get(groupId)?.members.has(user.userId));
  const state = directory.hasIntune ? connectionState(cloud, tenant) : 'unavailable';
  return { partnerManagementEnabled: state === 'enabled' && assigned, partnerState: state, assigned };
}
