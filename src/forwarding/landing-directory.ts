import { LRUCache } from 'lru-cache';
import { landingFreshMs, landingKeptMs, landingRetryMs } from '../limits.ts';
import type { RouteLookup } from '../routing/lookup.ts';
import { isStoreUnavailable, type Sql } from '../store/database.ts';
import type { Landing } from '../store/tenants.ts';
import type { KnownMac, LandingInstance, MacState } from './landing.ts';

/** What the landing pages have to know of a tenant and of a Mac. */

export interface LandingTenant {
  readonly landing: Landing;
  readonly instances: readonly LandingInstance[];
}

export interface LandingDirectory {
  /** Whether this process has met the tenant: one that somebody invents never is. */
  hasMet(tenantId: string): boolean;
  /** Undefined: no such tenant. While the database is away the last look serves, for a day at most. */
  tenant(tenantId: string): Promise<LandingTenant | undefined>;
  /** The first of these devices that has a route in this tenant. */
  mac(tenantId: string, deviceIds: readonly string[]): Promise<KnownMac | undefined>;
}

export interface LandingDirectoryOptions {
  readonly sql: Sql;
  readonly routes: RouteLookup;
  readonly now?: () => number;
}

async function readLandingTenant(sql: Sql, tenantId: string): Promise<LandingTenant | undefined> {
  const rows = await sql<
    ({ landing: Landing } & { [K in keyof LandingInstance]: LandingInstance[K] | null })[]
  >`
    select t.landing, i.instance_id as "instanceId", i.name, i.url, i.enabled
    from tenants t left join instances i on i.tenant_id = t.tenant_id
    where t.tenant_id = ${tenantId} order by i.name, i.instance_id`;
  const [first] = rows;
  if (!first) return undefined;
  const instances = rows.flatMap(({ enabled, instanceId, name, url }) =>
    instanceId === null || name === null || url === null
      ? []
      : [{ instanceId, name, url, enabled: enabled === true }],
  );
  return { landing: first.landing, instances };
}

interface StateRow {
  readonly managed: boolean | null;
  readonly verdict: string | null;
  readonly inventoryState: number | null;
  readonly toldAt: Date | null;
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

/** Of the report that this instance gave: after a move the other one's says nothing of the Mac any more. */
async function readState(
  sql: Sql,
  tenantId: string,
  deviceId: string,
  instanceId: string,
): Promise<MacState | undefined> {
  const [row] = await sql<StateRow[]>`
    select (content::jsonb->>'managed')::boolean as managed, content::jsonb->>'verdict' as verdict,
      (content::jsonb->>'inventoryState')::int as "inventoryState", accepted_at as "toldAt",
      case when state in ('held', 'failed') then 'stopped' when confirmed_revision < revision then 'on-its-way'
        else 'told' end as delivery
    from reports
    where tenant_id = ${tenantId} and device_id = ${deviceId} and instance_id = ${instanceId}`;
  if (!row) return undefined;
  return {
    managed: row.managed !== false,
    assessment: assessments[row.verdict ?? ''] ?? 'undecided',
    registration: registrations[row.inventoryState ?? 0] ?? 'active',
    toldAt: row.toldAt,
    delivery: row.delivery,
  };
}

const tenantsKept = 20_000;

interface Look {
  /** When the database said so. */
  readonly at: number;
  /** Until then it is not asked again. */
  readonly againAt: number;
  readonly tenant: LandingTenant;
}

export function createLandingDirectory(options: LandingDirectoryOptions): LandingDirectory {
  const { routes, sql } = options;
  const now = options.now ?? Date.now;
  const cache = new LRUCache<string, Look>({ max: tenantsKept });
  return {
    hasMet: (tenantId) => cache.has(tenantId),
    tenant: async (tenantId) => {
      const last = cache.get(tenantId);
      const at = now();
      if (last && at < last.againAt) return last.tenant;
      try {
        const tenant = await readLandingTenant(sql, tenantId);
        // What is no tenant is not remembered: invented ids must not drive out what serves without the database.
        if (tenant) cache.set(tenantId, { at, againAt: at + landingFreshMs, tenant });
        else cache.delete(tenantId);
        return tenant;
      } catch (error) {
        if (!isStoreUnavailable(error) || !last || at - last.at >= landingKeptMs) throw error;
        // To notice that the database is away takes seconds: not everybody has to wait for it.
        cache.set(tenantId, { ...last, againAt: now() + landingRetryMs });
        return last.tenant;
      }
    },
    mac: async (tenantId, deviceIds) => {
      for (const deviceId of deviceIds) {
        const target = await routes.route(tenantId, deviceId);
        if (!target) continue;
        const { instanceId } = target;
        return { instanceId, state: await readState(sql, tenantId, deviceId, instanceId) };
      }
      return undefined;
    },
  };
}
