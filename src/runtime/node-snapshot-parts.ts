/**
 * What the snapshot holds: a line for each part in `snapshotParts`. A snapshot with other parts than this build has is refused,
 * so a part is always there, also where it has nothing to hold.
 */

import { monotonicMs } from '../clock.ts';
import type { KeySetSnapshot, KeySource } from '../entra/keys.ts';
import { createRoutesPart, type SnapshotRoutes } from '../routing/route-snapshot.ts';
import { jsonPart, type SnapshotPart } from '../snapshot-part.ts';
import type { IssuedName } from '../store/acme.ts';
import type { ChangeFeed, FeedPosition } from '../store/change-feed.ts';
import type { InstanceDirectory } from '../store/instances/instance.ts';
import type { Assignment, Assignments } from '../store/operators.ts';
import type { TenantDirectory } from '../store/tenants/tenant.ts';
import type { KnownCertificates } from './node-acme.ts';

/** Where the process was in the feed when it began to write: every record behind it has at least the changes until then. */
const position = (feed: ChangeFeed): SnapshotPart =>
  jsonPart<FeedPosition>({
    name: 'position',
    version: 1,
    rows: () => (feed.position === undefined ? [] : [feed.position]),
    restored: ([last], ageMs) => {
      if (last !== undefined) feed.resume(last, ageMs);
    },
  });

/** Rows of a directory, whole: an instance's secret is as the database has it, sealed. */
const directory = (name: string, rows: TenantDirectory | InstanceDirectory): SnapshotPart =>
  jsonPart<object>({
    name,
    version: 1,
    rows: rows.known,
    stamp: () => String(rows.revision),
    restored: rows.restore,
  });

interface DatedKeySet extends Omit<KeySetSnapshot, 'fetchedAtMs'> {
  readonly fetchedAt: number;
}

/** Public keys with the date at which each set was fetched, for it serves as long after a restart as before. */
const keySets = (keys: KeySource): SnapshotPart =>
  jsonPart<DatedKeySet>({
    name: 'key-sets',
    version: 1,
    rows: () => {
      const now = Date.now();
      return keys
        .snapshot()
        .map(({ fetchedAtMs, ...set }) => ({ ...set, fetchedAt: now - (monotonicMs() - fetchedAtMs) }));
    },
    stamp: () => {
      const sets = keys.snapshot();
      return `${sets.length} ${Math.max(0, ...sets.map(({ fetchedAtMs }) => fetchedAtMs))}`;
    },
    restored: (sets) =>
      keys.restore(
        sets.map(({ fetchedAt, ...set }) => ({
          ...set,
          fetchedAtMs: monotonicMs() - Math.max(0, Date.now() - fetchedAt),
        })),
      ),
  });

const assignments = (known: Assignments): SnapshotPart =>
  jsonPart<Assignment>({
    name: 'operator-assignments',
    version: 1,
    rows: () => known.all() ?? [],
    restored: (rows) => known.restore(rows),
  });

interface DatedCertificate extends Omit<IssuedName, 'isOver' | 'issuedAt' | 'notAfter'> {
  readonly issuedAt: string;
  readonly notAfter: string;
}

/** Certificates that came by ACME, keys as the database has them, sealed: a restart without it has what it presented. */
const acmeCertificates = (certificates: KnownCertificates | undefined): SnapshotPart =>
  jsonPart<DatedCertificate>({
    name: 'acme-certificates',
    version: 1,
    rows: () =>
      (certificates?.known() ?? []).map(({ chain, directory, issuedAt, keySealed, name, notAfter }) => ({
        ...{ chain, directory, keySealed, name },
        issuedAt: issuedAt.toISOString(),
        notAfter: notAfter.toISOString(),
      })),
    stamp: () => String(certificates?.revision() ?? 0),
    restored: (rows) =>
      certificates?.restore(
        rows.map((row) => {
          const notAfter = new Date(row.notAfter);
          return {
            ...row,
            issuedAt: new Date(row.issuedAt),
            notAfter,
            isOver: notAfter.getTime() < Date.now(),
          };
        }),
      ),
  });

export interface SnapshotSources {
  readonly feed: ChangeFeed;
  readonly tenants: TenantDirectory;
  readonly instances: InstanceDirectory;
  readonly keys: KeySource;
  readonly assignments: Assignments;
  readonly routes: SnapshotRoutes;
  /** Undefined: none comes by ACME. */
  readonly certificates: KnownCertificates | undefined;
}

export const snapshotParts = (of: SnapshotSources): readonly SnapshotPart[] => [
  // First: what is written behind it is at least as new.
  position(of.feed),
  directory('tenants', of.tenants),
  directory('instances', of.instances),
  keySets(of.keys),
  assignments(of.assignments),
  acmeCertificates(of.certificates),
  createRoutesPart(of.routes),
];
