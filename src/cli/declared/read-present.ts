/** Reads what a gateway has over its admin API: tenants a few at a time, lists page by page. */

import { z } from 'zod';
import { type AdminApi, CommandFailure, exitCodes } from '../admin-api.ts';
import { presentInstance, presentKey, presentTenant } from './api-fields.ts';
import { inParallel } from './in-parallel.ts';
import type { Declared, Present, PresentKey, PresentOperator, PresentTenant } from './model.ts';

/** Requests at a time: quick for 500 tenants, and far from what a gateway notices. */
export const requestsAtOnce = 5;
const pageSize = 500;

/** Without its instances. Throws `ZodError` for an answer that is no tenant. */
export const readTenantAnswer = (body: unknown): PresentTenant => ({
  ...presentTenant.parse(body),
  instances: [],
});

const pageShape = z.object({ totalCount: z.number(), results: z.array(z.unknown()) });

/** `page` reads one with the query that it is given. */
async function readPages<Row>(
  page: (query: { readonly page: number; readonly 'page-size': number }) => Promise<unknown>,
  read: (row: unknown) => Row,
): Promise<Row[]> {
  const rows: Row[] = [];
  for (let number = 0; ; number += 1) {
    const { results, totalCount } = pageShape.parse(await page({ page: number, 'page-size': pageSize }));
    rows.push(...results.map(read));
    if (results.length === 0 || rows.length >= totalCount) return rows;
  }
}

const readTenants = (api: AdminApi): Promise<PresentTenant[]> =>
  readPages((query) => api.request('GET /tenants', { query }), readTenantAnswer);

export const tenantPath = (tenantId: string): string => `/tenants/${encodeURIComponent(tenantId)}`;

const withInstances = async (api: AdminApi, tenant: PresentTenant): Promise<PresentTenant> => ({
  ...tenant,
  instances: await readPages(
    (query) =>
      api.request('GET /tenants/{tenantId}/instances', { path: { tenantId: tenant.tenantId }, query }),
    (row) => presentInstance.parse(row),
  ),
});

/** undefined: the key sees no such tenant. */
export async function readTenant(api: AdminApi, tenantId: string): Promise<PresentTenant | undefined> {
  try {
    const answer = await api.request('GET /tenants/{tenantId}', { path: { tenantId } });
    return await withInstances(api, readTenantAnswer(answer));
  } catch (error) {
    if (error instanceof CommandFailure && error.exitCode === exitCodes.notFound) return undefined;
    throw error;
  }
}

/** Every tenant that the key may see, with its instances. */
export async function readAllTenants(api: AdminApi): Promise<PresentTenant[]> {
  const tenants = await readTenants(api);
  return inParallel(tenants, requestsAtOnce, (tenant) => withInstances(api, tenant));
}

async function readKeys(api: AdminApi): Promise<PresentKey[]> {
  const { results } = z.object({ results: z.array(presentKey) }).parse(await api.request('GET /keys'));
  return results;
}

const presentOperator = z.object({
  id: z.string(),
  name: z.string().nullable(),
  tenants: z.array(z.string()).nullable(),
  assignment: z.enum(['own', 'entra-tenant', 'none']),
});

/** Every operator of Entra whom the key sees. */
export const readOperators = (api: AdminApi): Promise<PresentOperator[]> =>
  readPages(
    (query) => api.request('GET /operators', { query }),
    (row) => presentOperator.parse(row),
  );

/** `all`: also tenants that the files do not name. Those come without their instances, which go with them. */
export async function readPresent(
  api: AdminApi,
  declared: Declared,
  { all }: { readonly all: boolean },
): Promise<Present> {
  const named = declared.tenants.map(({ tenantId }) => tenantId);
  const found = await inParallel(named, requestsAtOnce, (tenantId) => readTenant(api, tenantId));
  const tenants = found.flatMap((tenant) => (tenant === undefined ? [] : [tenant]));
  const others = all ? (await readTenants(api)).filter(({ tenantId }) => !named.includes(tenantId)) : [];
  return {
    tenants: [...tenants, ...others],
    keys: declared.keys.length > 0 ? await readKeys(api) : [],
    ...((declared.operators ?? []).length > 0 ? { operators: await readOperators(api) } : {}),
  };
}
