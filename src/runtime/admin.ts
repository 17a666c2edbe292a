/** The admin listener's app on either runtime: what its routes may ask of the rest of the gateway. */

import { createAdminApp } from '../admin/app.ts';
import { type AdminApp, type AdminServices, askingPage } from '../admin/context.ts';
import { testTarget } from '../alerts/test-target.ts';
import { confirmTenant, testInstance } from '../connection/confirm.ts';
import { consentApplications, startConnect } from '../connection/consent.ts';
import { announceInstances, disableTenant, disconnectTenant } from '../connection/lifecycle.ts';
import { dryRunMigration, migrateTenant } from '../connection/migrate.ts';
import { checkTenantPermissions, permissionsOf } from '../connection/permission-watch.ts';
import { askResync } from '../connection/resync.ts';
import { keepSubscriptions } from '../connection/subscriptions/keep-subscriptions.ts';
import { startOwnConnect } from '../connection/tenant-credentials.ts';
import type { Assets } from '../console/assets.ts';
import { createConsole } from '../console/console.ts';
import { replayReports } from '../delivery/replay.ts';
import { checkLivesAt } from '../forwarding/relay-target.ts';
import { moveAnswerMs } from '../limits.ts';
import { type MoveWork, workFor } from '../routing/moves/work.ts';
import type { Tenant } from '../store/tenants/tenant.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { version } from '../version.ts';
import type { Config } from './config.ts';
import type { ConnectionServices } from './connection-services.ts';
import type { Gateway, GatewayParts } from './gateway.ts';
import { entraOperators } from './operators.ts';

/** What the admin API is made of; each runtime has its own of the parts that `GatewayParts` does not name. */
export interface AdminParts
  extends Pick<
      GatewayParts,
      'config' | 'log' | 'processes' | 'readReference' | 'sealer' | 'send' | 'sharing' | 'signature' | 'sql'
    >,
    Pick<
      AdminServices,
      | 'adminUrl'
      | 'after'
      | 'bulkAtOnce'
      | 'certificateExpiry'
      | 'digest'
      | 'ending'
      | 'facts'
      | 'instanceAuthorities'
      | 'mayConnect'
      | 'onChanges'
      | 'oneTimeLink'
      | 'openBulk'
      | 'outage'
      | 'pressure'
      | 'respond'
      | 'routesChanged'
    > {
  readonly metrics: Metrics;
  readonly gateway: Gateway;
  readonly connection: ConnectionServices;
  readonly moves: MoveWork;
  readonly assets: Assets;
  /** The bindings of a person's request, for one that the console makes on his behalf with a body of its own. */
  readonly onBehalf: (bindings: unknown) => object;
}

const missingApplication = ({ connector }: Config, cloud: string): string | undefined =>
  connector(cloud) === undefined
    ? `No connector application is configured for the cloud ${cloud}: set ESPALIER_ENTRA_CLIENT_ID and its credential.`
    : undefined;

/** What the settings say to the routes. */
const settingServices = ({ config }: Pick<AdminParts, 'config'>) => ({
  clouds: config.clouds,
  acme: config.acme,
  settings: config.effective,
  bootstrapKey: config.bootstrapKey,
  approvals: config.approvals === 'on',
  polls: config.pollSeconds > 0,
  reconciles: config.reconcileSeconds > 0,
  publicUrl: config.publicUrl,
  hasDiagnostic: (cloud: string) => config.diagnostic(cloud) !== undefined,
  notifies: config.notificationResources.length > 0,
  missingApplication: (cloud: string) => missingApplication(config, cloud),
});

type ConnectionVerb =
  | 'announceInstances'
  | 'checkPermissions'
  | 'confirm'
  | 'connect'
  | 'consentApplications'
  | 'disable'
  | 'disconnect'
  | 'enable'
  | 'migrate'
  | 'planMigration'
  | 'resync';

/** The operations on a tenant's connection to Microsoft. */
function connectionVerbs({ connection, gateway, log, sql }: AdminParts): Pick<AdminServices, ConnectionVerb> {
  /** Graph's subscriptions go while the consent is still there; what fails ends by itself. */
  const leaving = async <T>({ tenantId }: Tenant, leave: () => Promise<T>): Promise<T> => {
    const result = await leave();
    await keepSubscriptions(connection.subscriptions, tenantId).catch((error: unknown) =>
      log.warn('subscriptions.not-removed', { tenantId, error }),
    );
    return result;
  };
  return {
    consentApplications: (tenant) =>
      tenant.connectionType === 'manual' ? [] : consentApplications(gateway.consent, tenant.cloud),
    connect: (tenant, by) =>
      tenant.connectionType === 'manual'
        ? startOwnConnect(sql, gateway.tenants, tenant.tenantId, by)
        : startConnect(gateway.consent, tenant, by),
    confirm: (tenant, by, observer) => confirmTenant(tenant, connection.confirm, by, observer),
    enable: (tenant, by, observer) =>
      confirmTenant(tenant, connection.confirm, by, { ...observer, enabling: true }),
    disable: (tenant, by) => leaving(tenant, () => disableTenant(connection.lifecycle, tenant, by)),
    disconnect: (tenant, retract, by) =>
      leaving(tenant, () => disconnectTenant(connection.lifecycle, tenant, retract, by)),
    planMigration: (tenant, to) => dryRunMigration(connection, tenant, to),
    migrate: (tenant, to, by) => migrateTenant(connection, tenant, to, by),
    resync: (tenantId, by) => askResync(sql, tenantId, by),
    announceInstances: (tenantId) => announceInstances(connection.lifecycle, tenantId),
    checkPermissions: async (tenant) =>
      checkTenantPermissions(tenant, await permissionsOf(sql, tenant, connection.permissions)),
  };
}

function adminServices(parts: AdminParts): AdminServices {
  const { gateway, log, moves, sql } = parts;
  return {
    ...settingServices(parts),
    ...connectionVerbs(parts),
    ...{ sql, log, version },
    sharing: parts.sharing,
    after: parts.after,
    sealer: parts.sealer,
    pressure: parts.pressure,
    facts: parts.facts,
    respond: parts.respond,
    digest: parts.digest,
    tenants: gateway.tenants,
    instances: gateway.instances,
    instanceKeys: gateway.instanceKeys,
    turns: gateway.turns,
    rateLimits: gateway.rateLimits,
    processes: parts.processes ?? 1,
    outage: parts.outage,
    readReference: parts.readReference,
    mayConnect: parts.mayConnect,
    instanceAuthorities: parts.instanceAuthorities,
    operators: entraOperators(parts, gateway, parts.adminUrl),
    oneTimeLink: parts.oneTimeLink,
    adminUrl: parts.adminUrl,
    replay: (request) => replayReports({ sql, log }, request),
    continueMove: (key) => workFor(moves, key, moveAnswerMs),
    testInstance: (instance) => testInstance(instance, { sql, clientOf: gateway.clients.clientOf }),
    checkLivesAt: (tenantId, to) => checkLivesAt(parts.send, tenantId, to),
    testAlertTarget: (target) => testTarget({ ...parts, adminUrl: parts.config.adminUrl }, target),
    routesChanged: parts.routesChanged,
    onChanges: parts.onChanges,
    ending: parts.ending,
    openBulk: parts.openBulk,
    bulkAtOnce: parts.bulkAtOnce,
    certificateExpiry: parts.certificateExpiry,
  };
}

export function createAdmin(parts: AdminParts): AdminApp {
  const { assets, facts, log, metrics, onBehalf, sharing } = parts;
  return createAdminApp(adminServices(parts), { name: 'admin', log, metrics }, (app) =>
    app.route(
      '/',
      createConsole({
        assets,
        sharing,
        readBody: facts.readBody,
        call: (request, env, page) =>
          app.request(request, undefined, { ...onBehalf(env), [askingPage]: page }),
      }),
    ),
  );
}
