import { isRecord } from './context.ts';
import { type IntuneRequest, notProvisioned, odataError, readJson } from './intune-request.ts';
import { isUtcTimestamp } from './utc-timestamp.ts';

/** `Provisioned` of domain/microsoft.md 4.2. */
const provision = 1;
const deprovision = 2;

const isHttpsUrl = (value: unknown): value is string =>
  typeof value === 'string' && URL.canParse(value) && new URL(value).protocol === 'https:';

function answer(
  request: IntuneRequest,
  body: { provisioned: unknown; httpStatusCode: number; errorDetail: string | null },
): Response {
  const { c, tenant, serviceUri } = request;
  return c.json({
    'odata.metadata': `${serviceUri}/$metadata#PartnerTenants/@Element`,
    'odata.id': `${serviceUri}/PartnerTenants(guid'${tenant.tenantId}')`,
    Key: tenant.tenantId,
    ContextId: tenant.tenantId,
    Provisioned: body.provisioned,
    PartnerEnrollmentUrl: tenant.enrollmentUrl,
    PartnerRemediationUrl: tenant.remediationUrl,
    HttpStatusCode: body.httpStatusCode,
    ErrorDetail: body.errorDetail,
  });
}

/** `PUT PartnerTenants(guid'{tenant}')`: connects or disconnects the partner (domain/microsoft.md 4.2). */
export async function putPartnerTenant(request: IntuneRequest): Promise<Response> {
  const { c, cloud, tenant, settings, token, apiVersion } = request;
  const body = await readJson(c);
  if (!isRecord(body)) return odataError(c, 400, 'BadRequest', 'The body is not a JSON object.');
  const {
    Provisioned: provisioned,
    PartnerEnrollmentUrl: enrollment,
    PartnerRemediationUrl: remediation,
  } = body;
  if (provisioned !== provision && provisioned !== deprovision) {
    return odataError(c, 400, 'BadRequest', 'Provisioned must be 1 or 2.');
  }
  if (!isHttpsUrl(enrollment)) {
    return odataError(c, 400, 'BadRequest', 'PartnerEnrollmentUrl must be an absolute https URL.');
  }
  // PartnerRemediationUrl came with the successor protocol; version 1.4 does not know it.
  const knowsRemediation = apiVersion !== '1.4';
  if (knowsRemediation && remediation !== undefined && !isHttpsUrl(remediation)) {
    return odataError(c, 400, 'BadRequest', 'PartnerRemediationUrl must be an absolute https URL.');
  }
  c.set('note', { provisioned });
  if (settings.partnerTenantsRefusal) {
    return answer(request, { provisioned, ...settings.partnerTenantsRefusal });
  }
  if (settings.configuredAppId !== null && settings.configuredAppId.toLowerCase() !== token.appId) {
    tenant.provisioning = 'rejected';
    const errorDetail = `Application ${token.appId} is not the application configured for this partner.`;
    return answer(request, { provisioned, httpStatusCode: 403, errorDetail });
  }
  tenant.enrollmentUrl = enrollment;
  tenant.remediationUrl = knowsRemediation && isHttpsUrl(remediation) ? remediation : null;
  const nowMs = cloud.world.clock.now();
  if (provisioned === provision) {
    tenant.provisioning = 'provisioned';
    tenant.provisionedAt = nowMs;
    tenant.terminatedAt = null;
  } else {
    tenant.provisioning = 'deprovisioned';
    tenant.terminatedAt ??= nowMs;
  }
  return answer(request, { provisioned, httpStatusCode: 200, errorDetail: null });
}

/** `PUT PartnerTenantHeartbeat(guid'{tenant}')`: domain/microsoft.md 4.3. */
export async function putHeartbeat(request: IntuneRequest): Promise<Response> {
  const { c, cloud, tenant, settings, serviceUri } = request;
  const body = await readJson(c);
  if (!isRecord(body) || !isUtcTimestamp(body.Timestamp)) {
    return odataError(c, 400, 'BadRequest', 'Timestamp must be an ISO 8601 UTC time.');
  }
  const refused = tenant.provisioning !== 'provisioned';
  if (!refused) {
    tenant.lastHeartbeatAt = cloud.world.clock.now();
    tenant.heartbeats += 1;
  }
  return c.json({
    'odata.metadata': `${serviceUri}/$metadata#PartnerTenantHeartbeat/@Element`,
    'odata.id': `${serviceUri}/PartnerTenantHeartbeat(guid'${tenant.tenantId}')`,
    Key: tenant.tenantId,
    TenantId: tenant.tenantId,
    ClientType: 'Partner',
    Timestamp: body.Timestamp,
    ResyncTimestamp: refused ? null : settings.resyncTimestamp,
    HttpStatusCode: refused ? 403 : 200,
    ErrorDetail: refused ? notProvisioned(tenant.tenantId) : null,
    MessageErrors: refused ? [] : settings.messageErrors,
  });
}
