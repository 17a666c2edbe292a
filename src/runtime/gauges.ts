import type { ExpiringCertificate } from '../alerts/expiring-certificate.ts';
import { monotonicMs } from '../clock.ts';
import { countSealed, type SealedCounts, sumSealed } from '../connection/reseal.ts';
import type { Sealer } from '../secrets/seal.ts';
import { type AcmeNameState, readNameStates } from '../store/acme.ts';
import type { ChangeFeed } from '../store/change-feed.ts';
import { isStoreUnavailable, type Sql } from '../store/database.ts';
import { createInstanceStates, type InstanceState } from '../store/instances/states.ts';
import { type OldestAges, readOldestAges } from '../store/oldest-waiting.ts';
import { type ReportCounts, readReportCounts } from '../store/reports/counts.ts';
import { countHolds } from '../store/reports/mass-changes.ts';
import { countTenants, type TenantCounts, tenantStates } from '../store/tenants/counts.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { AcmeConfig } from './config.ts';

interface Counted {
  /** Undefined: not every tenant's reports were counted yet since the counters came. */
  readonly reports: ReportCounts | undefined;
  readonly ages: OldestAges;
  readonly sealed: SealedCounts;
  readonly certificates: readonly AcmeNameState[];
}

interface CountOptions {
  readonly sql: Sql;
  readonly acme: AcmeConfig | undefined;
  readonly sealed: () => Promise<SealedCounts>;
}

/** Reads no report and no computer: their number must not matter (docs/data.md). */
async function countWork({ acme, sealed, sql }: CountOptions): Promise<Counted> {
  const reports = await readReportCounts(sql, undefined);
  const ages = await readOldestAges(sql);
  const certificates = acme === undefined ? [] : await readNameStates(sql, acme);
  return { reports, ages, sealed: await sealed(), certificates };
}

/** What was read is shared by all who ask within that time; a failure is not kept. */
function shared<T>(read: () => Promise<T>, freshForMs: number): () => Promise<T> {
  let known: { readonly value: Promise<T>; readonly atMs: number } | undefined;
  return () => {
    if (!known || monotonicMs() - known.atMs > freshForMs) {
      const value = read();
      known = { value, atMs: monotonicMs() };
      value.catch(() => {
        known = undefined;
      });
    }
    return known.value;
  };
}

/** The counts read a row of every tenant: scrapers that come often share them. */
const countsFreshForMs = 10_000;
/** Secrets and the keys that sealed them are read from every tenant and instance, so many times as seldom. */
const sealedSeldomer = 6;
/** The list of instances, should a change of it not have been heard of. */
const instancesKeptForMs = 10 * 60_000;

interface Gauges extends Counted {
  readonly instances: readonly InstanceState[];
  readonly tenants: TenantCounts;
  /** Mass changes in force, by state. */
  readonly holds: Awaited<ReturnType<typeof countHolds>>;
}

/** `last`: where reading takes longer than a scrape may wait. */
interface Remembered {
  read(): Promise<Gauges>;
  readonly last: Gauges | undefined;
}

function remembered(counted: () => Promise<Counted>, readOthers: () => Promise<Omit<Gauges, keyof Counted>>) {
  let last: Gauges | undefined;
  return {
    read: async () => {
      const [counts, others] = await Promise.all([counted(), readOthers()]);
      last = { ...counts, ...others };
      return last;
    },
    get last() {
      return last;
    },
  } satisfies Remembered;
}

/** A scrape must answer within 2 s without the database too (contract section 7), and also while it is only slow. */
const waitMs = 1_500;

/** Reads the gauges now, or returns the last ones where that takes too long. */
async function inTime(gauges: Remembered): Promise<Gauges> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the database did not answer within ${waitMs} ms`)), waitMs);
  });
  const reading = gauges.read();
  // It goes on, for the next scrape.
  reading.catch(() => undefined);
  try {
    return await Promise.race([reading, late]);
  } catch (error) {
    if (gauges.last === undefined || isStoreUnavailable(error)) throw error;
    return gauges.last;
  } finally {
    clearTimeout(timer);
  }
}

/** Fills the gauges of contract section 10 from the database when somebody scrapes. */
export function observeGauges(options: {
  readonly metrics: Metrics;
  readonly sql: Sql;
  readonly log: Log;
  readonly sealer: Sealer;
  readonly credentialExpiry: () => readonly ExpiringCertificate[];
  /** Undefined: no certificate comes by ACME. */
  readonly acme?: AcmeConfig | undefined;
  readonly freshForMs?: number;
  /** Where changes of instances are heard of; default: their list is read for each scrape. */
  readonly feed?: Pick<ChangeFeed, 'subscribe'>;
  /** Tells the names of tenants and instances beside their ids. */
  readonly named?: boolean;
}): void {
  const { acme, credentialExpiry, feed, freshForMs = countsFreshForMs, log, metrics, sealer, sql } = options;
  const states = createInstanceStates(sql, monotonicMs, {
    keptForMs: feed === undefined ? 0 : instancesKeptForMs,
    named: options.named ?? false,
  });
  feed?.subscribe({
    apply: (changes) => {
      // A tenant takes its instances along.
      if (changes.some(({ kind }) => kind === 'instance' || kind === 'tenant')) states.changed();
    },
    forget: states.changed,
  });
  // While keys are changed this is looked at, and a change takes far longer.
  const sealed = shared(
    async () => sumSealed(await countSealed(sql), sealer.keyIds),
    freshForMs * sealedSeldomer,
  );
  const gauges = remembered(
    shared(() => countWork({ sql, acme, sealed }), freshForMs),
    async () => ({
      instances: await states.read(),
      tenants: await countTenants(sql),
      holds: await countHolds(sql),
    }),
  );
  metrics.onScrape(async (observe) => {
    try {
      for (const { kind, name, seconds } of credentialExpiry())
        observe.credentialExpirySeconds(seconds, {
          kind,
          ...(kind === 'application' ? { application: name } : { certificate: name }),
        });
    } catch (error) {
      log.warn('metrics.credentials-unreadable', { error });
    }
    try {
      const { ages, certificates, holds, instances, reports, sealed, tenants } = await inTime(gauges);
      for (const [key, count] of Object.entries(sealed)) observe.sealedSecrets(count, { key });
      for (const [state, count] of Object.entries(reports ?? {})) observe.reports(count, { state });
      observe.reportAgeSeconds(ages.computersSeconds, { stage: 'computers' });
      observe.reportAgeSeconds(ages.reportsSeconds, { stage: 'reports' });
      for (const { attempts, name, nextTryInSeconds, expiresInSeconds } of certificates) {
        observe.acmeFailedTries(attempts, { name });
        observe.acmeNextTrySeconds(nextTryInSeconds, { name });
        if (expiresInSeconds !== null) observe.acmeExpirySeconds(expiresInSeconds, { name });
      }
      // A state that no tenant is in is told as 0, so that an alert has something to look at.
      for (const state of tenantStates)
        observe.tenants(tenants.byState.find((one) => one.state === state)?.count ?? 0, { state });
      observe.tenantsPermissionDrift(tenants.permissionDrift);
      for (const state of ['open', 'refused'] as const) observe.massChanges(holds[state] ?? 0, { state });
      observe.heartbeatAgeSeconds(tenants.heartbeatAgeSeconds);
      for (const { labels, names, up } of instances) {
        observe.instanceUp(up ? 1 : 0, labels);
        if (names !== undefined) observe.instanceInfo(1, names);
      }
    } catch (error) {
      // These gauges are then absent.
      log.warn('metrics.store-unavailable', { error });
    }
  }, 'database');
}
