/** The admin listener's app on Node: what its routes may ask of the rest of the gateway. */

import { createAdminApp } from '../admin/app.ts';
import type { AdminServices } from '../admin/context.ts';
import { confirmTenant, testInstance } from '../connection/confirm.ts';
import { consentApplications, startConnect } from '../connection/consent.ts';
import { announceInstances, disableTenant, disconnectTenant } from '../connection/lifecycle.ts';
import { dryRunMigration, migrateTenant } from '../connection/migrate.ts';
import { checkTenantPermissions, permissionsOf } from '../connection/permission-watch.ts';
import { askResync } from '../connection/resync.ts';
import { keepSubscriptions } from '../connection/subscriptions/keep-subscriptions.ts';
import { startOwnConnect } from '../connection/tenant-credentials.ts';
import { createConsole } from '../console/console.ts';
import { replayReports } from '../delivery/replay.ts';
import { moveAnswerMs } from '../limits.ts';
import { createAddressPolicy } from '../outbound/addresses.ts';
import { mayConnect } from '../outbound/node.ts';
import { type MoveWork, workFor } from '../routing/moves/work.ts';
import type { Tenant } from '../store/tenants/tenant.ts';
import { version } from '../version.ts';
import type { Config } from './config.ts';
import type { ConnectionServices } from './connection-services.ts';
import type { composeGateway, Gateway } from './gateway.ts';
import type { NodeChanges } from './node-changes.ts';
import { readConsoleAssets } from './node-console.ts';
import { bindingsWithOwnBody } from './node-http.ts';
import { nodeDigest } from './node-secrets.ts';
import { entraOperators } from './operators.ts';

const missingApplication = ({ connector }: Config, cloud: string): string | undefined =>
  connector(cloud) === undefined
    ? `No connector application is configured for the cloud ${cloud}: set ESPALIER_ENTRA_CLIENT_ID and its credential.`
    : undefined;

export function createNodeAdmin(
  config: Config,
  { changes, ...parts }: Parameters<typeof composeGateway>[0] & { readonly changes: NodeChanges },
  gateway: Gateway,
  connection: ConnectionServices,
  moves: MoveWork,
  more: Pick<
    AdminServices,
    'adminUrl' | 'certificateExpiry' | 'ending' | 'onChanges' | 'oneTimeLink' | 'openBulk' | 'routesChanged'
  >,
) {
  const { log, metrics, sealer, sql } = parts;
  const { assignments, degradedSeconds, policy } = changes;
  /** Graph's subscriptions go while the consent is still there; what fails ends by itself. */
  const leaving = async <T>({ tenantId }: Tenant, leave: () => Promise<T>): Promise<T> => {
    const result = await leave();
    await keepSubscriptions(connection.subscriptions, tenantId).catch((error: unknown) =>
      log.warn('subscriptions.not-removed', { tenantId, error }),
    );
    return result;
  };
  return createAdminApp(
    {
      ...more,
      sql,
      log,
      pressure: parts.pressure,
      clouds: config.clouds,
      acme: config.acme,
      version,
      settings: config.effective,
      facts: parts.facts,
      respond: parts.respond,
      digest: nodeDigest,
      tenants: gateway.tenants,
      instances: gateway.instances,
      instanceKeys: gateway.instanceKeys,
      outage: {
        degradedSeconds: () => (policy.isAway() ? degradedSeconds() : undefined),
        bindingOf: assignments.bindingOf,
        route: gateway.routes.peek.bind(gateway.routes),
      },
      sealer,
      readReference: parts.readReference,
      mayConnect: (hostname) => mayConnect(createAddressPolicy(config.upstreamAllow), hostname),
      bootstrapKey: config.bootstrapKey,
      approvals: config.approvals === 'on',
      operators: entraOperators(parts, gateway, more.adminUrl),
      polls: config.pollSeconds > 0,
      reconciles: config.reconcileSeconds > 0,
      publicUrl: config.publicUrl,
      hasDiagnostic: (cloud) => config.diagnostic(cloud) !== undefined,
      notifies: config.notificationResources.length > 0,
      missingApplication: (cloud) => missingApplication(config, cloud),
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
      replay: (request) => replayReports({ sql, log }, request),
      continueMove: (key) => workFor(moves, key, moveAnswerMs),
      announceInstances: (tenantId) => announceInstances(connection.lifecycle, tenantId),
      checkPermissions: async (tenant) =>
        checkTenantPermissions(tenant, await permissionsOf(sql, tenant, connection.permissions)),
      testInstance: (instance) => testInstance(instance, { sql, clientOf: gateway.clients.clientOf }),
    },
    { name: 'admin', log, metrics },
    (app) =>
      app.route(
        '/',
        createConsole({
          assets: readConsoleAssets(),
          readBody: parts.facts.readBody,
          call: (request, env) => app.request(request, undefined, bindingsWithOwnBody(env)),
        }),
      ),
  );
}
