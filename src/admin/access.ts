import type { Context, MiddlewareHandler } from 'hono';
import { LRUCache } from 'lru-cache';
import { parseGuid } from '../ids.ts';
import { ProblemError, problem } from '../problems.ts';
import { hashKey, presentedKey } from '../secrets/keys.ts';
import type { Sql } from '../store/database.ts';
import { readTenant, type Tenant } from '../store/tenants.ts';
import type { AdminEnv, Operator, Role } from './context.ts';

/** Who may do what on the admin listener (contract section 8). */

const rank: Record<Role, number> = { viewer: 0, operator: 1, admin: 2 };
const freshForMs = 1_000;
const noteUseEveryMs = 60_000;

const unauthenticated = (): ProblemError =>
  new ProblemError(
    problem('unauthenticated', 'Give an admin API key as Authorization: Bearer esp_….', {
      headers: { 'www-authenticate': 'Bearer realm="espalier"' },
    }),
  );

/** Compares without telling by time where two texts differ. */
async function sameText(a: string, b: string): Promise<boolean> {
  return (await hashKey(a)) === (await hashKey(b));
}

/** Until the first key is made that may do as much. */
export async function bootstrapWorks(sql: Sql): Promise<boolean> {
  const [admin] = await sql`
    select 1 from api_keys where role = 'admin' and tenant_ids is null limit 1`;
  return admin === undefined;
}

async function bootstrapOperator(
  sql: Sql,
  bootstrapKey: string | undefined,
  key: string,
): Promise<Operator | undefined> {
  if (bootstrapKey === undefined || !(await sameText(bootstrapKey, key))) return undefined;
  return (await bootstrapWorks(sql))
    ? { kind: 'bootstrap', name: 'bootstrap', id: undefined, role: 'admin', tenantIds: undefined }
    : undefined;
}

/** Every request must carry a live key; the operator it belongs to is in the context afterwards. */
export function authenticate(sql: Sql, bootstrapKey: string | undefined): MiddlewareHandler<AdminEnv> {
  const cache = new LRUCache<string, Operator>({
    max: 10_000,
    ttl: freshForMs,
    ttlResolution: 0,
  });
  const noted = new LRUCache<string, number>({ max: 10_000 });
  const lookUp = async (key: string): Promise<Operator | undefined> => {
    const hash = await hashKey(key);
    const known = cache.get(hash);
    if (known) return known;
    const [row] = await sql<{ keyId: string; name: string; role: Role; tenantIds: string[] | null }[]>`
      select key_id as "keyId", name, role, tenant_ids as "tenantIds" from api_keys
      where key_hash = ${hash} and revoked_at is null and (expires_at is null or expires_at > now())`;
    if (!row) return undefined;
    const { keyId, name, role, tenantIds } = row;
    const operator: Operator = {
      kind: 'key',
      name: `key ${name}`,
      id: keyId,
      role,
      tenantIds: tenantIds ?? undefined,
    };
    cache.set(hash, operator);
    if (Date.now() - (noted.get(keyId) ?? 0) > noteUseEveryMs) {
      noted.set(keyId, Date.now());
      await sql`update api_keys set last_used_at = now() where key_id = ${keyId}`;
    }
    return operator;
  };
  return async (c, next) => {
    const key = presentedKey(c.req.raw.headers);
    if (key === undefined || key === '') throw unauthenticated();
    const operator = (await lookUp(key)) ?? (await bootstrapOperator(sql, bootstrapKey, key));
    if (!operator) throw unauthenticated();
    c.set('operator', operator);
    await next();
  };
}

/** Throws `forbidden` when the operator's role is too low. */
export function requireRole(c: Context<AdminEnv>, role: Role): Operator {
  const operator = c.get('operator');
  if (rank[operator.role] < rank[role]) {
    throw new ProblemError(
      problem('forbidden', `This needs the role ${role}; the key has ${operator.role}.`),
    );
  }
  return operator;
}

/** Throws `forbidden` for a key that is bound to tenants: what it asks is about all of them. */
export function requireUnbound(c: Context<AdminEnv>): void {
  if (c.get('operator').tenantIds !== undefined) {
    throw new ProblemError(problem('forbidden', 'This needs a key that is not bound to tenants.'));
  }
}

export const maySee = (operator: Operator, tenantId: string): boolean =>
  operator.tenantIds === undefined || operator.tenantIds.includes(tenantId);

export const unknownTenant = (): ProblemError =>
  new ProblemError(problem('tenant-unknown', 'There is no such tenant.'));

/** The tenant of the path; another operator's tenant is as unknown as one that does not exist. */
export async function tenantOf(c: Context<AdminEnv>, sql: Sql): Promise<Tenant> {
  const tenantId = parseGuid(c.req.param('tenantId'));
  const tenant =
    tenantId !== undefined && maySee(c.get('operator'), tenantId)
      ? await readTenant(sql, tenantId)
      : undefined;
  if (!tenant) throw unknownTenant();
  return tenant;
}
