/** Claims as the database keeps them. */

import { columns, omit, pick, type Row } from '../columns.ts';
import { booleans, type Queries, type Transaction } from '../database.ts';
import { claims } from '../schema.ts';
import { trustedAt } from '../trusted-dates.ts';
import { type ComputerId, type KnownClaim, sameComputer } from './claim.ts';

/** The Entra registrations that one instance reports for one of its computers. */
export interface ComputerClaims {
  readonly instanceId: string;
  readonly jamfComputerId: number;
  readonly registrations: readonly {
    readonly deviceId: string;
    readonly userId: string | null;
    /** The instance's verdict on the Mac (src/delivery/reports/report.ts); absent where it gives none. */
    readonly verdict?: string | null;
  }[];
  /**
   * True where not all of the record's accounts could be read: a claim that the record does not name now has not ended.
   */
  readonly incomplete?: boolean;
  readonly serialNumber: string | null;
  readonly udid: string | null;
  readonly lastEnrolledAt: Date | null;
  readonly lastCheckInAt: Date | null;
  /** `general.reportDate` of the record; one that is older than what is known changes nothing. */
  readonly reportAt: Date | null;
}

const stored = omit(claims, 'tenantId', 'updatedAt');

export interface StoredClaim extends Row<typeof stored>, KnownClaim {}

/** One claim of a computer on a device. */
export type ClaimRow = Omit<StoredClaim, 'enabled' | 'stale'>;

/** Claims by device id. */
export type Claims = ReadonlyMap<string, readonly StoredClaim[]>;

export const computerKey = ({ instanceId, jamfComputerId }: ComputerId): string =>
  `${instanceId}/${jamfComputerId}`;
export const claimKey = (claim: ComputerId & { readonly deviceId: string }): string =>
  `${claim.deviceId}/${computerKey(claim)}`;

export const claimRowsOf = (computers: readonly ComputerClaims[]): ClaimRow[] =>
  computers.flatMap(({ incomplete: _incomplete, registrations, ...computer }) =>
    registrations.map(
      ({ deviceId, userId, verdict = null }): ClaimRow => ({
        ...computer,
        deviceId,
        userId,
        verdict,
      }),
    ),
  );

export function putClaim(claims: Map<string, readonly StoredClaim[]>, claim: StoredClaim): void {
  const others = (claims.get(claim.deviceId) ?? []).filter((one) => !sameComputer(one, claim));
  claims.set(claim.deviceId, [...others, claim]);
}

/** All claims on these devices, of every instance. */
export async function storedClaims(
  sql: Queries,
  tenantId: string,
  deviceIds: readonly string[],
): Promise<Map<string, readonly StoredClaim[]>> {
  const rows = await sql<StoredClaim[]>`
    select ${columns(sql, stored, 'c')}, i.enabled
    from unnest(${deviceIds}::uuid[]) as wanted(device_id)
    cross join lateral (
      select * from claims where tenant_id = ${tenantId} and device_id = wanted.device_id offset 0) c
    join instances i on i.tenant_id = c.tenant_id and i.instance_id = c.instance_id`;
  return Map.groupBy(rows, ({ deviceId }) => deviceId);
}

/** Dates as PostgreSQL takes them. */
const times = (rows: readonly ClaimRow[], read: (row: ClaimRow) => Date | null): (string | null)[] =>
  rows.map((row) => read(row)?.toISOString() ?? null);

const written = ({
  lastCheckInAt,
  lastEnrolledAt,
  reportAt,
  serialNumber,
  udid,
  userId,
  verdict,
}: ClaimRow) =>
  JSON.stringify([userId, serialNumber, udid, verdict, lastEnrolledAt, lastCheckInAt, reportAt]);

/**
 * Writes the rows that differ from what is known: most reads find nothing new. A row that is older than what is
 * known changes nothing. Answers what was written, as it is now.
 */
export async function writeClaims(
  tx: Transaction,
  tenantId: string,
  rows: readonly ClaimRow[],
  known: Claims,
): Promise<StoredClaim[]> {
  const news = rows.filter((row) => {
    const before = known.get(row.deviceId)?.find((one) => sameComputer(one, row));
    return before === undefined || written(before) !== written(row);
  });
  if (news.length === 0) return [];
  const older = tx`${trustedAt(tx, tx`excluded.report_at`)} < ${trustedAt(tx, tx`c.report_at`)}`;
  const stored = await tx<
    { deviceId: string; instanceId: string; jamfComputerId: number; stale: boolean; enabled: boolean }[]
  >`
    insert into claims as c (tenant_id, device_id, instance_id, jamf_computer_id, user_id, serial_number, udid, verdict,
      last_enrolled_at, last_check_in_at, report_at)
    select ${tenantId}, device_id, instance_id, jamf_computer_id, user_id, serial_number, udid, verdict, last_enrolled_at,
      last_check_in_at, report_at
    from unnest(
      ${news.map((row) => row.deviceId)}::uuid[], ${news.map((row) => row.instanceId)}::uuid[],
      ${news.map((row) => row.jamfComputerId)}::int[], ${news.map((row) => row.userId)}::uuid[],
      ${news.map((row) => row.serialNumber)}::text[], ${news.map((row) => row.udid)}::text[],
      ${news.map((row) => row.verdict)}::text[],
      ${times(news, (row) => row.lastEnrolledAt)}::timestamptz[], ${times(news, (row) => row.lastCheckInAt)}::timestamptz[],
      ${times(news, (row) => row.reportAt)}::timestamptz[])
      as news(device_id, instance_id, jamf_computer_id, user_id, serial_number, udid, verdict, last_enrolled_at,
        last_check_in_at, report_at)
    on conflict (tenant_id, device_id, instance_id, jamf_computer_id) do update set
      user_id = excluded.user_id, serial_number = excluded.serial_number, udid = excluded.udid, verdict = excluded.verdict,
      last_enrolled_at = excluded.last_enrolled_at, last_check_in_at = excluded.last_check_in_at,
      report_at = excluded.report_at, updated_at = now()
    where ${older} is not true
    returning ${columns(tx, pick(claims, 'deviceId', 'instanceId', 'jamfComputerId', 'stale'))},
      (select i.enabled from instances i where i.tenant_id = c.tenant_id and i.instance_id = c.instance_id) as enabled`;
  const rowOf = new Map(news.map((row) => [claimKey(row), row]));
  return stored.flatMap(({ enabled, stale, ...id }) => {
    const row = rowOf.get(claimKey(id));
    return row ? [{ ...row, enabled, stale }] : [];
  });
}

export async function withdrawClaims(
  tx: Transaction,
  tenantId: string,
  gone: readonly (ComputerId & { readonly deviceId: string })[],
): Promise<void> {
  if (gone.length === 0) return;
  await tx`
    delete from claims c
    using unnest(${gone.map((one) => one.deviceId)}::uuid[], ${gone.map((one) => one.instanceId)}::uuid[],
                 ${gone.map((one) => one.jamfComputerId)}::int[]) as gone(device_id, instance_id, jamf_computer_id)
    where c.tenant_id = ${tenantId} and c.device_id = gone.device_id and c.instance_id = gone.instance_id
      and c.jamf_computer_id = gone.jamf_computer_id`;
}

/** Sets or lifts `stale`, as the claims say. */
export async function writeStale(
  tx: Transaction,
  tenantId: string,
  changed: readonly StoredClaim[],
): Promise<void> {
  if (changed.length === 0) return;
  await tx`
    update claims c set stale = old.stale, updated_at = now()
    from unnest(${changed.map(({ deviceId }) => deviceId)}::uuid[], ${changed.map(({ instanceId }) => instanceId)}::uuid[],
                ${changed.map(({ jamfComputerId }) => jamfComputerId)}::int[],
                ${booleans(changed.map(({ stale }) => stale))}::text[]::bool[])
      as old(device_id, instance_id, jamf_computer_id, stale)
    where c.tenant_id = ${tenantId} and c.device_id = old.device_id and c.instance_id = old.instance_id
      and c.jamf_computer_id = old.jamf_computer_id`;
}
