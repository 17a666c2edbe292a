import type { Html } from '../gateway/page-layout.ts';
import { type Api, at } from './api.ts';
import { id, named } from './parts.ts';

/** Names beside the ids of tenants and instances that a list shows. */

interface List<Row> {
  readonly results: readonly Row[];
}

const distinct = (ids: readonly (string | null | undefined)[]): string[] => [
  ...new Set(ids.filter((one): one is string => typeof one === 'string')),
];

/** As many ids as the API takes in a filter. */
const atOnce = 40;

/** Of the tenants of a list; one that is not there any more is shown by its id. */
export async function tenantNames(
  api: Api,
  ids: readonly (string | null | undefined)[],
): Promise<(tenantId: string) => Html> {
  const asked = distinct(ids);
  const names = new Map<string, string>();
  for (let from = 0; from < asked.length; from += atOnce) {
    const { results } = await api.get<List<{ id: string; displayName: string }>>('/tenants', {
      filter: `tenantId=in=(${asked.slice(from, from + atOnce).join(',')})`,
      'page-size': atOnce,
    });
    for (const tenant of results) names.set(tenant.id, tenant.displayName);
  }
  return (tenantId) =>
    names.has(tenantId) ? named(names.get(tenantId), at`/tenants/${tenantId}`, tenantId) : id(tenantId);
}

/** Of one tenant's instances, by id. */
export async function instancesOf(api: Api, tenantId: string): Promise<ReadonlyMap<string, string>> {
  const { results } = await api.get<List<{ id: string; name: string }>>(at`/tenants/${tenantId}/instances`, {
    'page-size': 2_000,
  });
  return new Map(results.map(({ id: instanceId, name }) => [instanceId, name]));
}

/** Of instances of several tenants; one that is not there any more is called by its id. */
export async function instanceNames(
  api: Api,
  wanted: readonly { readonly tenantId: string; readonly instanceId: string }[],
): Promise<(tenantId: string, instanceId: string) => string> {
  const names = new Map<string, string>();
  const byTenant = Map.groupBy(wanted, ({ tenantId }) => tenantId);
  const asked = [...byTenant].map(async ([tenantId, some]) => {
    const ids = distinct(some.map(({ instanceId }) => instanceId));
    for (let from = 0; from < ids.length; from += atOnce) {
      const { results } = await api.get<List<{ id: string; name: string }>>(
        at`/tenants/${tenantId}/instances`,
        {
          filter: `instanceId=in=(${ids.slice(from, from + atOnce).join(',')})`,
          'page-size': atOnce,
        },
      );
      for (const { id: instanceId, name } of results) names.set(`${tenantId} ${instanceId}`, name);
    }
  });
  await Promise.all(asked);
  return (tenantId, instanceId) => names.get(`${tenantId} ${instanceId}`) ?? instanceId;
}
