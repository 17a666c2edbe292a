/** Reads the facts of a tenant and of a Mac for the landing pages. */

import { createBoundedCache } from '../bounded-cache.ts';
import { landingFreshMs } from '../limits.ts';
import type { RouteLookup } from '../routing/lookup.ts';
import { columns, pick } from '../store/columns.ts';
import { isStoreUnavailable, type Sql } from '../store/database.ts';
import type { InstanceDirectory } from '../store/instances/instance.ts';
import type { Landing } from '../store/row-types.ts';
import { instances, reports } from '../store/schema.ts';
import type { TenantDirectory } from '../store/tenants/tenant.ts';
import type { KnownMac, LandingInstance, MacState } from './landing.ts';

export interface LandingTenant {
  readonly landing: Landing;
  readonly instances: readonly LandingInstance[];
}

/** All that decides where a visitor goes. */
export interface LandingFacts extends LandingTenant {
  readonly mac: KnownMac | undefined;
}

export interface LandingDirectory {
  /** True where this process has met the tenant: an invented one never is. */
  hasMet(tenantId: string): boolean;
  /**
   * Facts of the tenant, and of the first of these devices that has a route in it; undefined: no such tenant. While the
   * database is away they are what this process remembers: all tenants and instances, or else what the last visit of the
   * pages and its device calls left.
   */
  facts(tenantId: string, deviceIds: readonly string[]): Promise<LandingFacts | undefined>;
}

/** What the pages read. */
export interface LandingReads {
  landingTenant(tenantId: string): Promise<LandingTenant | undefined>;
  macState(tenantId: string, deviceId: string, instanceId: string): Promise<KnownMac['state']>;
}

export interface LandingDirectoryOptions {
  readonly sql: Sql;
  /** Default: the database's. */
  readonly reads?: LandingReads | undefined;
  readonly routes: RouteLookup;
  /** Directories that device calls use. */
  readonly known: {
    readonly tenants: Pick<TenantDirectory, 'peek' | 'tenant'>;
    readonly instances: Pick<InstanceDirectory, 'instance' | 'ofTenant'>;
  };
  /** ESPALIER_SNAPSHOT_MAX_AGE_SECONDS: older knowledge is not served. */
  readonly maxAgeMs: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

async function readLandingTenant(sql: Sql, tenantId: string): Promise<LandingTenant | undefined> {
  const rows = await sql<
    ({ landing: Landing } & { [K in keyof LandingInstance]: LandingInstance[K] | null })[]
  >`
    select t.landing, ${columns(sql, pick(instances, 'instanceId', 'name', 'url', 'enabled'), 'i')}
    from tenants t left join instances i on i.tenant_id = t.tenant_id
    where t.tenant_id = ${tenantId} order by i.name, i.instance_id`;
  const [first] = rows;
  if (!first) return undefined;
  const known = rows.flatMap(({ enabled, instanceId, name, url }) =>
    instanceId === null || name === null || url === null
      ? []
      : [{ instanceId, name, url, enabled: enabled === true }],
  );
  return { landing: first.landing, instances: known };
}

interface StateRow {
  readonly managed: boolean | null;
  readonly verdict: string | null;
  readonly inventoryState: number | null;
  readonly acceptedAt: Date | null;
  readonly delivery: MacState['delivery'];
}

const assessments: Readonly<Record<string, MacState['assessment']>> = {
  compliant: 'compliant',
  'not-compliant': 'not-compliant',
  'not-applicable': 'not-assessed',
  'no-vendor': 'not-assessed',
  'by-intune': 'by-microsoft',
};

const registrations: readonly MacState['registration'][] = ['active', 'deactivated', 'unresponsive'];

/**
 * Reads the state from the report that this instance gave: after a move the other one's says nothing of the Mac any
 * more.
 */
async function readState(
  sql: Sql,
  tenantId: string,
  deviceId: string,
  instanceId: string,
): Promise<MacState | undefined> {
  const [row] = await sql<StateRow[]>`
    select (content::jsonb->>'managed')::boolean as managed, content::jsonb->>'verdict' as verdict,
      (content::jsonb->>'inventoryState')::int as "inventoryState", ${columns(sql, pick(reports, 'acceptedAt'))},
      case when state in ('held', 'failed') then 'stopped' when confirmed_revision < revision then 'on-its-way'
        else 'reported' end as delivery
    from reports
    where tenant_id = ${tenantId} and device_id = ${deviceId} and instance_id = ${instanceId}`;
  if (!row) return undefined;
  return {
    managed: row.managed !== false,
    assessment: assessments[row.verdict ?? ''] ?? 'undecided',
    registration: registrations[row.inventoryState ?? 0] ?? 'active',
    reportedAt: row.acceptedAt,
    delivery: row.delivery,
  };
}

export const landingReads = (sql: Sql): LandingReads => ({
  landingTenant: (tenantId) => readLandingTenant(sql, tenantId),
  macState: (...names) => readState(sql, ...names),
});

const tenantsKept = 20_000;

interface Remembered {
  /** Time at which the database gave it. */
  readonly at: number;
  /** Time before which it is not asked again. */
  readonly againAt: number;
  readonly tenant: LandingTenant;
}

/** A tenant's landing choice and instances, by looks that serve for a second, or until the database is back. */
function createLandingTenants({
  known,
  maxAgeMs,
  now = () => performance.now(),
  sql,
  reads = landingReads(sql),
}: LandingDirectoryOptions) {
  /** From memory, where that has all instances of the tenant. */
  const remembered = (tenantId: string): LandingTenant | undefined => {
    const tenant = known.tenants.peek(tenantId);
    const instances = tenant && known.instances.ofTenant(tenantId);
    return instances && { landing: tenant.landing, instances };
  };
  const cache = createBoundedCache<string, Remembered>(tenantsKept);
  return {
    has: (tenantId: string): boolean => cache.has(tenantId),
    read: async (tenantId: string): Promise<LandingTenant | undefined> => {
      const last = cache.get(tenantId);
      const at = now();
      if (last && at < last.againAt) return last.tenant;
      try {
        const tenant = await reads.landingTenant(tenantId);
        // An unknown tenant is not remembered: invented ids must not drive out those that serve without the database.
        if (tenant) cache.set(tenantId, { at, againAt: at + landingFreshMs, tenant });
        else cache.delete(tenantId);
        return tenant;
      } catch (error) {
        if (!isStoreUnavailable(error)) throw error;
        // Kept true by the change feed, which the last visit is not.
        const tenant = remembered(tenantId);
        if (tenant) return tenant;
        if (!last || at - last.at >= maxAgeMs) throw error;
        // Without a breaker it takes long to notice that the database is away: one caller waits for that, and not all.
        cache.set(tenantId, { ...last, againAt: now() + landingFreshMs });
        return last.tenant;
      }
    },
  };
}

export function createLandingDirectory(options: LandingDirectoryOptions): LandingDirectory {
  const { known, routes, sql, reads = landingReads(sql) } = options;
  const tenants = createLandingTenants(options);

  const stateOf = async (
    tenantId: string,
    deviceId: string,
    instanceId: string,
  ): Promise<KnownMac['state']> => {
    try {
      return await reads.macState(tenantId, deviceId, instanceId);
    } catch (error) {
      if (!isStoreUnavailable(error)) throw error;
      return 'unavailable';
    }
  };
  const macOf = async (tenantId: string, deviceIds: readonly string[]): Promise<KnownMac | undefined> => {
    for (const deviceId of deviceIds) {
      const target = await routes.route(tenantId, deviceId);
      if (!target) continue;
      const { instanceId } = target;
      return { instanceId, state: await stateOf(tenantId, deviceId, instanceId) };
    }
    return undefined;
  };
  /** Undefined: what device calls go by is not enough, for it is not the list of all instances. */
  const knownTenant = async (
    tenantId: string,
    mac: KnownMac | undefined,
  ): Promise<LandingTenant | undefined> => {
    const tenant = await known.tenants.tenant(tenantId);
    if (!tenant) return undefined;
    const { landing } = tenant;
    const open: LandingInstance[] = [];
    for (const instanceId of [mac?.instanceId, landing.defaultInstanceId]) {
      if (instanceId === undefined) continue;
      const instance = await known.instances.instance(tenantId, instanceId);
      if (instance?.enabled) open.push(instance);
    }
    const isEnough = open.length > 0 || (landing.choice !== 'default' && mac === undefined);
    return isEnough ? { landing, instances: open } : undefined;
  };
  return {
    hasMet: (tenantId) => tenants.has(tenantId) || known.tenants.peek(tenantId) !== undefined,
    facts: async (tenantId, deviceIds) => {
      try {
        const tenant = await tenants.read(tenantId);
        return tenant && { ...tenant, mac: await macOf(tenantId, deviceIds) };
      } catch (error) {
        if (!isStoreUnavailable(error) || known.tenants.peek(tenantId) === undefined) throw error;
        const mac = await macOf(tenantId, deviceIds);
        const tenant = await knownTenant(tenantId, mac);
        if (tenant === undefined) throw error;
        return { ...tenant, mac };
      }
    },
  };
}
