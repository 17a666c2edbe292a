/**
 * The alerts that are open, as surveys of what needs a person find them. An alert is resolved when several surveys in a row
 * did not see it: counted and not timed, so that neither a clock nor a stop of the gateway ends it, and something that comes and
 * goes within a minute is one alert.
 */

import { nilGuid } from '../../ids.ts';
import { alertKeptMs, alertMissedSurveys } from '../../limits.ts';
import type { Sql } from '../database.ts';
import type { AlertFacts } from '../row-types.ts';

/** One survey at a time of all processes: when it begins, for the one that takes it; undefined: it is not due, or another's. */
export async function takeAlertSurvey(sql: Sql, nextInMs: number): Promise<Date | undefined> {
  const [taken] = await sql<{ now: Date }[]>`
    update alert_survey set next_at = now() + ${nextInMs} * interval '1 millisecond' where next_at <= now()
    returning now() as now`;
  return taken?.now;
}

/** A survey that began then has come to its end: what targets wanted to hear of before is in the alerts. */
export const endAlertSurvey = (sql: Sql, beganAt: Date) => sql`
  update alert_survey set looked_at = greatest(looked_at, ${beganAt})`;

/** The tenants that some target wants to hear of; undefined: all of them, and the gateway itself. */
export async function readHeardTenants(sql: Sql): Promise<readonly string[] | undefined> {
  const [row] = await sql<{ all: boolean; tenantIds: string[] }[]>`
    select coalesce(bool_or(tenant_ids is null), false) as "all",
      coalesce(array_agg(distinct one.tenant_id) filter (where one.tenant_id is not null), '{}') as "tenantIds"
    from alert_targets left join lateral unnest(tenant_ids) as one(tenant_id) on true
    where enabled`;
  return row?.all === true ? undefined : (row?.tenantIds ?? []);
}

/** The next of these tenants that exist, in the order of their ids. */
export async function readTenantsAfter(
  sql: Sql,
  after: string,
  tenantIds: readonly string[] | undefined,
  limit: number,
): Promise<readonly string[]> {
  const rows = await sql<{ tenantId: string }[]>`
    select tenant_id as "tenantId" from tenants
    where tenant_id > ${after} and ${tenantIds === undefined ? sql`true` : sql`tenant_id = any(${[...tenantIds]}::uuid[])`}
    order by tenant_id limit ${limit}`;
  return rows.map(({ tenantId }) => tenantId);
}

/** Something that needs a person, as a survey saw it. */
export interface Sighting {
  /** The nil id: the gateway itself. */
  readonly tenantId: string;
  readonly kind: string;
  readonly cause: string;
  /** The instance or target that it is about; empty: none. */
  readonly subject: string;
  readonly facts: AlertFacts;
}

/**
 * Opens alerts for what is new, and counts a miss for those of these tenants that are not seen; without tenants only what was
 * seen is noted. No two sightings may be of the same alert.
 */
export const noteSightings = (sql: Sql, seen: readonly Sighting[], tenantIds: readonly string[]) => sql`
  with seen as materialized (
    select * from unnest(${seen.map((one) => one.tenantId)}::uuid[], ${seen.map((one) => one.kind)}::text[],
      ${seen.map((one) => one.cause)}::text[], ${seen.map((one) => one.subject)}::text[],
      ${seen.map((one) => JSON.stringify(one.facts))}::text[]) as s(tenant_id, kind, cause, subject, facts)
  ), noted as (
    insert into alerts (tenant_id, alert_id, kind, cause, subject, facts)
    select tenant_id, gen_random_uuid(), kind, cause, subject, facts::jsonb from seen
    on conflict (tenant_id, kind, cause, subject) where resolved_at is null do update set missed = 0
      where alerts.missed <> 0
  )
  update alerts a set missed = a.missed + 1,
    resolved_at = case when a.missed + 1 >= ${alertMissedSurveys} then now() end
  where a.resolved_at is null and a.tenant_id = any(${[...tenantIds]}::uuid[]) and not exists (
    select from seen s
    where s.tenant_id = a.tenant_id and s.kind = a.kind and s.cause = a.cause and s.subject = a.subject)`;

/** Alerts of a tenant that was deleted need nobody any more. */
export const resolveGone = (sql: Sql) => sql`
  update alerts a set resolved_at = now()
  where a.resolved_at is null and a.tenant_id <> ${nilGuid}
    and not exists (select from tenants t where t.tenant_id = a.tenant_id)`;

/** Forgets alerts that no target hears of, and those that were resolved long ago, with what was told of them, and how far targets were that are gone. */
export async function forgetAlerts(sql: Sql, heard: readonly string[] | undefined): Promise<void> {
  if (heard !== undefined) await sql`delete from alerts where tenant_id <> all(${[...heard]}::uuid[])`;
  await sql`
    delete from alert_cursors c where not exists (select from alert_targets t where t.target_id = c.target_id)`;
  await sql`delete from alerts where resolved_at < now() - ${alertKeptMs} * interval '1 millisecond'`;
}
