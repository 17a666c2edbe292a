import { isGuid, isRecord } from './context.ts';
import { type IntuneRequest, odataError, readJson } from './intune-request.ts';
import type { CompliancePolicy } from './intune-state.ts';
import { connectionRefusal } from './partner-lifecycle.ts';

const platforms = ['macOS', 'iOS', 'Android'];

const describe = (policy: CompliancePolicy): Record<string, unknown> => ({
  Id: policy.id,
  DisplayName: policy.displayName,
  Description: policy.description,
  Platform: policy.platform,
  PartnerPolicyId: null,
  PartnerManagedCompliance: true,
});

async function create(request: IntuneRequest): Promise<Response> {
  const { c, cloud, tenant, settings, serviceUri } = request;
  const body = await readJson(c);
  if (
    !isRecord(body) ||
    typeof body.DisplayName !== 'string' ||
    typeof body.Platform !== 'string' ||
    !platforms.includes(body.Platform) ||
    body.PartnerManagedCompliance !== true
  ) {
    return odataError(
      c,
      400,
      'BadRequest',
      'DisplayName, Platform and PartnerManagedCompliance are required.',
    );
  }
  const { DisplayName: displayName, Platform: platform } = body;
  // One partner per platform per tenant (domain/microsoft.md 5.2), so a second run of a set-up conflicts.
  if (tenant.policies.some((policy) => policy.displayName === displayName || policy.platform === platform)) {
    return odataError(c, 409, 'Conflict', 'A policy of this partner exists already.');
  }
  const policy: CompliancePolicy = {
    id: cloud.world.random.guid(),
    displayName,
    description: typeof body.Description === 'string' ? body.Description : '',
    platform,
    assignments: [],
  };
  tenant.policies.push(policy);
  const metadata = `${serviceUri}/$metadata#PartnerCompliancePolicies`;
  const entity = {
    'odata.id': `${serviceUri}/PartnerCompliancePolicies(guid'${policy.id}')`,
    ...describe(policy),
  };
  return settings.policyAnswer === 'collection'
    ? c.json({ 'odata.metadata': metadata, value: [entity] }, 201)
    : c.json({ 'odata.metadata': `${metadata}/@Element`, ...entity }, 201);
}

async function assign(request: IntuneRequest, policy: CompliancePolicy): Promise<Response> {
  const { c, token, serviceUri } = request;
  const body = await readJson(c);
  const groups: unknown = isRecord(body) ? body.assignments : undefined;
  if (!Array.isArray(groups) || !groups.every(isGuid)) {
    return odataError(c, 400, 'BadRequest', 'assignments must be an array of group ids.');
  }
  const unknown = groups.find((groupId) => !token.tenant.groups.has(groupId.toLowerCase()));
  if (unknown !== undefined) return odataError(c, 400, 'BadRequest', `Group ${unknown} was not found.`);
  policy.assignments = groups.map((groupId) => groupId.toLowerCase());
  return c.json({
    'odata.metadata': `${serviceUri}/$metadata#Edm.String`,
    value: JSON.stringify({
      PolicyId: policy.id,
      Assignments: groups.map((groupId) => ({ GroupId: groupId })),
    }),
  });
}

/** PartnerCompliancePolicies: create, list, read, assign (domain/microsoft.md 4.5 and 11.15). */
export async function handlePolicies(request: IntuneRequest): Promise<Response> {
  const { c, tenant, settings, token, key, action, serviceUri } = request;
  const refusal = connectionRefusal(tenant, settings, token.appId);
  if (refusal !== undefined) return odataError(c, 403, 'Forbidden', refusal);
  const metadata = `${serviceUri}/$metadata#PartnerCompliancePolicies`;
  // Seen with a real tenant: nothing is said, and nothing is made, until an administrator has added the partner.
  if (!settings.partnerAdded) return c.body(null, 204);
  if (key === undefined) {
    if (action !== undefined) return odataError(c, 404, 'NotFound', 'No such resource.');
    if (c.req.method === 'POST') return create(request);
    if (c.req.method === 'GET')
      return c.json({ 'odata.metadata': metadata, value: tenant.policies.map(describe) });
    return odataError(c, 405, 'MethodNotAllowed', 'GET or POST.');
  }
  const policy = tenant.policies.find(({ id }) => id === key);
  if (!policy) return odataError(c, 404, 'NotFound', `Policy ${key} was not found.`);
  if (action === 'Assign' && c.req.method === 'POST') return assign(request, policy);
  if (action === undefined && c.req.method === 'GET') {
    return c.json({ 'odata.metadata': `${metadata}/@Element`, ...describe(policy) });
  }
  return odataError(c, 405, 'MethodNotAllowed', 'This method is not served here.');
}
