import { type Context, Hono } from 'hono';
import type { HostEnv } from '../host.ts';
import { checkBearer } from './bearer.ts';
import { handlePolicies } from './compliance-policies.ts';
import type { CloudContext } from './context.ts';
import { intuneAddress, type PartnerService, servicePath } from './graph-discovery.ts';
import { type IntuneRequest, odataError } from './intune-request.ts';
import type { IntuneState } from './intune-state.ts';
import { putHeartbeat, putPartnerTenant } from './partner-tenants.ts';
import { handleUploads } from './upload-messages.ts';
import type { UploadProcessor } from './upload-processing.ts';

interface Entity {
  readonly service: PartnerService;
  /** domain/microsoft.md 4.1. */
  readonly apiVersions: readonly string[];
  readonly role: string;
  handle(request: IntuneRequest): Promise<Response>;
}

/** An entity keyed by the tenant's own id, written with PUT. */
const ofTenant =
  (write: (request: IntuneRequest) => Promise<Response>): Entity['handle'] =>
  async (request) => {
    const { c, key, action, tenant } = request;
    if (key === undefined || action !== undefined) return odataError(c, 404, 'NotFound', 'No such resource.');
    if (key !== tenant.tenantId.toLowerCase()) {
      return odataError(c, 403, 'Forbidden', "The key does not match the token's tenant.");
    }
    if (c.req.method !== 'PUT') return odataError(c, 405, 'MethodNotAllowed', 'PUT.');
    return write(request);
  };

const entities = new Map<string, Entity>([
  [
    'PartnerTenants',
    {
      service: 'PartnerTenantDataSyncService',
      apiVersions: ['1.4', '1.6'],
      role: 'update_device_attributes',
      handle: ofTenant(putPartnerTenant),
    },
  ],
  [
    'PartnerTenantHeartbeat',
    {
      service: 'PartnerTenantDataSyncService',
      apiVersions: ['1.3', '1.4', '1.6'],
      role: 'update_device_attributes',
      handle: ofTenant(putHeartbeat),
    },
  ],
  [
    'PartnerCompliancePolicies',
    {
      service: 'PartnerTenantDataSyncService',
      apiVersions: ['1.4', '1.6'],
      role: 'manage_partner_compliance_policy',
      handle: handlePolicies,
    },
  ],
  [
    'DataUploadMessages',
    {
      service: 'PartnerDeviceDataSyncService',
      apiVersions: ['1.1', '1.2'],
      role: 'update_device_attributes',
      handle: handleUploads,
    },
  ],
]);

const pathPattern =
  /^\/([\w-]+)\/(\w+)(?:\(guid'([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})'\))?(?:\/(\w+))?$/i;

function decodePath(pathname: string): RegExpExecArray | null {
  try {
    return pathPattern.exec(decodeURIComponent(pathname));
  } catch (error) {
    if (error instanceof URIError) return null;
    throw error;
  }
}

/** The Intune double of one cloud, the partner data API: domain/microsoft.md 4 and 11.11 to 11.15. */
export function createIntuneApp(
  cloud: CloudContext,
  state: IntuneState,
  processor: UploadProcessor,
): Hono<HostEnv> {
  const answer = async (c: Context<HostEnv>): Promise<Response> => {
    processor.settle();
    const checked = checkBearer(cloud, c.req.header('authorization'), [cloud.intuneResource]);
    if (!checked.ok) {
      c.header('www-authenticate', 'Bearer');
      return odataError(c, 401, 'Unauthorized', checked.reason);
    }
    const { token } = checked;
    const { tenantId } = token.tenant;
    const { pathname, searchParams } = new URL(c.req.url);
    const [, path, name, key, action] = decodePath(pathname) ?? [];
    const entity = entities.get(name ?? '');
    if (path === undefined || !entity || path !== servicePath(cloud, tenantId, entity.service)) {
      return odataError(c, 404, 'NotFound', 'No resource was found for the request.');
    }
    const apiVersion = searchParams.get('api-version') ?? '';
    if (!entity.apiVersions.includes(apiVersion)) {
      return odataError(c, 400, 'UnsupportedApiVersion', `api-version '${apiVersion}' is not supported.`);
    }
    if (!token.roles.includes(entity.role)) {
      return odataError(c, 403, 'Forbidden', `The token does not carry the role ${entity.role}.`);
    }
    const hasBody = c.req.method === 'PUT' || c.req.method === 'POST';
    if (hasBody && !/^application\/json\b/i.test(c.req.header('content-type') ?? '')) {
      return odataError(c, 415, 'UnsupportedMediaType', 'Content-Type must be application/json.');
    }
    return entity.handle({
      c,
      cloud,
      token,
      tenant: state.tenant(tenantId),
      settings: cloud.settings.tenant(tenantId).intune,
      state,
      processor,
      apiVersion,
      key: key?.toLowerCase(),
      action,
      serviceUri: `${intuneAddress(cloud)}/${path}`,
    });
  };
  const app = new Hono<HostEnv>();
  app.all('*', answer);
  return app;
}
