import type { Sql } from '../store/database.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';

/** Fills the gauges of contract section 10 from the database when somebody scrapes. */
export function observeGauges(
  metrics: Metrics,
  sql: Sql,
  log: Log,
  credentialExpiry: () => ReadonlyMap<string, number>,
): void {
  metrics.onScrape(async (observe) => {
    try {
      for (const [application, seconds] of credentialExpiry())
        observe.credentialExpirySeconds(seconds, { application });
    } catch (error) {
      log.warn('metrics.credentials-unreadable', { error });
    }
    try {
      const states = await sql<
        { state: string; count: number }[]
      >`select state, count(*) as count from reports group by state`;
      for (const { state, count } of states) observe.reports(count, { state });
      const [ages] = await sql<{ computers: number | null; reports: number | null }[]>`
        select (select extract(epoch from now() - min(coalesce(received_at, updated_at)))::float8 from computers where next_try_at is not null) as computers,
               (select extract(epoch from now() - min(due_since))::float8 from reports where state in ('due', 'held', 'sent', 'accepted')) as reports`;
      observe.reportAgeSeconds(ages?.computers ?? 0, { stage: 'computers' });
      observe.reportAgeSeconds(ages?.reports ?? 0, { stage: 'reports' });
      const instances = await sql<{ tenant: string; instance: string; up: boolean }[]>`
        select tenant_id as tenant, instance_id as instance, last_error is null as up from instances where enabled`;
      for (const { instance, tenant, up } of instances) observe.instanceUp(up ? 1 : 0, { tenant, instance });
    } catch (error) {
      // A scrape must answer without the database too: then these gauges are absent.
      log.warn('metrics.store-unavailable', { error });
    }
  });
}
