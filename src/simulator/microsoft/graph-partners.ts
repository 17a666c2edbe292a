import { derivedGuid } from './grants.ts';
import { type GraphAnswer, type GraphRequest, notFound } from './graph-answer.ts';
import type { IntuneTenant } from './intune-state.ts';
import { connectionState, endConnection, removalTimes } from './partner-lifecycle.ts';
import type { IntuneSettings } from './settings.ts';

/** The value of a DateTimeOffset that was never set. */
const neverDate = '0001-01-01T00:00:00Z';

type PartnerSet = 'deviceManagementPartners' | 'complianceManagementPartners';

interface Partner {
  readonly request: GraphRequest;
  readonly set: PartnerSet;
  readonly id: string;
  readonly tenant: IntuneTenant;
  readonly settings: IntuneSettings;
}

const isoDate = (ms: number | null | undefined): string | null =>
  ms === null || ms === undefined ? null : new Date(ms).toISOString();

const noIntune: GraphAnswer = {
  kind: 'failure',
  status: 400,
  code: 'BadRequest',
  message: 'Request not applicable to target tenant.',
};

function partnerOf(request: GraphRequest, setName: string): Partner {
  const { tenantId } = request.token.tenant;
  const set: PartnerSet =
    setName.toLowerCase() === 'compliancemanagementpartners'
      ? 'complianceManagementPartners'
      : 'deviceManagementPartners';
  return {
    request,
    set,
    id: derivedGuid(`${tenantId} ${set}`),
    tenant: request.intune.tenant(tenantId),
    settings: request.cloud.settings.tenant(tenantId).intune,
  };
}

const assignments = (groupIds: readonly string[]): Record<string, unknown>[] =>
  groupIds.map((groupId) => ({
    target: { '@odata.type': '#microsoft.graph.groupAssignmentTarget', groupId },
  }));

/** domain/microsoft.md 5.1. */
function describeDevicePartner({ id, request, settings, tenant }: Partner): Record<string, unknown> {
  const times = removalTimes(tenant, settings);
  return {
    id,
    displayName: 'Jamf',
    isConfigured: tenant.provisioning === 'provisioned' || settings.configuredAppId !== null,
    partnerState: connectionState(request.cloud, tenant),
    // A pasted application id is the manual connector's; none means the partner's own for every tenant.
    partnerAppType: settings.configuredAppId === null ? 'multiTenantApp' : 'singleTenantApp',
    singleTenantAppId: settings.configuredAppId,
    lastHeartbeatDateTime: isoDate(tenant.lastHeartbeatAt) ?? neverDate,
    groupsRequiringPartnerEnrollment: assignments(settings.assignedGroupIds),
    whenPartnerDevicesWillBeMarkedAsNonCompliantDateTime: isoDate(times?.markedAt),
    whenPartnerDevicesWillBeRemovedDateTime: isoDate(times?.removedAt),
  };
}

/** domain/microsoft.md 5.2. */
function describeCompliancePartner({ id, request, settings, tenant }: Partner): Record<string, unknown> {
  const groupIds = [...settings.assignedGroupIds, ...tenant.policies.flatMap((one) => one.assignments)];
  return {
    id,
    displayName: 'Jamf Device Compliance',
    partnerState: connectionState(request.cloud, tenant),
    lastHeartbeatDateTime: isoDate(tenant.lastHeartbeatAt) ?? neverDate,
    macOsOnboarded: settings.partnerAdded,
    iosOnboarded: false,
    androidOnboarded: false,
    macOsEnrollmentAssignments: assignments([...new Set(groupIds)]),
    iosEnrollmentAssignments: [],
    androidEnrollmentAssignments: [],
  };
}

const describe = (partner: Partner): Record<string, unknown> =>
  partner.set === 'deviceManagementPartners'
    ? describeDevicePartner(partner)
    : describeCompliancePartner(partner);

/** Intune lists Jamf as a device partner always; a compliance partner has to be added (domain/microsoft.md 7). */
const isListed = ({ set, settings, tenant }: Partner): boolean =>
  set === 'deviceManagementPartners' || settings.partnerAdded || tenant.provisioning !== 'never';

/** `deviceManagement/deviceManagementPartners` and `…/complianceManagementPartners`: domain/microsoft.md 5. */
export function listPartners(request: GraphRequest, setName: string): GraphAnswer {
  if (!request.token.tenant.hasIntune) return noIntune;
  const partner = partnerOf(request, setName);
  return {
    kind: 'collection',
    set: `deviceManagement/${partner.set}`,
    items: isListed(partner) ? [describe(partner)] : [],
    pageSize: null,
  };
}

export function readPartner(request: GraphRequest, setName: string, id: string): GraphAnswer {
  if (!request.token.tenant.hasIntune) return noIntune;
  const partner = partnerOf(request, setName);
  if (!isListed(partner) || id.toLowerCase() !== partner.id) return notFound(id);
  return { kind: 'entity', set: `deviceManagement/${partner.set}`, entity: describe(partner) };
}

/** `POST …/deviceManagementPartners/{id}/terminate`, as the administrator does it: no body, no answer. */
export function terminatePartner(request: GraphRequest, id: string): GraphAnswer {
  if (!request.token.tenant.hasIntune) return noIntune;
  const partner = partnerOf(request, 'deviceManagementPartners');
  if (!isListed(partner) || id.toLowerCase() !== partner.id) return notFound(id);
  endConnection(partner.tenant, request.cloud.world.clock.now(), 'administrator');
  return { kind: 'no-content' };
}
