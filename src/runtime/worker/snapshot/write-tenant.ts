import { createHash } from 'node:crypto';
import { bucketWritesAtOnce, sheetRoutes } from '../../../limits.ts';
import { type PackableRoute, packRoutes } from '../../../routing/packed-routes.ts';
import { readRouteRange } from '../../../routing/route-pages.ts';
import { createRouteReader } from '../../../routing/route-reader.ts';
import type { Sql } from '../../../store/database.ts';
import type { Instance } from '../../../store/instances/instance.ts';
import type { TenantScope } from '../../../store/tenant-scope.ts';
import type { Tenant } from '../../../store/tenants/tenant.ts';
import type { TenantTask } from './pending.ts';
import { decodeSheet, encodeSheet, idsOfPart, partOf, partsOfSheet, type Sheet } from './sheet.ts';
import { ObjectBroken, type SheetEntry, type Vault } from './vault.ts';

/** The rows of a tenant, as they were read for its sheet. */
export interface TenantRows {
  readonly tenant: Tenant;
  readonly instances: readonly Instance[];
  /** Some more than a sheet takes, where there are so many. */
  readonly first: readonly PackableRoute[];
}

interface WriteParts {
  readonly sql: Sql;
  readonly vault: Vault;
  readonly scope: TenantScope;
}

/** What a write left behind: objects that are of no use once the index does not name them. */
export interface WrittenTenant {
  readonly entry: SheetEntry;
  readonly dropped: readonly string[];
  /** Bytes that were written. */
  readonly bytes: number;
}

type PartNames = readonly (string | null)[];

/** Its old sheet; undefined where there is none that opens, and what it named is found later by its absence in the index. */
async function oldSheet(vault: Vault, old: SheetEntry | undefined): Promise<Sheet | undefined> {
  if (!old?.isLarge) return undefined;
  try {
    return decodeSheet(await vault.read(old.name));
  } catch (error) {
    if (error instanceof ObjectBroken) return undefined;
    throw error;
  }
}

/** The parts that these versions of the routes changed; undefined: the history does not have all of them any more. */
async function changedParts(
  sql: Sql,
  tenantId: string,
  { changes, versions }: TenantTask,
): Promise<readonly number[] | undefined> {
  if (versions.length === 0) return [];
  const parts = new Set<number>();
  let seen = 0;
  const named = versions.map((version) => ({ tenantId, version }));
  for await (const page of createRouteReader(sql).changes(named)) {
    seen += page.length;
    for (const { deviceId } of page) parts.add(partOf(deviceId));
  }
  return seen < changes ? undefined : [...parts];
}

/** Writes these parts anew, some at a time. */
async function writeParts(
  { scope, sql, vault }: WriteParts,
  tenantId: string,
  { before, wanted }: { readonly before: PartNames; readonly wanted: readonly number[] },
): Promise<{ readonly parts: PartNames; readonly bytes: number }> {
  const parts = [...before];
  let bytes = 0;
  const writePart = async (part: number): Promise<void> => {
    const packed = packRoutes(await readRouteRange(sql, tenantId, idsOfPart(part)));
    parts[part] = packed.length === 0 ? null : await vault.write(scope, packed);
    bytes += packed.length;
  };
  for (let at = 0; at < wanted.length; at += bucketWritesAtOnce)
    await Promise.all(wanted.slice(at, at + bucketWritesAtOnce).map(writePart));
  return { parts, bytes };
}

const everyPart = Array.from({ length: partsOfSheet }, (_, part) => part);
const noParts: PartNames = everyPart.map(() => null);

/** Writes what changed of a tenant. What did not change stays as it is. */
export async function writeTenant(
  given: WriteParts,
  { first, instances, tenant }: TenantRows,
  task: TenantTask,
  old: SheetEntry | undefined,
): Promise<WrittenTenant> {
  const { scope, sql, vault } = given;
  const { tenantId } = tenant;
  const before = await oldSheet(vault, old);
  const isSame = before?.tenant.createdAt.getTime() === tenant.createdAt.getTime();
  const known = !task.all && isSame ? before?.parts : undefined;
  // Where only the parts of a large one were to be read, its first routes were not.
  const isLarge = task.all || !old?.isLarge ? first.length > sheetRoutes : true;
  const changed = known && (await changedParts(sql, tenantId, task));
  const written = isLarge
    ? await writeParts(given, tenantId, {
        before: changed ? (known ?? noParts) : noParts,
        wanted: changed ?? everyPart,
      })
    : { parts: undefined, bytes: 0 };
  const routes = isLarge ? new Uint8Array() : packRoutes(first);
  const plain = encodeSheet({ tenant, instances, parts: written.parts, routes });
  const digest = createHash('sha256').update(plain).digest('base64url');
  const kept = new Set<string | null>(written.parts);
  const dropped = (before?.parts ?? []).filter((name) => name !== null && !kept.has(name)) as string[];
  if (old?.digest === digest) return { entry: old, dropped, bytes: written.bytes };
  const { cloud } = tenant;
  const keys = old?.cloud === cloud ? old.keys : undefined;
  const entry = { name: await vault.write(scope, plain), digest, isLarge, cloud, keys };
  return {
    entry,
    dropped: old === undefined ? dropped : [...dropped, old.name],
    bytes: written.bytes + plain.length,
  };
}
