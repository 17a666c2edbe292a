import { lockDevices } from '../../routing/resolve.ts';
import { webSha256 } from '../../secrets/sha256.ts';
import { eraseClaimHistory } from '../../store/claims/claim-history.ts';
import { columns, pick, type Row } from '../../store/columns.ts';
import { eraseComputers } from '../../store/computers/gone.ts';
import type { Queries, Transaction } from '../../store/database.ts';
import { eraseLinks } from '../../store/device-links.ts';
import { eraseFromDirectory } from '../../store/directory.ts';
import { type ErasedEntry, eraseHistory, erasureAction, type Note } from '../../store/history.ts';
import { eraseMoveDevices } from '../../store/moves/move-devices.ts';
import { eraseExamples } from '../../store/moves/move-differences.ts';
import { eraseReports, lockReports, type ReportOfPerson } from '../../store/reports/gone.ts';
import { eraseRouteChanges } from '../../store/routes/trim-history.ts';
import { claims } from '../../store/schema.ts';
import { eraseTimelines } from '../../store/timeline.ts';
import type { ReportContent } from '../reports/report.ts';

/**
 * Erases what is kept of one person: the rows of the devices that are or were theirs, and what the history says of them.
 * Nothing is erased that would be back with the next read, so an instance must not name the devices any more, nor before
 * Intune has confirmed that they are not managed.
 *
 * The proof is an entry of the history. It holds no identifier: a hash of the erasure's id and of what was asked for, how
 * many rows went, and the place and hash of every entry whose text was erased.
 */

export interface Person {
  /** Entra's object id of the user. */
  readonly userId: string | undefined;
  /** Entra's device ids, beside those that are known to be the user's. */
  readonly deviceIds: readonly string[];
}

const claimant = pick(claims, 'deviceId', 'instanceId', 'jamfComputerId');
export type Claimant = Row<typeof claimant>;

export interface ErasedRows {
  readonly reports: number;
  readonly computers: number;
  readonly links: number;
  readonly directory: number;
  readonly timeline: number;
  readonly claimHistory: number;
  readonly routeChanges: number;
  readonly moveDevices: number;
}

export interface Erasure {
  readonly erasureId: string;
  readonly deviceIds: readonly string[];
  readonly rows: ErasedRows;
  readonly entries: readonly ErasedEntry[];
}

export type Erased =
  | { readonly kind: 'erased'; readonly erasure: Erasure }
  /** Computers that name these devices still. */
  | { readonly kind: 'claimed'; readonly by: readonly Claimant[] }
  /** Devices of which Intune has not confirmed that they are not managed. */
  | { readonly kind: 'unconfirmed'; readonly deviceIds: readonly string[] }
  /** Nothing is kept of the person. */
  | { readonly kind: 'unknown' };

/** Ids of the person's devices: those asked for, and those that claims or reports name for the user. */
async function devicesOf(sql: Queries, tenantId: string, person: Person): Promise<string[]> {
  const { deviceIds, userId } = person;
  if (userId === undefined) return [...new Set(deviceIds)].sort();
  const found = await sql<{ deviceId: string }[]>`
    select device_id as "deviceId" from claims where tenant_id = ${tenantId} and user_id = ${userId}::uuid
    union select device_id from reports
    where tenant_id = ${tenantId} and content ilike ${`%"userId":"${userId}"%`}`;
  return [...new Set([...deviceIds, ...found.map(({ deviceId }) => deviceId)])].sort();
}

/** Computers with a claim or a route, also a pinned one, on these devices. */
const claimantsOf = (tx: Transaction, tenantId: string, deviceIds: readonly string[]) => tx<Claimant[]>`
  select ${columns(tx, claimant)} from claims
  where tenant_id = ${tenantId} and device_id = any(${deviceIds as string[]}::uuid[])
  union select device_id, instance_id, jamf_computer_id from routes
  where tenant_id = ${tenantId} and device_id = any(${deviceIds as string[]}::uuid[])
  order by 1, 2, 3`;

async function eraseRows(
  tx: Transaction,
  tenantId: string,
  deviceIds: readonly string[],
  userIds: readonly string[],
): Promise<{ readonly rows: ErasedRows; readonly identifiers: readonly string[] }> {
  const computers = await eraseComputers(tx, tenantId, deviceIds);
  const rows: ErasedRows = {
    reports: await eraseReports(tx, tenantId, deviceIds),
    computers: computers.length,
    links: await eraseLinks(tx, tenantId, deviceIds),
    directory: await eraseFromDirectory(tx, tenantId, { deviceIds, objectIds: userIds }),
    timeline: await eraseTimelines(tx, tenantId, deviceIds),
    claimHistory: await eraseClaimHistory(tx, tenantId, deviceIds),
    routeChanges: await eraseRouteChanges(tx, tenantId, deviceIds),
    moveDevices: await eraseMoveDevices(tx, tenantId, deviceIds),
  };
  await eraseExamples(tx, tenantId, deviceIds);
  const hardware = computers.flatMap(({ serialNumber, udid }) => [serialNumber, udid]);
  return { rows, identifiers: hardware.filter((one) => one !== null).map((one) => one.toLowerCase()) };
}

/** Shorter ones stand in texts that are not about the Mac. */
const identifierCharacters = 8;

const userOf = ({ content }: ReportOfPerson): string | null => (JSON.parse(content) as ReportContent).userId;

export interface Erasing {
  readonly tenantId: string;
  readonly person: Person;
  /** Erases although Intune has not confirmed: it may go on showing the Macs until it forgets them by itself. */
  readonly force: boolean;
  readonly note: Note;
}

/** Erases in the caller's transaction, which the note of it ends. */
export async function erasePerson(
  tx: Transaction,
  { force, note, person, tenantId }: Erasing,
): Promise<Erased> {
  const deviceIds = await devicesOf(tx, tenantId, person);
  if (deviceIds.length === 0) return { kind: 'unknown' };
  await lockDevices(tx, tenantId, deviceIds);
  const by = await claimantsOf(tx, tenantId, deviceIds);
  if (by.length > 0) return { kind: 'claimed', by };
  const open = await lockReports(tx, tenantId, deviceIds);
  const unconfirmed = open.filter(({ confirmed }) => !confirmed).map(({ deviceId }) => deviceId);
  if (unconfirmed.length > 0 && !force) return { kind: 'unconfirmed', deviceIds: unconfirmed };
  const userIds = [...new Set([person.userId, ...open.map(userOf)])].filter(
    (id) => id !== null && id !== undefined,
  );
  const { identifiers, rows } = await eraseRows(tx, tenantId, deviceIds, userIds);
  const searched = [...deviceIds, ...userIds.map((id) => id.toLowerCase()), ...identifiers];
  const entries = await eraseHistory(
    tx,
    tenantId,
    searched.filter((one) => one.length >= identifierCharacters),
  );
  const isKnown = entries.length > 0 || Object.values(rows).some((count) => count > 0);
  if (!isKnown) return { kind: 'unknown' };
  const erasureId = crypto.randomUUID();
  note({
    tenantId,
    action: erasureAction,
    object: { kind: 'erasure', id: erasureId },
    after: {
      subject: await webSha256(JSON.stringify([erasureId, person.userId ?? null, ...deviceIds])),
      devices: deviceIds.length,
      rows,
      entries,
    },
  });
  return { kind: 'erased', erasure: { erasureId, deviceIds, rows, entries } };
}
