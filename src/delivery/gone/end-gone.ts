import { dayMs } from '../../clock.ts';
import { nilGuid } from '../../ids.ts';
import { gonePage, goneSharePerDay, goneSurveyEveryMs } from '../../limits.ts';
import { lockDevices } from '../../routing/resolve.ts';
import { countEndedComputers, endComputers } from '../../store/computers/gone.ts';
import type { Sql } from '../../store/database.ts';
import { type DeviceLink, endLinks } from '../../store/device-links.ts';
import { endDirectoryDevices } from '../../store/directory.ts';
import type { InstanceRef } from '../../store/instances/instance.ts';
import {
  countEndedReports,
  endReports,
  findGoneDevices,
  type GoneDevice,
  takeGoneSurvey,
} from '../../store/reports/gone.ts';
import { inTransaction } from '../../store/retry.ts';
import type { Log } from '../../telemetry/log.ts';

/**
 * Ends what is kept of Macs that are gone: their reports, computers, links and directory rows, once a day by whichever
 * process comes first.
 *
 * Gone is what the claim rules have retired: a device without route and without a claim that counts, a computer that its
 * instance has answered 404 for. A list that is empty or short retires nothing. A report ends only after Intune has
 * confirmed that the device is not managed. Should all of that be wrong for many Macs at once, a person has days to see
 * it: at most one in a hundred of an instance's computers ends within a day, and as many of its reports.
 *
 * Tombstones keep ids and newest dates, so that a record from before the end has no effect after it.
 */

export interface EndingGone {
  readonly sql: Sql;
  readonly log: Log;
  /** `ESPALIER_GONE_DAYS`; 0 keeps everything. */
  readonly goneDays: number;
  readonly now: () => Date;
}

interface Ended {
  readonly computers: number;
  readonly reports: number;
  /** Have ended by the rules, and wait for another day. */
  readonly waiting: number;
}

const nothing: Ended = { computers: 0, reports: 0, waiting: 0 };

/** The part of an instance that may end within a day. */
const allowance = (computers: number): number => Math.max(1, Math.floor(computers * goneSharePerDay));

interface Turn extends EndingGone {
  readonly at: Date;
  readonly goneBefore: Date;
}

async function endComputersOf(turn: Turn, ref: InstanceRef): Promise<Ended> {
  const { at, goneBefore, sql } = turn;
  const counts = await countEndedComputers(sql, ref, new Date(at.getTime() - dayMs));
  let left = Math.max(0, allowance(counts.computers) - counts.ended);
  let [computers, waiting] = [0, 0];
  let afterId: number | null = 0;
  while (afterId !== null) {
    const page = await endComputers(sql, ref, {
      afterId,
      goneBefore,
      limit: left,
      now: at,
      pageSize: gonePage,
    });
    left -= page.ended;
    computers += page.ended;
    waiting += page.due - page.ended;
    afterId = page.lastId;
  }
  return { computers, reports: 0, waiting };
}

/** Ends reports under the locks of their devices: nobody gives one a route meanwhile. */
const endReportsOf = ({ at, sql }: Turn, tenantId: string, gone: readonly GoneDevice[]): Promise<string[]> =>
  inTransaction(sql, async (tx) => {
    await lockDevices(
      tx,
      tenantId,
      gone.map(({ deviceId }) => deviceId),
    );
    return endReports(tx, tenantId, gone, at);
  });

/** How many reports of each instance may still end today; one that was removed by a person has no limit. */
function createAllowances({ at, sql }: Turn, tenantId: string, present: ReadonlySet<string>) {
  const left = new Map<string, number>();
  return {
    left: async (instanceId: string): Promise<number> => {
      if (!present.has(instanceId)) return Number.POSITIVE_INFINITY;
      const known = left.get(instanceId);
      if (known !== undefined) return known;
      const since = new Date(at.getTime() - dayMs);
      const ref = { tenantId, instanceId };
      const { computers, ended } = await countEndedComputers(sql, ref, since);
      // Computers that ended today counted in the morning.
      const found = allowance(computers + ended) - (await countEndedReports(sql, ref, since));
      left.set(instanceId, Math.max(0, found));
      return Math.max(0, found);
    },
    used: (instanceId: string, reports: number): void => {
      const known = left.get(instanceId);
      if (known !== undefined) left.set(instanceId, known - reports);
    },
  };
}

async function endReportsOfTenant(
  turn: Turn,
  tenantId: string,
  present: ReadonlySet<string>,
): Promise<Map<string, Ended>> {
  const { goneBefore, sql } = turn;
  const allowances = createAllowances(turn, tenantId, present);
  const found = new Map<string, Ended>();
  let after: string | undefined = nilGuid;
  while (after !== undefined) {
    const page = await findGoneDevices(sql, tenantId, { after, goneBefore, pageSize: gonePage });
    for (const [instanceId, gone] of Map.groupBy(page.gone, (one) => one.instanceId)) {
      const may = gone.slice(0, await allowances.left(instanceId));
      const ended = may.length === 0 ? [] : await endReportsOf(turn, tenantId, may);
      allowances.used(instanceId, ended.length);
      const before = found.get(instanceId) ?? nothing;
      found.set(instanceId, {
        ...before,
        reports: before.reports + ended.length,
        waiting: before.waiting + gone.length - ended.length,
      });
    }
    after = page.last;
  }
  return found;
}

async function endLinksOfTenant({ goneBefore, sql }: Turn, tenantId: string): Promise<number> {
  let ended = 0;
  let after: DeviceLink | null = { deviceId: nilGuid, previousDeviceId: nilGuid };
  while (after !== null) {
    const page = await endLinks(sql, tenantId, { after, goneBefore, pageSize: gonePage });
    ended += page.ended;
    after = page.last;
  }
  return ended;
}

async function endDirectoryOfTenant({ goneBefore, sql }: Turn, tenantId: string): Promise<number> {
  let ended = 0;
  let after: string | null = nilGuid;
  while (after !== null) {
    const page = await endDirectoryDevices(sql, tenantId, { after, goneBefore, pageSize: gonePage });
    ended += page.ended;
    after = page.last;
  }
  return ended;
}

async function endGoneOfTenant(turn: Turn, tenantId: string, instanceIds: readonly string[]): Promise<void> {
  const { goneBefore, log } = turn;
  // Reports first: their share is of the instance as it is before its computers end.
  const reports = await endReportsOfTenant(turn, tenantId, new Set(instanceIds));
  for (const instanceId of new Set([...instanceIds, ...reports.keys()])) {
    const computers = instanceIds.includes(instanceId)
      ? await endComputersOf(turn, { tenantId, instanceId })
      : nothing;
    const told = reports.get(instanceId) ?? nothing;
    const ended = {
      computers: computers.computers,
      reports: told.reports,
      waiting: computers.waiting + told.waiting,
    };
    if (ended.computers + ended.reports + ended.waiting > 0)
      log.info('gone.ended', { tenantId, instanceId, before: goneBefore, ...ended });
  }
  const links = await endLinksOfTenant(turn, tenantId);
  const directory = await endDirectoryOfTenant(turn, tenantId);
  if (links + directory > 0) log.info('gone.forgotten', { tenantId, before: goneBefore, links, directory });
}

/** Ends what is due of every tenant, where this is the process whose turn it is. */
export async function endGone(options: EndingGone): Promise<void> {
  const { goneDays, now, sql } = options;
  if (goneDays === 0) return;
  const at = now();
  if (!(await takeGoneSurvey(sql, at, goneSurveyEveryMs))) return;
  const turn: Turn = { ...options, at, goneBefore: new Date(at.getTime() - goneDays * dayMs) };
  const tenants = await sql<{ tenantId: string; instanceIds: string[] }[]>`
    select t.tenant_id as "tenantId", coalesce(array_agg(i.instance_id) filter (where i.instance_id is not null), '{}') as "instanceIds"
    from tenants t left join instances i on i.tenant_id = t.tenant_id group by t.tenant_id order by t.tenant_id`;
  for (const { instanceIds, tenantId } of tenants) await endGoneOfTenant(turn, tenantId, instanceIds);
}
