import { isRecord } from './context.ts';
import { type IntuneRequest, odataError, readJson } from './intune-request.ts';
import type { IntuneTenant } from './intune-state.ts';
import { beginConnection, connectionRefusal, endConnection, notConfigured } from './partner-lifecycle.ts';
import type { IntuneSettings } from './settings.ts';
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

interface PartnerBody {
  readonly provisioned: typeof provision | typeof deprovision;
  readonly enrollmentUrl: string;
  readonly remediationUrl: string | null;
}

/** The body, or what is wrong with it. */
function readPartnerBody(body: unknown, apiVersion: string): PartnerBody | string {
  if (!isRecord(body)) return 'The body is not a JSON object.';
  const {
    Provisioned: provisioned,
    PartnerEnrollmentUrl: enrollment,
    PartnerRemediationUrl: remediation,
  } = body;
  if (provisioned !== provision && provisioned !== deprovision) return 'Provisioned must be 1 or 2.';
  if (!isHttpsUrl(enrollment)) return 'PartnerEnrollmentUrl must be an absolute https URL.';
  // PartnerRemediationUrl came with the successor protocol; version 1.4 does not know it.
  const knowsRemediation = apiVersion !== '1.4';
  if (knowsRemediation && remediation !== undefined && !isHttpsUrl(remediation)) {
    return 'PartnerRemediationUrl must be an absolute https URL.';
  }
  const remediationUrl = knowsRemediation && isHttpsUrl(remediation) ? remediation : null;
  return { provisioned, enrollmentUrl: enrollment, remediationUrl };
}

/** Reason why Intune does not change the connection; the answer is an HTTP 200 all the same. */
function refusePartner(
  tenant: IntuneTenant,
  settings: IntuneSettings,
  appId: string,
): { httpStatusCode: number; errorDetail: string } | undefined {
  if (settings.partnerTenantsRefusal) return settings.partnerTenantsRefusal;
  const foreign = settings.foreignProvisioning;
  if (foreign && foreign.appId.toLowerCase() !== appId) {
    const errorDetail = `Tenant ${tenant.tenantId} is already provisioned by another application, ${foreign.appId}.`;
    return { httpStatusCode: 409, errorDetail };
  }
  if (!settings.partnerAdded) {
    // domain/microsoft.md 1.5: provisioning before the administrator adds the partner may fail.
    return { httpStatusCode: 403, errorDetail: 'The partner has not been added in this tenant.' };
  }
  if (settings.configuredAppId !== null && settings.configuredAppId.toLowerCase() !== appId) {
    tenant.provisioning = 'rejected';
    return { httpStatusCode: 403, errorDetail: notConfigured(appId) };
  }
  return undefined;
}

/** `PUT PartnerTenants(guid'{tenant}')`: connects or disconnects the partner (domain/microsoft.md 4.2). */
export async function putPartnerTenant(request: IntuneRequest): Promise<Response> {
  const { c, cloud, tenant, settings, token, apiVersion } = request;
  const body = readPartnerBody(await readJson(c), apiVersion);
  if (typeof body === 'string') return odataError(c, 400, 'BadRequest', body);
  const { provisioned, enrollmentUrl, remediationUrl } = body;
  c.set('note', { provisioned });
  const nowMs = cloud.world.clock.now();
  const refusal = refusePartner(tenant, settings, token.appId);
  tenant.partnerCalls.push({
    kind: provisioned === provision ? 'provision' : 'deprovision',
    at: nowMs,
    appId: token.appId,
    enrollmentUrl,
    remediationUrl,
    refusal: refusal?.errorDetail ?? null,
  });
  if (refusal) return answer(request, { provisioned, ...refusal });
  tenant.enrollmentUrl = enrollmentUrl;
  tenant.remediationUrl = remediationUrl;
  if (provisioned === provision) {
    beginConnection(tenant, nowMs, settings.reprovisionWindowMs);
    tenant.provisionedBy = token.appId;
    tenant.provisionedCount += 1;
  } else {
    endConnection(tenant, nowMs, 'partner');
    tenant.deprovisionedCount += 1;
  }
  return answer(request, { provisioned, httpStatusCode: 200, errorDetail: null });
}

/** `PUT PartnerTenantHeartbeat(guid'{tenant}')`: domain/microsoft.md 4.3. */
export async function putHeartbeat(request: IntuneRequest): Promise<Response> {
  const { c, cloud, tenant, settings, serviceUri, token } = request;
  const body = await readJson(c);
  if (!isRecord(body) || !isUtcTimestamp(body.Timestamp)) {
    return odataError(c, 400, 'BadRequest', 'Timestamp must be an ISO 8601 UTC time.');
  }
  const refusal = connectionRefusal(tenant, settings, token.appId) ?? null;
  const nowMs = cloud.world.clock.now();
  tenant.heartbeatCalls.push({ at: nowMs, appId: token.appId, timestamp: body.Timestamp, refusal });
  if (refusal === null) {
    tenant.lastHeartbeatAt = nowMs;
    tenant.heartbeats += 1;
  } else if (settings.refusalStyle === 'http') return odataError(c, 403, 'Forbidden', refusal);
  return c.json({
    'odata.metadata': `${serviceUri}/$metadata#PartnerTenantHeartbeat/@Element`,
    'odata.id': `${serviceUri}/PartnerTenantHeartbeat(guid'${tenant.tenantId}')`,
    Key: tenant.tenantId,
    TenantId: tenant.tenantId,
    ClientType: 'Partner',
    Timestamp: body.Timestamp,
    ResyncTimestamp: refusal === null ? settings.resyncTimestamp : null,
    HttpStatusCode: refusal === null ? 200 : 403,
    ErrorDetail: refusal,
    MessageErrors: refusal === null ? settings.messageErrors : [],
  });
}
