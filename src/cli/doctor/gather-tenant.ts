/** Looks at one tenant's Microsoft side with its own tokens. Nothing is written, there or here. */

import { checkPermissions } from '../../connection/permissions.ts';
import { readApplication } from '../../connection/tenant-credentials.ts';
import type { IntuneServices } from '../../graph/discovery.ts';
import { readLicences } from '../../graph/licences.ts';
import { newId } from '../../ids.ts';
import type { PartnerApiVersions } from '../../intune/api-versions.ts';
import type { Tenant } from '../../store/tenants/tenant.ts';
import { type DoctorContext, tenantSubject } from './context.ts';
import {
  judgeConnection,
  judgeDiscovery,
  judgeLicences,
  judgePermissions,
  judgeToken,
} from './judge-tenant.ts';
import { anyFailed, type Line, notTried } from './line.ts';

export interface TenantCheck {
  readonly lines: readonly Line[];
  /** Addresses of the tenant's Intune services at which a request without a token is refused, and nothing else happens. */
  readonly services: readonly string[];
}

async function applicationsOf(
  { config, inspection }: DoctorContext,
  { cloud, connectionType, tenantId }: Tenant,
) {
  if (connectionType === 'manual') {
    const own = await readApplication(inspection.sql, tenantId);
    return own ? [{ app: 'connector' as const, clientId: own.clientId }] : [];
  }
  const connector = config.connector(cloud)?.clientId;
  const userApp = config.userAppClientId(cloud);
  return [
    ...(connector === undefined ? [] : [{ app: 'connector' as const, clientId: connector }]),
    ...(userApp === undefined ? [] : [{ app: 'user-registration' as const, clientId: userApp }]),
  ];
}

function readAddresses(
  { partnerApiVersions: versions }: DoctorContext['config'],
  services: IntuneServices,
): readonly string[] {
  const at = (service: string, resource: keyof PartnerApiVersions): string =>
    `${service}/${resource}?api-version=${encodeURIComponent(versions[resource])}`;
  return [at(services.tenant, 'PartnerCompliancePolicies'), at(services.device, 'DataUploadMessages')];
}

/** Before a consent there is nothing to be seen. */
const withoutConsent: ReadonlySet<Tenant['connectionState']> = new Set(['new', 'consenting', 'disconnected']);

/** `blocked`: why the tenant's cloud cannot be asked; undefined when it can. */
export async function checkTenant(
  context: DoctorContext,
  tenant: Tenant,
  blocked: string | undefined,
): Promise<TenantCheck> {
  const { config, inspection, now, timeoutMs } = context;
  const { access } = inspection.gateway;
  const subject = tenantSubject(tenant);
  const lines: Line[] = [judgeConnection(subject, tenant, config.heartbeatSeconds, now())];
  const done = (...more: readonly Line[]): TenantCheck => ({ lines: [...lines, ...more], services: [] });
  if (withoutConsent.has(tenant.connectionState)) return done();
  if (blocked !== undefined) return done(notTried('tenant.token', subject, blocked, 'configuration'));

  const graph = await access.token(tenant, 'graph');
  const intune = graph.ok ? await access.token(tenant, 'intune') : undefined;
  lines.push(judgeToken(subject, intune === undefined ? [graph] : [graph, intune]));
  const cloud = config.clouds.get(tenant.cloud);
  if (!graph.ok || !cloud)
    return done(notTried('tenant.permissions', subject, 'there is no token', 'configuration'));

  const { send } = inspection;
  const report = await checkPermissions({
    tenant,
    applications: await applicationsOf(context, tenant),
    access,
    send,
    cloud,
    expected: config.expectedPermissions,
    timeoutMs,
    now,
  });
  lines.push(...judgePermissions(subject, report));
  const found = await access.services(tenant, true);
  lines.push(judgeDiscovery(subject, found));
  const licences = await readLicences({
    send,
    cloud,
    accessToken: graph.accessToken,
    clientRequestId: newId(),
    timeoutMs,
    priority: 'Low',
  });
  lines.push(judgeLicences(subject, licences));
  return { lines, services: found.ok ? readAddresses(config, found.services) : [] };
}

/** The hosts of a cloud that failed, as the reason not to try its tenants. */
export function blockedBy(hosts: ReadonlyMap<string, readonly Line[]>): string | undefined {
  const failed = [...hosts].filter(([, lines]) => anyFailed(lines)).map(([subject]) => subject);
  return failed.length === 0 ? undefined : `${failed.join(' and ')} cannot be used`;
}
