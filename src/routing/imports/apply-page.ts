import { storedClaims } from '../../store/claims/claims.ts';
import { columns, pick, type Row } from '../../store/columns.ts';
import type { Fragment, Transaction } from '../../store/database.ts';
import {
  type Authorship,
  changesOf,
  describeRoutes,
  type RouteWrite,
  readRoutes,
  writeRoutes,
} from '../../store/routes/routes.ts';
import { routes } from '../../store/schema.ts';
import { targetOf } from '../place-device.ts';
import type { StagedPage } from './staged-rows.ts';
import { nextRoute } from './steady-plans.ts';

/**
 * Puts the devices of a page of staged rows where the rows want them, as PUT of each would (place-device.ts), in
 * statements for all of them. The one difference: a row that says what is there leaves the route as it is, also where
 * a claim won it.
 */

/**
 * Decides on each row; a row that agrees with the table gets no action. `note`: only serial number or UDID are others.
 * `unpin`: the pin goes and the place stays, so the claims may decide.
 */
export async function createPlan(tx: Transaction): Promise<void> {
  await tx`
    create temporary table if not exists import_plan (device_id uuid not null, instance_id uuid not null,
      jamf_computer_id int not null, pinned boolean not null, serial_number text, udid text, from_instance_id uuid,
      from_jamf_computer_id int, enrolled_at timestamptz, todo text not null, line int not null)`;
}

export interface PlanCounts {
  readonly place: number;
  readonly note: number;
  readonly unpin: number;
}

/**
 * Summarises the claims: when the Mac enrolled last, and serial number and UDID as its computer's instance has them.
 */
const claimed = (tx: Transaction, tenantId: string): Fragment => tx`
  select max(last_enrolled_at) as enrolled_at,
    max(serial_number) filter (where instance_id = i.instance_id and jamf_computer_id = i.jamf_computer_id) as serial_number,
    max(udid) filter (where instance_id = i.instance_id and jamf_computer_id = i.jamf_computer_id) as udid
  from (
    select * from claims where tenant_id = ${tenantId} and device_id >= i.device_id and device_id <= i.device_id
    order by device_id offset 0) c`;

/** A tenant that begins has none, and looking for them costs as much as looking for the routes. */
const noClaims = (tx: Transaction): Fragment =>
  tx`select null::timestamptz as enrolled_at, null::text as serial_number, null::text as udid`;

async function hasClaims(tx: Transaction, tenantId: string): Promise<boolean> {
  const found = await tx`select 1 from claims where tenant_id = ${tenantId} limit 1`;
  return found.length > 0;
}

/** Fills the plan anew. The caller holds the tenant's lock, or only wants to know. */
export async function planPage(
  tx: Transaction,
  tenantId: string,
  { after, upTo }: StagedPage,
): Promise<PlanCounts> {
  await tx`truncate import_plan`;
  const claims = (await hasClaims(tx, tenantId)) ? claimed(tx, tenantId) : noClaims(tx);
  await tx`
    insert into import_plan
    select i.device_id, i.instance_id, i.jamf_computer_id, i.pinned,
      case when step.todo = 'note' then i.serial_number else coalesce(i.serial_number, own.serial_number) end,
      case when step.todo = 'note' then i.udid else coalesce(i.udid, own.udid) end,
      r.instance_id, r.jamf_computer_id, own.enrolled_at, step.todo, i.line
    from (select * from import_sorted where place > ${after} and place <= ${upTo} order by place) i
    left join lateral (
      select * from (${nextRoute(tx, tenantId, tx`i.device_id`)}) next where device_id = i.device_id) r on true
    cross join lateral (
      select case
        when (r.instance_id, r.jamf_computer_id) is distinct from (i.instance_id, i.jamf_computer_id) then 'place'
        when r.pinned = i.pinned then 'note'
        when i.pinned then 'place'
        else 'unpin' end as todo) step
    cross join lateral (${claims} offset 0) own
    where step.todo <> 'note' or coalesce(i.serial_number, r.serial_number) is distinct from r.serial_number
      or coalesce(i.udid, r.udid) is distinct from r.udid`;
  const [counts] = await tx<PlanCounts[]>`
    select (count(*) filter (where todo = 'place'))::int as place, (count(*) filter (where todo = 'note'))::int as note,
      (count(*) filter (where todo = 'unpin'))::int as unpin
    from import_plan`;
  return counts ?? { place: 0, note: 0, unpin: 0 };
}

/** What one row of a file would do, as a dry run lists it. */
export interface PlannedChange {
  readonly line: number;
  readonly deviceId: string;
  readonly todo: 'place' | 'note' | 'unpin';
  /** Null: the device has no route now. */
  readonly fromInstanceId: string | null;
  readonly fromJamfComputerId: number | null;
  readonly instanceId: string;
  readonly jamfComputerId: number;
  readonly serialNumber: string | null;
  readonly udid: string | null;
  readonly pinned: boolean;
}

/** The first changes of the plan, in the order of the file. */
export const readPlanned = (tx: Transaction, listed: number): PromiseLike<PlannedChange[]> => tx<
  PlannedChange[]
>`
  select line, device_id as "deviceId", todo, from_instance_id as "fromInstanceId",
    from_jamf_computer_id as "fromJamfComputerId", instance_id as "instanceId", jamf_computer_id as "jamfComputerId",
    serial_number as "serialNumber", udid, pinned
  from import_plan order by line limit ${listed}`;

const unpinned = pick(routes, 'deviceId', 'instanceId', 'jamfComputerId', 'serialNumber', 'udid');

/** Pins that go where the device is: with claims the rules decide, as they do for one device. */
async function writeUnpinned(
  tx: Transaction,
  tenantId: string,
  version: number,
  by: Authorship,
): Promise<void> {
  const rows = await tx<Row<typeof unpinned>[]>`
    select ${columns(tx, unpinned)} from import_plan where todo = 'unpin'`;
  const deviceIds = rows.map(({ deviceId }) => deviceId);
  const before = new Map((await readRoutes(tx, tenantId, deviceIds)).map((route) => [route.deviceId, route]));
  const claims = await storedClaims(tx, tenantId, deviceIds);
  const writes = rows.map(({ deviceId, serialNumber, udid, ...computer }): RouteWrite => {
    const wanted = {
      ...computer,
      serialNumber: serialNumber ?? undefined,
      udid: udid ?? undefined,
      pinned: false,
    };
    const route = before.get(deviceId);
    return { deviceId, before: route, to: targetOf(route, wanted, claims.get(deviceId) ?? []) };
  });
  await writeRoutes(
    tx,
    tenantId,
    version,
    changesOf(tx, writes, () => by),
  );
}

/** Writes what only notes serial numbers and UDIDs. */
export const writeDescriptions = (tx: Transaction, tenantId: string): Promise<void> =>
  describeRoutes(
    tx,
    tenantId,
    tx`select device_id, serial_number, udid from import_plan where todo = 'note'`,
  );

/** Writes the plan's routes and their lines in the history as part of a version. The caller holds the tenant's lock. */
export async function writePlanned(
  tx: Transaction,
  tenantId: string,
  { unpin }: PlanCounts,
  version: number,
  by: Authorship,
): Promise<void> {
  await writeRoutes(
    tx,
    tenantId,
    version,
    tx`
      select p.device_id, p.from_instance_id, p.from_jamf_computer_id, p.instance_id as to_instance_id,
        p.jamf_computer_id as to_jamf_computer_id, p.serial_number, p.udid, p.pinned,
        case when p.pinned then 'pinned' else 'placed' end as rule,
        case when p.pinned then null else greatest(moment.at, p.enrolled_at) end as placed_at,
        ${by.author}::text as author, ${by.reason}::text as reason
      from import_plan p, moment where p.todo = 'place'`,
  );
  if (unpin > 0) await writeUnpinned(tx, tenantId, version, by);
}
