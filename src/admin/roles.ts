import type { Role } from '../store/row-types.ts';

/**
 * The role that an operation takes, for the document (contract section 8): a viewer reads; an operator also writes
 * devices, routes, moves and reports and runs tests, reconcile, resync, pause and resume; an admin does everything.
 * The handlers check it themselves; test/system/api-isolation.test.ts holds both together.
 */

const tenant = '/api/v1/tenants/{tenantId}';

const operatorWrites: readonly RegExp[] = [
  /\/(devices|routes|moves|reports|approvals|holds)(\/|$)/,
  /\/(test|reconcile|resync)$/,
  /^\/api\/v1\/tenants\/\{tenantId\}(\/instances\/\{instanceId\})?\/(pause|resume)$/,
];

/** Everybody ends his own sessions. */
const viewerWrites: readonly RegExp[] = [/^\/api\/v1\/sessions\//];

/** These paths show who may do what, or all secrets of a tenant, so even reading them takes an admin. */
const adminReads: readonly RegExp[] = [/^\/api\/v1\/(keys|operators)(\/|$)/, /\/move-out\/file$/];

/** `path` as the document has it. */
export function requiredRole(method: string, path: string): Role {
  if (method === 'get') return adminReads.some((pattern) => pattern.test(path)) ? 'admin' : 'viewer';
  if (viewerWrites.some((pattern) => pattern.test(path))) return 'viewer';
  return operatorWrites.some((pattern) => pattern.test(path)) ? 'operator' : 'admin';
}

/** True for an operation about one tenant, so that another's is not found. */
export const isTenants = (path: string): boolean => path.startsWith(tenant);
