/** The part of a support bundle about the gateway and its database. */

import { cpus, release, totalmem } from 'node:os';
import { desc } from 'drizzle-orm';
import { type ConfigSource, describeConfig } from '../../runtime/config.ts';
import { sealingKeyId } from '../../secrets/seal.ts';
import { columns, pick } from '../../store/columns.ts';
import { readConvergence } from '../../store/gateway-processes.ts';
import { noTenant } from '../../store/history.ts';
import type { Instance } from '../../store/instances/instance.ts';
import { history } from '../../store/operator-schema.ts';
import { query } from '../../store/query.ts';
import {
  computers as computersTable,
  instanceReading,
  moves,
  reports as reportsTable,
  routes,
} from '../../store/schema.ts';
import { version } from '../../version.ts';
import type { DoctorContext } from './context.ts';
import type { Hide } from './scrub.ts';

const historyEntries = 200;
const errorTexts = 50;

/** Settings, and of the other variables that matter the names alone. */
export function configurationText(source: ConfigSource): string {
  const others = Object.keys(source.environment)
    .filter((name) => /^(OTEL_|NODE_|PG)/.test(name))
    .sort()
    .map((name) =>
      name === 'NODE_EXTRA_CA_CERTS' ? `${name}=${source.environment[name]}` : `${name}=********`,
    );
  return `${[...describeConfig(source), ...others].join('\n')}\n`;
}

export const versionsOf = ({ inspection }: DoctorContext) => ({
  espalier: version,
  node: process.version,
  openssl: process.versions.openssl,
  platform: process.platform,
  release: release(),
  architecture: process.arch,
  processors: cpus().length,
  memoryBytes: totalmem(),
  postgres: inspection.database.state === 'there' ? inspection.database.version : null,
});

export const migrationsOf = ({ inspection: { database } }: DoctorContext) =>
  database.state === 'there'
    ? {
        applied: new Date(database.applied),
        newest: new Date(database.newest),
        current: database.applied === database.newest,
      }
    : { state: database.state };

export async function tenantsOf({ inspection, tenants }: DoctorContext) {
  const counts = await inspection.sql<{ tenantId: string; devices: number }[]>`
    select ${columns(inspection.sql, pick(routes, 'tenantId'))}, count(*) as devices from routes group by 1`;
  const devices = new Map(counts.map((row) => [row.tenantId, row.devices]));
  return tenants.map((tenant) => ({
    tenantId: tenant.tenantId,
    displayName: tenant.displayName,
    cloud: tenant.cloud,
    mode: tenant.mode,
    connectionType: tenant.connectionType,
    connectionState: tenant.connectionState,
    hold: tenant.hold && { cause: tenant.hold.cause, owner: tenant.hold.owner, since: tenant.hold.since },
    paused: tenant.paused,
    connectedAt: tenant.connectedAt,
    lastHeartbeatAt: tenant.lastHeartbeatAt,
    lastConfirmAt: tenant.lastConfirmAt,
    partnerState: tenant.partnerState,
    terminatedAt: tenant.terminatedAt,
    devicesMarkedAt: tenant.devicesMarkedAt,
    devicesRemovedAt: tenant.devicesRemovedAt,
    deprovisionWanted: tenant.deprovisionWanted,
    messageErrors: tenant.messageErrors?.length ?? 0,
    permissions: tenant.permissions,
    version: tenant.version,
    devices: devices.get(tenant.tenantId) ?? 0,
  }));
}

const secretOf = ({ apiSecretRef, apiSecretSealed }: Instance): string => {
  if (apiSecretRef !== null) return apiSecretRef;
  return apiSecretSealed === null ? 'none' : `sealed by ${sealingKeyId(apiSecretSealed) ?? 'nothing known'}`;
};

const readingShape = pick(
  instanceReading,
  'instanceId',
  'polledAt',
  'pollError',
  'pollCursor',
  'reconciledAt',
  'reconcileError',
  'reconcileStartedAt',
);

export async function instancesOf({ inspection, instances }: DoctorContext, hide: Hide) {
  const readings = await query(inspection.sql).select(readingShape).from(instanceReading);
  const reading = new Map(readings.map(({ instanceId, ...rest }) => [instanceId, rest]));
  const hidden = (text: string | null | undefined): string | null => (text ? hide.text(text) : null);
  return instances.map((instance) => {
    const read = reading.get(instance.instanceId);
    return {
      tenantId: instance.tenantId,
      instanceId: instance.instanceId,
      name: instance.name,
      url: instance.url,
      secret: secretOf(instance),
      compliance: instance.compliance.source,
      ownAuthority: instance.caCertificate !== null,
      clientCertificate: instance.clientCertificateSha256 !== null,
      paused: instance.paused,
      jamfVersion: instance.jamfVersion,
      lastSeenAt: instance.lastSeenAt,
      lastErrorAt: instance.lastErrorAt,
      lastError: hidden(instance.lastError),
      version: instance.version,
      reading: read && {
        ...read,
        pollError: hidden(read.pollError),
        reconcileError: hidden(read.reconcileError),
      },
    };
  });
}

/** Counts only: a report is about a person's Mac. */
export async function reportsOf({ inspection: { sql } }: DoctorContext) {
  return {
    byState: await sql`
      select ${columns(sql, pick(reportsTable, 'tenantId', 'instanceId', 'state', 'reason', 'verification'))}, count(*) as reports,
        min(due_since) as "oldestDueSince", min(failed_at) as "oldestFailedAt", max(attempts) as "mostAttempts"
      from reports group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5`,
    computers: await sql`
      select ${columns(sql, pick(computersTable, 'tenantId', 'instanceId'))}, count(*) as computers,
        count(*) filter (where next_try_at is not null) as due, count(*) filter (where gone_at is not null) as gone,
        max(attempts) as "mostAttempts"
      from computers group by 1, 2 order by 1, 2`,
    moves: await sql`
      select ${columns(sql, pick(moves, 'tenantId', 'state', 'paused'))}, count(*) as moves from moves group by 1, 2, 3 order by 1, 2, 3`,
  };
}

/** The most frequent first, without what they quote. */
export async function errorsOf({ inspection: { sql } }: DoctorContext, hide: Hide) {
  const computers = await sql<{ error: string; count: number }[]>`
    select left(last_error, 300) as error, count(*) as count from computers
    where last_error is not null group by 1 order by 2 desc limit ${errorTexts}`;
  const reports = await sql<{ reason: string; error: string; count: number }[]>`
    select reason, left(detail, 300) as error, count(*) as count from reports
    where detail is not null and state in ('held', 'failed') group by 1, 2 order by 3 desc limit ${errorTexts}`;
  const hidden = <T extends { readonly error: string }>(row: T): T => ({
    ...row,
    error: hide.text(row.error),
  });
  return { computers: computers.map(hidden), reports: reports.map(hidden) };
}

/** Without what was written: only that it was, when, and to what. */
export async function historyOf({ inspection: { sql } }: DoctorContext, hide: Hide) {
  const rows = await query(sql)
    .select(
      pick(
        history,
        'recordedAt',
        'tenantId',
        'sequence',
        'authorKind',
        'author',
        'action',
        'objectKind',
        'objectId',
        'requestId',
      ),
    )
    .from(history)
    .orderBy(desc(history.recordedAt))
    .limit(historyEntries);
  return rows.map((row) => ({
    ...row,
    tenantId: row.tenantId === noTenant ? null : row.tenantId,
    author: hide.name(row.author),
    objectId: hide.text(row.objectId),
  }));
}

export async function convergenceOf({ inspection, tenants }: DoctorContext) {
  const found: { tenantId: string; [name: string]: unknown }[] = [];
  for (const { tenantId } of tenants)
    found.push({ tenantId, ...(await readConvergence(inspection.sql, tenantId)) });
  return found;
}

/** Prometheus text of the gateway that listens here, or why there is none. No label of it names a device. */
export async function metricsOf({
  config,
  timeoutMs,
}: DoctorContext): Promise<{ text: string } | { missing: string }> {
  const { host, port } = config.opsListen;
  if (port === 0) return { missing: 'ESPALIER_OPS_LISTEN has no fixed port' };
  const asked = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  const url = `http://${asked.includes(':') ? `[${asked}]` : asked}:${port}/metrics`;
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) });
    return answer.ok
      ? { text: await answer.text() }
      : { missing: `the ops listener answers ${answer.status}` };
  } catch {
    return { missing: 'the ops listener does not answer' };
  }
}
