import { createHmac, hkdfSync, randomBytes } from 'node:crypto';
import type { ServedReads, ServedTenant } from '../../forwarding/served-reads.ts';
import type { After } from '../../joining.ts';
import { routeTargetShape } from '../../routing/lookup.ts';
import { rowOfJson } from '../../store/columns.ts';
import { instanceShape } from '../../store/instances/instance.ts';
import { tenantOfJson } from '../../store/tenants/tenant.ts';
import { generationBytes } from '../snapshot/chunks.ts';
import { openFile, type Sealing, sealFile } from '../snapshot/sealed-file.ts';
import type { IsolateConfirmations, ReadUnder } from './confirmations.ts';
import type { SharedCache } from './shared-cache.ts';

/**
 * Rows that isolates of a data centre share, between the memory of each and the database: what device calls read, as the
 * database has it, secrets sealed. Age says nothing of one: it holds the version of its tenant that was known before it was
 * read, and is believed while that stands. It is sealed as a row of this deployment, build and history of the database, so that
 * one in another place does not open, and its name is a keyed digest, which tells no id and cannot be guessed.
 */

/** Rows of a build with other migrations may have other columns, so they are others. */
export interface SharedRowsOptions extends Sealing {
  readonly cache: SharedCache;
}

/** The kind of a row, and the ids by which it is asked for, the tenant's first. */
export type RowPlace = readonly [kind: 'tenant' | 'instance' | 'route', tenantId: string, ...ids: string[]];

type Json = Record<string, unknown>;

export interface SharedRow {
  readonly under: ReadUnder;
  readonly row: Json;
}

export interface SharedRows {
  /** Undefined: there is none that was read in this history of the database. */
  get(place: RowPlace, history: string): Promise<SharedRow | undefined>;
  /** `under` was known before the row was read. */
  put(place: RowPlace, row: object, under: ReadUnder): Promise<void>;
}

/** The last digit is the version. */
const form = 'ESPSROW1';

export function createSharedRows({ cache, deployment, keys, schema }: SharedRowsOptions): SharedRows {
  const [key] = keys;
  if (key === undefined) throw new Error('shared rows need a key');
  const nameKey = new Uint8Array(hkdfSync('sha256', key.secret, '', 'espalier names of shared rows', 32));
  const nameOf = (place: RowPlace): string =>
    createHmac('sha256', nameKey)
      .update(JSON.stringify([deployment, schema, ...place]))
      .digest('base64url');
  const placeOf = (place: RowPlace, history: string): string =>
    JSON.stringify([deployment, schema, history, ...place]);
  return {
    get: async (place, history) => {
      const bytes = await cache.get(nameOf(place));
      const opened = bytes && openFile(bytes, [key], { form, place: placeOf(place, history) });
      // What does not open is another history's or no row of ours: the database is asked, and the row put in its place.
      if (opened === undefined || 'refused' in opened) return undefined;
      const { routes, row, served } = JSON.parse(opened.plain.toString()) as {
        readonly row: Json;
      } & Omit<ReadUnder, 'history'>;
      return { row, under: { history, served, routes } };
    },
    put: async (place, row, { history, routes, served }) => {
      const plain = Buffer.from(JSON.stringify({ served, routes, row }));
      const generation = randomBytes(generationBytes);
      await cache.put(
        nameOf(place),
        sealFile(plain, { form, place: placeOf(place, history), key, generation }),
      );
    },
  };
}

export interface SharedReadsOptions {
  readonly reads: ServedReads;
  readonly rows: SharedRows;
  readonly confirmations: Pick<IsolateConfirmations, 'readUnder' | 'stands'>;
  readonly after: After;
  /** A tenant was taken of which a move's calls are compared: the request looks for it, as one that reads the tenant does. */
  readonly onCompared: () => void;
}

/**
 * Reads that ask the database for what no isolate of the data centre has read under the version that stands. Without a
 * confirmed version nothing shared is believed. Rows that do not exist are not shared, so that strangers leave nothing behind;
 * nor is what landing pages read, whose own memory counts by age.
 */
export function withSharedRows({
  after,
  confirmations,
  onCompared,
  reads,
  rows,
}: SharedReadsOptions): ServedReads {
  const shared = async <T extends object>(
    place: RowPlace,
    decode: (row: Json) => T,
    read: () => Promise<T | undefined>,
    deviceId?: string,
  ): Promise<T | undefined> => {
    const [, tenantId] = place;
    const under = confirmations.readUnder(tenantId);
    if (under === undefined) return read();
    const found = await rows.get(place, under.history);
    if (found && (await confirmations.stands(tenantId, found.under, deviceId))) return decode(found.row);
    const row = await read();
    if (row !== undefined) after(rows.put(place, row, under));
    return row;
  };
  const takenTenant = (row: Json): ServedTenant => {
    const comparesCalls = row.comparesCalls === true;
    if (comparesCalls) onCompared();
    return { ...tenantOfJson(row), comparesCalls };
  };
  return {
    ...reads,
    tenant: (tenantId) => shared(['tenant', tenantId], takenTenant, () => reads.tenant(tenantId)),
    instance: (tenantId, instanceId) =>
      shared(
        ['instance', tenantId, instanceId],
        (row) => rowOfJson(instanceShape, row),
        () => reads.instance(tenantId, instanceId),
      ),
    route: (tenantId, deviceId) =>
      shared(
        ['route', tenantId, deviceId],
        (row) => rowOfJson(routeTargetShape, row),
        () => reads.route(tenantId, deviceId),
        deviceId,
      ),
  };
}
