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

async function readPages<Row>(api: AdminApi, path: string, read: (row: unknown) => Row): Promise<Row[]> {
  const page = z.object({ totalCount: z.number(), results: z.array(z.unknown()) });
  const rows: Row[] = [];
  for (let number = 0; ; number += 1) {
    const answer = page.parse(await api.call('GET', `${path}?page=${number}&page-size=${pageSize}`));
    rows.push(...answer.results.map(read));
    if (answer.results.length === 0 || rows.length >= answer.totalCount) return rows;
  }
}

export const tenantPath = (tenantId: string): string => `/tenants/${encodeURIComponent(tenantId)}`;

const withInstances = async (api: AdminApi, tenant: PresentTenant): Promise<PresentTenant> => ({
  ...tenant,
  instances: await readPages(api, `${tenantPath(tenant.tenantId)}/instances`, (row) =>
    presentInstance.parse(row),
  ),
});

/** undefined: the key sees no such tenant. */
export async function readTenant(api: AdminApi, tenantId: string): Promise<PresentTenant | undefined> {
  try {
    return await withInstances(api, readTenantAnswer(await api.call('GET', tenantPath(tenantId))));
  } catch (error) {
    if (error instanceof CommandFailure && error.exitCode === exitCodes.notFound) return undefined;
    throw error;
  }
}

/** Every tenant that the key may see, with its instances. */
export async function readAllTenants(api: AdminApi): Promise<PresentTenant[]> {
  const tenants = await readPages(api, '/tenants', readTenantAnswer);
  return inParallel(tenants, requestsAtOnce, (tenant) => withInstances(api, tenant));
}

async function readKeys(api: AdminApi): Promise<PresentKey[]> {
  const { results } = z.object({ results: z.array(presentKey) }).parse(await api.call('GET', '/keys'));
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
  readPages(api, '/operators', (row) => presentOperator.parse(row));

/** `all`: also tenants that the files do not name. Those come without their instances, which go with them. */
export async function readPresent(
  api: AdminApi,
  declared: Declared,
  { all }: { readonly all: boolean },
): Promise<Present> {
  const named = declared.tenants.map(({ tenantId }) => tenantId);
  const found = await inParallel(named, requestsAtOnce, (tenantId) => readTenant(api, tenantId));
  const tenants = found.flatMap((tenant) => (tenant === undefined ? [] : [tenant]));
  const others = all
    ? (await readPages(api, '/tenants', readTenantAnswer)).filter(({ tenantId }) => !named.includes(tenantId))
    : [];
  return {
    tenants: [...tenants, ...others],
    keys: declared.keys.length > 0 ? await readKeys(api) : [],
    ...((declared.operators ?? []).length > 0 ? { operators: await readOperators(api) } : {}),
  };
}
