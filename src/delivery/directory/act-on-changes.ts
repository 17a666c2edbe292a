import type { Cloud } from '../../entra/clouds.ts';
import { type DirectoryObject, idsTogether, readObjects } from '../../graph/directory-objects.ts';
import { newId } from '../../ids.ts';
import { changeBatch, directoryDevicesAtOnce } from '../../limits.ts';
import { type Send, sendFor } from '../../outbound/port.ts';
import { columns, pick } from '../../store/columns.ts';
import type { Sql, Transaction } from '../../store/database.ts';
import {
  anything,
  type DirectoryChange,
  type DirectoryDevice,
  forgetDirectoryDevices,
  type LeasedChange,
  leaseDirectoryChanges,
  putOffDirectoryChanges,
  readDirectoryDevices,
  recordDirectoryChanges,
  recordDirectoryDevices,
  settleDirectoryChanges,
} from '../../store/directory.ts';
import { inTransaction } from '../../store/retry.ts';
import { claims } from '../../store/schema.ts';
import { inScope, type TenantScope } from '../../store/tenant-scope.ts';
import { type AccessFailure, type Tenant, tenantColumns } from '../../store/tenants/tenant.ts';
import type { Log } from '../../telemetry/log.ts';
import { type Marking, markDevices } from './mark-devices.ts';
import { markTenant } from './mark-tenant.ts';

/**
 * Acts on what notifications told of a tenant's directory: finds the devices concerned, asking Graph where only an
 * object id is known, and makes them due. A row goes when it was acted on, unless a newer notification has come.
 */
export interface ActOptions {
  readonly sql: Sql;
  readonly scope?: TenantScope | undefined;
  readonly send: Send;
  readonly log: Log;
  readonly clouds: ReadonlyMap<string, Cloud>;
  /** The connector's token: it may read what an object id stands for. */
  readonly graphToken: (tenant: Tenant) => Promise<{ ok: true; accessToken: string } | AccessFailure>;
  readonly timeoutMs: number;
  /** Before a change that could not be acted on is tried again, seconds. */
  readonly retrySeconds: (attempts: number) => number;
}

const tenantsTogether = 20;
/** After so many tries Graph's silence about an object is not waited for: anything may have changed. */
const maxAttempts = 20;

const leaseTenants = (sql: Sql, scope: TenantScope | undefined): Promise<Tenant[]> => sql<Tenant[]>`
  select ${tenantColumns(sql)} from tenants where tenant_id in (
    select distinct tenant_id from (
      select tenant_id from directory_changes where next_try_at <= now() and ${inScope(sql, scope, sql`tenant_id`)}
      order by next_try_at limit ${idsTogether}) as due
    limit ${tenantsTogether})`;

/** Devices that instances claim for these users, by user. */
async function devicesOfUsers(
  sql: Sql,
  tenantId: string,
  userIds: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  if (userIds.length === 0) return new Map();
  const rows = await sql<{ userId: string; deviceId: string }[]>`
    select distinct ${columns(sql, pick(claims, 'userId', 'deviceId'))} from claims
    where tenant_id = ${tenantId} and user_id = any(${userIds as string[]}::uuid[])`;
  const byUser = Map.groupBy(rows, ({ userId }) => userId);
  return new Map([...byUser].map(([userId, found]) => [userId, found.map(({ deviceId }) => deviceId)]));
}

/** Keeps the devices that an instance claims: an Entra tenant also holds everybody's PCs and phones. */
async function claimedOf(sql: Sql, tenantId: string, deviceIds: readonly string[]): Promise<Set<string>> {
  const rows = await sql<{ deviceId: string }[]>`
    select distinct ${columns(sql, pick(claims, 'deviceId'))} from claims
    where tenant_id = ${tenantId} and device_id = any(${deviceIds as string[]}::uuid[])`;
  return new Set(rows.map(({ deviceId }) => deviceId));
}

interface Decision {
  readonly markings: readonly Marking[];
  readonly more: readonly DirectoryChange[];
  readonly seen: readonly DirectoryDevice[];
  readonly gone: readonly string[];
}

const markings: Readonly<Record<string, Pick<Marking, 'tell' | 'background' | 'note'>>> = {
  'member added': { tell: 'all', background: false, note: 'Entra: its user joined the assigned group' },
  'member removed': { tell: 'all', background: false, note: 'Entra: its user left the assigned group' },
  // Anything about a user may have changed, his telephone number too.
  'user updated': { tell: 'refused', background: true, note: undefined },
  'user deleted': { tell: 'refused', background: false, note: 'Entra: its user was deleted' },
};

/** Decides for users and members that have devices here. */
function ofUsers(rows: readonly LeasedChange[], devices: ReadonlyMap<string, readonly string[]>): Marking[] {
  return Object.entries(markings).flatMap(([key, rest]): Marking[] => {
    const deviceIds = rows
      .filter(({ change, kind }) => `${kind} ${change}` === key)
      .flatMap(({ objectId }) => devices.get(objectId) ?? []);
    return deviceIds.length === 0 ? [] : [{ deviceIds: [...new Set(deviceIds)], ...rest }];
  });
}

function ofDevice(
  row: LeasedChange,
  before: DirectoryDevice | undefined,
  now: DirectoryDevice | undefined,
): Marking | undefined {
  const deviceId = now?.deviceId ?? before?.deviceId;
  if (deviceId === undefined) return undefined;
  const one = { deviceIds: [deviceId], background: false } as const;
  if (row.kind === 'member') {
    const verb = row.change === 'added' ? 'joined' : 'left';
    return { ...one, tell: 'all', note: `Entra: the device ${verb} the assigned group` };
  }
  if (now === undefined) return { ...one, tell: 'none', note: 'Entra: the device was deleted' };
  if (now.enabled === (before?.enabled ?? true)) return undefined;
  return now.enabled
    ? { ...one, tell: 'all', note: 'Entra: the device was enabled' }
    : { ...one, tell: 'none', note: 'Entra: the device was disabled' };
}

type ObjectsAnswer =
  | { readonly ok: true; readonly objects: ReadonlyMap<string, DirectoryObject> }
  | { readonly ok: false; readonly detail: string };

async function askObjects(
  tenant: Tenant,
  ids: readonly string[],
  options: ActOptions,
): Promise<ObjectsAnswer> {
  if (ids.length === 0) return { ok: true, objects: new Map() };
  const cloud = options.clouds.get(tenant.cloud);
  if (!cloud) return { ok: false, detail: `there is no cloud ${tenant.cloud}` };
  const granted = await options.graphToken(tenant);
  if (!granted.ok) return granted;
  const { timeoutMs } = options;
  const send = sendFor(tenant.tenantId, options.send);
  const call = { send, cloud, accessToken: granted.accessToken, clientRequestId: newId(), timeoutMs };
  const read = await readObjects({ ...call, priority: 'Low', ids });
  if (!read.ok) return { ok: false, detail: `${read.failure}: ${read.detail}` };
  return { ok: true, objects: new Map(read.objects.map((one) => [one.objectId, one])) };
}

/** Decides for objects that only Graph or our own memory of devices can name. */
async function decideObjects(
  tenant: Tenant,
  rows: readonly LeasedChange[],
  objects: ReadonlyMap<string, DirectoryObject>,
  { log, sql }: ActOptions,
): Promise<Decision> {
  const { tenantId } = tenant;
  const ids = rows.map(({ objectId }) => objectId);
  const before = new Map((await readDirectoryDevices(sql, tenantId, ids)).map((one) => [one.objectId, one]));
  const found = [...objects.values()].filter((one) => one.type === 'device');
  const deviceIds = [...found, ...before.values()].map(({ deviceId }) => deviceId);
  const claimed = await claimedOf(sql, tenantId, deviceIds);
  const markings: Marking[] = [];
  let nested = false;
  for (const row of rows) {
    const object = objects.get(row.objectId);
    if (object?.type === 'group') nested = true;
    const known = before.get(row.objectId);
    const marking = ofDevice(row, known, object?.type === 'device' ? object : undefined);
    const mine = marking?.deviceIds.filter((deviceId) => claimed.has(deviceId)) ?? [];
    if (marking && mine.length > 0) markings.push({ ...marking, deviceIds: mine });
    else if (row.kind === 'device' && row.change === 'deleted' && !known)
      log.debug('directory.unknown-device', { tenantId, objectId: row.objectId });
  }
  const gone = rows.filter((row) => row.kind === 'device' && !objects.has(row.objectId));
  return {
    markings,
    more: nested ? [anything(tenantId)] : [],
    seen: found.filter(({ deviceId }) => claimed.has(deviceId)),
    gone: gone.map(({ objectId }) => objectId),
  };
}

async function apply(tx: Transaction, tenantId: string, decision: Decision): Promise<void> {
  const { gone, markings, more, seen } = decision;
  // A group that thousands join at once must not put off what the instances tell meanwhile.
  const many = markings.reduce((sum, { deviceIds }) => sum + deviceIds.length, 0) > directoryDevicesAtOnce;
  for (const marking of markings) {
    await markDevices(tx, tenantId, many ? { ...marking, background: true } : marking);
  }
  await forgetDirectoryDevices(tx, tenantId, gone);
  await recordDirectoryDevices(tx, tenantId, seen);
  await recordDirectoryChanges(tx, tenantId, more);
}

async function putOff(
  tenant: Tenant,
  rows: readonly LeasedChange[],
  detail: string,
  { log, retrySeconds, sql }: ActOptions,
): Promise<void> {
  const { tenantId } = tenant;
  const attempts = Math.max(...rows.map((row) => row.attempts));
  log.warn('directory.unread', { tenantId, objects: rows.length, attempts, detail });
  await inTransaction(sql, async (tx) => {
    if (attempts < maxAttempts) {
      await putOffDirectoryChanges(tx, tenantId, rows, retrySeconds(attempts));
      return;
    }
    await recordDirectoryChanges(tx, tenantId, [anything(tenantId)]);
    await settleDirectoryChanges(tx, tenantId, rows);
  });
}

async function actOn(tenant: Tenant, rows: readonly LeasedChange[], options: ActOptions): Promise<void> {
  const { log, sql } = options;
  const { tenantId } = tenant;
  // A tenant that leaves, or is not connected yet, has everything reported anew when it is connected.
  if (tenant.connectionState !== 'connected')
    return inTransaction(sql, (tx) => settleDirectoryChanges(tx, tenantId, rows));
  const whole = rows.filter(({ kind }) => kind === 'tenant');
  const people = rows.filter(({ kind }) => kind === 'member' || kind === 'user');
  const devices = await devicesOfUsers(
    sql,
    tenantId,
    people.map(({ objectId }) => objectId),
  );
  // A user without Macs, a device, a nested group: only Graph knows which. Of a deleted device it knows nothing.
  const asked = rows.filter(
    ({ kind, objectId }) => kind === 'device' || (kind === 'member' && !devices.has(objectId)),
  );
  const askable = asked.filter(({ change, kind }) => kind === 'member' || change !== 'deleted');
  const answer = await askObjects(tenant, [...new Set(askable.map(({ objectId }) => objectId))], options);
  const settled = answer.ok ? asked : asked.filter((row) => !askable.includes(row));
  const decided = await decideObjects(tenant, settled, answer.ok ? answer.objects : new Map(), options);
  const markings = [...ofUsers(people, devices), ...decided.markings];
  if (whole.length > 0) await markTenant(sql, tenantId);
  const open = new Set(answer.ok ? [] : askable);
  await inTransaction(sql, async (tx) => {
    await apply(tx, tenantId, { ...decided, markings });
    await settleDirectoryChanges(
      tx,
      tenantId,
      rows.filter((row) => !open.has(row)),
    );
  });
  if (!answer.ok) await putOff(tenant, askable, answer.detail, options);
  const due = new Set(markings.flatMap(({ deviceIds }) => deviceIds)).size;
  log.info('directory.changed', { tenantId, changes: rows.length, devices: due, whole: whole.length > 0 });
}

/** Rows whose work threw would wait for the end of their lease, minutes after the database answers again. */
async function giveBack(
  tenantId: string,
  rows: readonly LeasedChange[],
  { log, retrySeconds, sql }: ActOptions,
): Promise<void> {
  const seconds = retrySeconds(Math.max(...rows.map((row) => row.attempts)));
  await inTransaction(sql, (tx) => putOffDirectoryChanges(tx, tenantId, rows, seconds)).catch(
    // The lease runs out by itself.
    (error: unknown) => log.warn('directory.not-given-back', { tenantId, error }),
  );
}

async function act(tenant: Tenant, options: ActOptions): Promise<void> {
  const { tenantId } = tenant;
  const rows = await leaseDirectoryChanges(options.sql, tenantId, Math.min(idsTogether, changeBatch));
  if (rows.length === 0) return;
  try {
    await actOn(tenant, rows, options);
  } catch (error) {
    await giveBack(tenantId, rows, options);
    throw error;
  }
}

/** Acts on what is due; the runtime calls it every second. One tenant's failure does not keep the others. */
export async function actOnDirectoryChanges(options: ActOptions): Promise<void> {
  const tenants = await leaseTenants(options.sql, options.scope);
  const results = await Promise.allSettled(tenants.map((tenant) => act(tenant, options)));
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}
