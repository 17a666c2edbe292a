import type { Cloud } from '../../entra/clouds.ts';
import { readDevice } from '../../graph/devices.ts';
import { newId, parseGuid } from '../../ids.ts';
import { devicesLearntTogether, relearnMs } from '../../limits.ts';
import { type Send, sendFor } from '../../outbound/port.ts';
import { columns, pick } from '../../store/columns.ts';
import type { Sql } from '../../store/database.ts';
import { learnDirectoryDevice } from '../../store/directory.ts';
import { claims } from '../../store/schema.ts';
import { inScope, type TenantScope } from '../../store/tenant-scope.ts';
import { type AccessFailure, type Tenant, tenantColumns } from '../../store/tenants/tenant.ts';
import type { Log } from '../../telemetry/log.ts';

/**
 * Learns the object ids of claimed devices before they are needed: when Graph tells of a deleted one it is too late to
 * ask. Slowly, a few at a time, only where the tenant's devices are subscribed to; whoever asks twice does no harm.
 */
export interface LearnOptions {
  readonly sql: Sql;
  readonly scope?: TenantScope | undefined;
  readonly send: Send;
  readonly log: Log;
  readonly clouds: ReadonlyMap<string, Cloud>;
  readonly graphToken: (tenant: Tenant) => Promise<{ ok: true; accessToken: string } | AccessFailure>;
  readonly timeoutMs: number;
  readonly now: () => number;
}

/**
 * Progress of this process with a tenant; when it is through, devices that Entra did not know are asked for again an
 * hour later.
 */
interface Progress {
  readonly afterId: string;
  readonly notBefore: number;
}

const nilId = '00000000-0000-0000-0000-000000000000';
const tenantsTogether = 10;

const unlearnt = (sql: Sql, tenantId: string, afterId: string): Promise<{ deviceId: string }[]> => sql<
  { deviceId: string }[]
>`
  select distinct ${columns(sql, pick(claims, 'deviceId'), 'c')} from claims c
  where c.tenant_id = ${tenantId} and c.device_id > ${afterId} and not exists (
    select 1 from directory_devices d where d.tenant_id = c.tenant_id and d.device_id = c.device_id)
  order by c.device_id limit ${devicesLearntTogether}`;

async function learnOf(tenant: Tenant, afterId: string, options: LearnOptions): Promise<string | undefined> {
  const { clouds, log, sql, timeoutMs } = options;
  const { tenantId } = tenant;
  const send = sendFor(tenantId, options.send);
  const rows = await unlearnt(sql, tenantId, afterId);
  const last = rows.at(-1);
  const cloud = clouds.get(tenant.cloud);
  if (last === undefined || cloud === undefined) return undefined;
  const granted = await options.graphToken(tenant);
  if (!granted.ok) return afterId;
  const call = { send, cloud, accessToken: granted.accessToken, timeoutMs, priority: 'Low' } as const;
  for (const { deviceId } of rows) {
    const read = await readDevice({ ...call, clientRequestId: newId(), deviceId });
    if (!read.ok) {
      log.debug('directory.not-learnt', { tenantId, ...read });
      return afterId;
    }
    const objectId = read.found ? parseGuid(read.objectId) : undefined;
    if (!read.found || objectId === undefined) continue;
    await learnDirectoryDevice(sql, tenantId, { objectId, deviceId, enabled: read.accountEnabled !== false });
  }
  return rows.length < devicesLearntTogether ? undefined : last.deviceId;
}

/** The returned function is called now and then. */
export function createDeviceLearner(options: LearnOptions): () => Promise<void> {
  const { now, scope, sql } = options;
  const progress = new Map<string, Progress>();
  return async () => {
    const waiting = [...progress]
      .filter(([, { notBefore }]) => notBefore > now())
      .map(([tenantId]) => tenantId);
    const tenants = await sql<Tenant[]>`
      select ${tenantColumns(sql)} from tenants
      where connection_state = 'connected' and ${inScope(sql, scope, sql`tenant_id`)} and not (tenant_id = any(${waiting}::uuid[])) and exists (
        select 1 from subscriptions s
        where s.tenant_id = tenants.tenant_id and s.resource = 'devices' and s.state = 'active')
      order by random() limit ${tenantsTogether}`;
    for (const tenant of tenants) {
      const { tenantId } = tenant;
      const next = await learnOf(tenant, progress.get(tenantId)?.afterId ?? nilId, options);
      progress.set(
        tenantId,
        next === undefined
          ? { afterId: nilId, notBefore: now() + relearnMs }
          : { afterId: next, notBefore: 0 },
      );
    }
  };
}
