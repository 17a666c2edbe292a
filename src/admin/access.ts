import type { Context, MiddlewareHandler } from 'hono';
import type { Attempts } from '../gateway/attempts.ts';
import { parseGuid } from '../ids.ts';
import { ProblemError, problem } from '../problems.ts';
import { presentedKey } from '../secrets/keys.ts';
import type { Sql } from '../store/database.ts';
import { readFence } from '../store/placements.ts';
import type { Role } from '../store/row-types.ts';
import { readTenant, type Tenant } from '../store/tenants/tenant.ts';
import { type AdminEnv, type AdminServices, askingPage, type Operator } from './context.ts';
import { sessionCookie } from './operators/cookies.ts';
import { csrfFault, csrfHeader, isSafeMethod } from './operators/csrf.ts';
import type { EntraBindings } from './operators/entra-bindings.ts';
import { looksLikeToken, operatorOfToken } from './operators/entra-operators.ts';
import type { KeyOperators } from './operators/key-operators.ts';
import {
  findSession,
  type LiveSessions,
  type Session,
  type ShownSession,
  shownSession,
} from './operators/sessions.ts';
import { isWrite } from './writes.ts';

/** Roles and tenants decide access on the admin listener (contract section 8). */

const rank: Record<Role, number> = { viewer: 0, operator: 1, admin: 2 };

const unauthenticated = (detail: string): ProblemError =>
  new ProblemError(
    problem('unauthenticated', detail, { headers: { 'www-authenticate': 'Bearer realm="espalier"' } }),
  );

const showsCredential = ({ headers }: Request): boolean =>
  headers.has('authorization') || headers.has('x-api-key');

/**
 * A request that a page makes by itself does not prolong the session: a browser that nobody sits at would never be signed
 * out. Whoever sends the header for other requests shortens his own session only.
 */
const isAutomatic = (c: Context<AdminEnv>): boolean =>
  isSafeMethod(c.req.method) &&
  (c.req.path === '/api/v1/events' || c.req.header('x-espalier-refresh') !== undefined);

/** Where keys and sessions are looked for. */
export interface Credentials {
  readonly keys: KeyOperators;
  readonly bindings: EntraBindings;
  readonly live: LiveSessions;
}

/** Sessions that were found for a page which is being made. */
const sessionsOfPages = new WeakMap<object, Session>();

/** The live session of the request's cookie; a write has to come from our own pages, too. */
async function sessionOf(
  c: Context<AdminEnv>,
  { adminUrl, operators, sql }: Pick<AdminServices, 'adminUrl' | 'operators' | 'sql'>,
  credentials: Credentials,
  shown: ShownSession,
): Promise<Session> {
  const authorities = { ...credentials, tenantIds: operators?.tenantIds ?? [] };
  const isSafe = isSafeMethod(c.req.method);
  const page = c.env?.[askingPage];
  const known = isSafe && page !== undefined ? sessionsOfPages.get(page) : undefined;
  const session = known ?? (await findSession(sql, authorities, shown, { isUse: !isAutomatic(c) }));
  if (session === undefined) throw unauthenticated('The session has ended: sign in again at /sign-in.');
  if (page !== undefined) sessionsOfPages.set(page, session);
  if (!isSafe) {
    const fault = await csrfFault(c.req.raw.headers, adminUrl(), session, c.req.header(csrfHeader));
    if (fault !== undefined) throw new ProblemError(problem('forbidden', fault));
  }
  return session;
}

/**
 * Every request must carry a live key, a token of Entra or the cookie of a session; the operator it belongs to is in the
 * context afterwards. A key or token that is shown decides alone, whatever cookie comes with it.
 */
export function authenticate(
  services: Pick<AdminServices, 'adminUrl' | 'operators' | 'sql'>,
  credentials: Credentials,
  attempts: Attempts,
): MiddlewareHandler<AdminEnv> {
  const { bindings, keys } = credentials;
  const credentialOperator = async (c: Context<AdminEnv>): Promise<Operator> => {
    const credential = presentedKey(c.req.raw.headers);
    if (credential === undefined || credential === '')
      throw unauthenticated('The Authorization header holds no bearer key or token.');
    const { operators } = services;
    const source = c.get('source');
    if (operators !== undefined && looksLikeToken(credential)) {
      const found = await operatorOfToken(operators, bindings, credential);
      if (found.ok) return found.operator;
      const limited = found.problem.slug === 'unauthenticated' ? attempts.wrong(source) : undefined;
      throw new ProblemError(limited ?? found.problem);
    }
    const operator = await keys.find(credential);
    if (operator !== undefined) return operator;
    const limited = attempts.wrong(source);
    throw limited
      ? new ProblemError(limited)
      : unauthenticated('The key is not known, has expired or was revoked.');
  };
  return async (c, next) => {
    if (showsCredential(c.req.raw)) {
      c.set('operator', await credentialOperator(c));
      c.set('identify', () => credentialOperator(c));
    } else {
      const cookie = sessionCookie(c);
      if (cookie === undefined) {
        throw unauthenticated(
          'Give an admin API key as Authorization: Bearer esp_…, or sign in at /sign-in.',
        );
      }
      const shown = await shownSession(cookie);
      const session = await sessionOf(c, services, credentials, shown);
      c.set('operator', session.operator);
      c.set('identify', async () => (await sessionOf(c, services, credentials, shown)).operator);
      c.set('session', session);
    }
    await next();
  };
}

export const hasRole = (operator: Operator, role: Role): boolean => rank[operator.role] >= rank[role];

/** Throws `forbidden` when the operator's role is too low. */
export function requireRole(c: Context<AdminEnv>, role: Role): Operator {
  const operator = c.get('operator');
  if (!hasRole(operator, role)) {
    throw new ProblemError(problem('forbidden', `This needs the role ${role}; yours is ${operator.role}.`));
  }
  return operator;
}

/** Throws `forbidden` for an operator who is bound to tenants: what is asked is about all of them. */
export function requireUnbound(c: Context<AdminEnv>): void {
  if (c.get('operator').tenantIds !== undefined) {
    throw new ProblemError(problem('forbidden', 'This needs an operator who is not bound to tenants.'));
  }
}

export const maySee = (operator: Operator, tenantId: string): boolean =>
  operator.tenantIds === undefined || operator.tenantIds.includes(tenantId);

export const unknownTenant = (): ProblemError =>
  new ProblemError(problem('tenant-unknown', 'There is no such tenant.'));

/** The tenant of the path; another operator's tenant is as unknown as one that does not exist. */
export const tenantOf = (c: Context<AdminEnv>, sql: Sql): Promise<Tenant> =>
  requireTenant(c, sql, c.req.param('tenantId'));

/** The same for a text of the path that says which one. */
export async function requireTenant(
  c: Context<AdminEnv>,
  sql: Sql,
  text: string | undefined,
): Promise<Tenant> {
  const tenantId = parseGuid(text);
  const tenant =
    tenantId !== undefined && maySee(c.get('operator'), tenantId)
      ? await readTenant(sql, tenantId)
      : undefined;
  if (!tenant) throw unknownTenant();
  if (isWrite(c.req.method) && !isOfMoving(c.req) && (await readFence(sql, tenant.tenantId))) {
    throw new ProblemError(
      problem('conflict', 'The tenant is moving to another deployment: nothing may be changed here.'),
    );
  }
  return tenant;
}

/** The writes of a tenant that is moving: its move, and its removal at the end (docs/cells.md). */
const isOfMoving = ({ method, path }: { readonly method: string; readonly path: string }): boolean =>
  /^\/api\/v1\/tenants\/[^/]+\/move-(in|out(\/relay)?)$/.test(path) ||
  (method === 'DELETE' && /^\/api\/v1\/tenants\/[^/]+$/.test(path));
