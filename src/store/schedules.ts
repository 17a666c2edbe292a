/**
 * The table of schedules: when each schedule of delivery is looked at next, so that finding work is linear in what is due. It
 * promises that no row of `computers` or `reports` waits for a time before every entry of its schedule.
 *
 * - Entries are added by triggers, which see every writer of due rows, those of the version before included. Most writes
 *   find an entry that suffices and lock it against its end (`for key share`); no writer waits for another one.
 * - Entries are ended here, when their time has come and nothing of the schedule is due. An entry whose lock a writer has
 *   is left: its rows cannot be seen yet.
 * - What the triggers did not see is mended by the survey, which goes through the rows' own index.
 */

import { columns, pick, type Row } from './columns.ts';
import { booleans, type Fragment, type Queries, type Sql } from './database.ts';
import type { DueSchedule, Schedule, StageName } from './due-rows.ts';
import { isFenced } from './placements.ts';
import type { ScheduleKind } from './row-types.ts';
import { schedules } from './schema.ts';
import { inScope, type TenantScope } from './tenant-scope.ts';

/** Stands for the instance where a schedule has none, and comes before every id. */
const nilId = '00000000-0000-0000-0000-000000000000';

/** True for the entries (alias `s`) of a stage; written as the indexes on the time have it. */
const isOf = (sql: Queries, stage: StageName): Fragment =>
  stage === 'computers' ? sql`s.kind in ('read', 'pushed')` : sql`s.kind = 'report'`;

const scheduleColumns = pick(schedules, 'tenantId', 'instanceId', 'kind', 'background');
type ScheduleRow = Row<typeof scheduleColumns>;

const rowOf = ({ background, instanceId = nilId, kind = 'report', tenantId }: Schedule): ScheduleRow => ({
  ...{ tenantId, instanceId, background },
  kind: kind as ScheduleKind,
});

const scheduleOf = ({ background, instanceId, kind, tenantId }: ScheduleRow): Schedule =>
  kind === 'report' ? { tenantId, background } : { tenantId, instanceId, kind, background };

/**
 * The schedules of a stage that are due now or within a second, and the one that follows: who sleeps until something is due
 * need not look again and again.
 *
 * The statement has no parameter where there is no scope, so its plan is made once and kept, which takes longer than the look.
 */
export async function lookAtSchedules(
  sql: Sql,
  stage: StageName,
  scope?: TenantScope,
): Promise<DueSchedule[]> {
  // A little more than the time between two looks: what comes due before the next one is known in time.
  const soon = sql`now() + interval '1 second'`;
  const rows = await sql<(ScheduleRow & { readonly dueInMs: number })[]>`
    with near as (
      select s.tenant_id, s.instance_id, s.kind, s.background, min(s.due_at) as due_at from schedules s
      where ${isOf(sql, stage)} and s.due_at <= ${soon} and ${inScope(sql, scope, sql`s.tenant_id`)}
      group by s.tenant_id, s.instance_id, s.kind, s.background
    ), following as (
      select s.tenant_id, s.instance_id, s.kind, s.background, s.due_at from schedules s
      where ${isOf(sql, stage)} and s.due_at > ${soon} and ${inScope(sql, scope, sql`s.tenant_id`)}
      order by s.due_at limit 1
    ), found as (select * from near union all select * from following)
    select ${columns(sql, scheduleColumns)},
      greatest(0, extract(epoch from due_at - now()) * 1000)::float8 as "dueInMs" from found`;
  return rows.map(({ dueInMs, ...row }) => ({ schedule: scheduleOf(row), dueInMs }));
}

/** The time of the first row that waits in the schedule of `lane`, an alias of such a row. */
const firstComputer = (sql: Queries): Fragment => sql`
  select c.next_try_at from computers c
  where c.tenant_id = lane.tenant_id and c.instance_id = lane.instance_id and c.needs_instance = (lane.kind = 'read')
    and c.background = lane.background and c.next_try_at is not null
  order by c.next_try_at limit 1`;

const firstReport = (sql: Queries): Fragment => sql`
  select r.next_try_at from reports r
  where r.tenant_id = lane.tenant_id and r.background = lane.background and r.next_try_at is not null
  order by r.next_try_at limit 1`;

const lanesOf = (sql: Queries, rows: readonly ScheduleRow[]): Fragment => sql`
  select * from unnest(
    ${rows.map(({ tenantId }) => tenantId)}::uuid[], ${rows.map(({ instanceId }) => instanceId)}::uuid[],
    ${rows.map(({ kind }) => kind)}::text[], ${booleans(rows.map(({ background }) => background))}::text[]::bool[])
    as lane(tenant_id, instance_id, kind, background)`;

const settledTogether = 512;

/**
 * Ends the entries of these schedules that have come due, where nothing of the schedule is due any more, and enters the time
 * of its next row. That is read after the entries are locked: a row that was committed before then is seen, and a writer whose
 * row is not yet to be seen has a lock on the entry, which then stays.
 */
export async function settleSchedules(
  sql: Sql,
  stage: StageName,
  settled: readonly Schedule[],
): Promise<void> {
  const first = stage === 'computers' ? firstComputer : firstReport;
  for (let from = 0; from < settled.length; from += settledTogether) {
    const rows = settled.slice(from, from + settledTogether).map(rowOf);
    await sql.begin(async (tx) => {
      const ended = await tx<ScheduleRow[]>`
        with resting as (
          select * from (${lanesOf(tx, rows)}) lane where coalesce((${first(tx)}) > now(), true)
            or ${isFenced(tx, tx`lane.tenant_id`)}
        ), ended as materialized (
          select s.* from resting lane cross join lateral (
            select * from schedules e where e.tenant_id = lane.tenant_id and e.instance_id = lane.instance_id
              and e.kind = lane.kind and e.background = lane.background and e.due_at <= now()
            for update skip locked) s
        )
        delete from schedules s using ended where s.tenant_id = ended.tenant_id and s.instance_id = ended.instance_id
          and s.kind = ended.kind and s.background = ended.background and s.due_at = ended.due_at
          and s.entry_id = ended.entry_id
        returning ${columns(tx, scheduleColumns, 's')}`;
      if (ended.length === 0) return;
      await tx`
        select espalier_schedule(lane.tenant_id, lane.instance_id, lane.kind, lane.background,
          -- Nothing of a tenant that has left is leased, so its schedules need not be looked at often.
          case when ${isFenced(tx, tx`lane.tenant_id`)} then greatest(next.next_try_at, now() + interval '1 minute')
               else next.next_try_at end)
        from (${lanesOf(tx, ended)}) lane cross join lateral (${first(tx)}) next`;
    });
  }
}

/** A survey of so many schedules is one statement. */
const surveyedTogether = 2_000;

/** The last schedule that a survey went through; it goes on after it. */
export type SurveyedTo = ScheduleRow;

export interface Surveyed {
  /** Schedules that had no entry in time. */
  readonly mended: number;
  /** Undefined: the survey is at its end. */
  readonly last: SurveyedTo | undefined;
}

/** Steps from schedule to schedule in the index of the rows, one probe each. */
const walkComputers = (sql: Queries, { background, instanceId, kind, tenantId }: SurveyedTo): Fragment => sql`
  (select tenant_id, instance_id, needs_instance, background, next_try_at from computers
   where next_try_at is not null and (tenant_id, instance_id, needs_instance, background)
     > (${tenantId}::uuid, ${instanceId}::uuid, ${kind === 'read'}::bool, ${background}::bool)
   order by tenant_id, instance_id, needs_instance, background, next_try_at limit 1)
  union all
  select next.* from walk cross join lateral (
    select c.tenant_id, c.instance_id, c.needs_instance, c.background, c.next_try_at from computers c
    where c.next_try_at is not null and (c.tenant_id, c.instance_id, c.needs_instance, c.background)
      > (walk.tenant_id, walk.instance_id, walk.needs_instance, walk.background)
    order by c.tenant_id, c.instance_id, c.needs_instance, c.background, c.next_try_at limit 1) next`;

const walkReports = (sql: Queries, { background, tenantId }: SurveyedTo): Fragment => sql`
  (select tenant_id, ${nilId}::uuid as instance_id, null::bool as needs_instance, background, next_try_at from reports
   where next_try_at is not null and (tenant_id, background) > (${tenantId}::uuid, ${background}::bool)
   order by tenant_id, background, next_try_at limit 1)
  union all
  select next.* from walk cross join lateral (
    select r.tenant_id, ${nilId}::uuid, null::bool, r.background, r.next_try_at from reports r
    where r.next_try_at is not null and (r.tenant_id, r.background) > (walk.tenant_id, walk.background)
    order by r.tenant_id, r.background, r.next_try_at limit 1) next`;

/** Gives entries to the next schedules after the given one that lack them. */
export async function mendSchedules(
  sql: Sql,
  stage: StageName,
  after: SurveyedTo = { tenantId: nilId, instanceId: nilId, kind: 'pushed', background: false },
  limit = surveyedTogether,
): Promise<Surveyed> {
  const [row] = await sql<(ScheduleRow & { readonly seen: number; readonly mended: number })[]>`
    with recursive walk as (
      ${stage === 'computers' ? walkComputers(sql, after) : walkReports(sql, after)}
    ), surveyed as materialized (
      select walk.tenant_id, walk.instance_id, walk.background, walk.next_try_at,
        case needs_instance when true then 'read' when false then 'pushed' else 'report' end as kind
      from walk limit ${limit}
    ), missing as materialized (
      select * from surveyed w where not exists (
        select from schedules s where s.tenant_id = w.tenant_id and s.instance_id = w.instance_id and s.kind = w.kind
          and s.background = w.background and s.due_at <= w.next_try_at)
    ), mended as materialized (
      select espalier_schedule(tenant_id, instance_id, kind, background, next_try_at) as made from missing
    )
    select ${columns(sql, scheduleColumns, 'last')}, (select count(*)::int from surveyed) as seen,
      (select count(*)::int from mended where made) as mended
    from (select * from surveyed order by tenant_id desc, instance_id desc, kind = 'read' desc, background desc limit 1) last`;
  if (row === undefined) return { mended: 0, last: undefined };
  const { mended, seen, ...last } = row;
  return { mended, last: seen < limit ? undefined : last };
}

/** True for the one process that is to survey now; the next survey is due in so many milliseconds. */
export async function takeSurvey(sql: Sql, nextInMs: number): Promise<boolean> {
  const { count } = await sql`
    update schedule_survey set next_at = now() + ${nextInMs} * interval '1 millisecond' where next_at <= now()`;
  return count > 0;
}

/** A survey has ended, and the next one is due in so many milliseconds. */
export async function restSurvey(sql: Sql, nextInMs: number): Promise<void> {
  await sql`update schedule_survey set next_at = now() + ${nextInMs} * interval '1 millisecond'`;
}
