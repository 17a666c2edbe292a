import { credentialWarnMs } from '../../limits.ts';
import { readNameStates } from '../../store/acme.ts';
import { hasRole } from '../access.ts';
import type { AdminServices, Operator } from '../context.ts';
import { type Attention, byUrgency } from './attention.ts';
import {
  readExpiringApiKeys,
  readExpiringInstanceKeys,
  readFailed,
  readInstances,
  readTenants,
  readWaitingApprovals,
} from './attention-rows.ts';
import {
  ofAcmeName,
  ofApiKey,
  ofApproval,
  ofCertificate,
  ofFailed,
  ofInstance,
  ofInstanceKey,
  ofTenant,
} from './attention-words.ts';
import { createKept } from './kept.ts';

/**
 * Reads what needs a person in the operator's tenants, the most urgent first. Everybody with the same tenants shares an
 * answer that is a second or two old: many open overviews ask as much as one.
 */

type Services = Pick<AdminServices, 'acme' | 'sql' | 'certificateExpiry' | 'sharing'>;

function certificates({ certificateExpiry }: Services): Attention[] {
  return certificateExpiry()
    .filter(({ seconds }) => seconds * 1_000 < credentialWarnMs)
    .map((one) => ofCertificate(one, new Date(Date.now() + one.seconds * 1_000)));
}

/** Certificates by ACME that the last try did not bring. */
const readAcme = async ({ acme, sql }: Services) =>
  acme === undefined ? [] : (await readNameStates(sql, acme)).filter(({ lastError }) => lastError !== null);

/** `tenantIds` undefined: every tenant. */
async function read(
  services: Services,
  { seesKeys, tenantIds }: { readonly tenantIds: readonly string[] | undefined; readonly seesKeys: boolean },
): Promise<readonly Attention[]> {
  const { sql } = services;
  const [tenants, instances, failed, keys, approvals, apiKeys, acme] = await Promise.all([
    readTenants(sql, tenantIds),
    readInstances(sql, tenantIds),
    readFailed(sql, tenantIds),
    readExpiringInstanceKeys(sql, tenantIds),
    readWaitingApprovals(sql, tenantIds),
    seesKeys ? readExpiringApiKeys(sql) : [],
    tenantIds === undefined ? readAcme(services) : [],
  ]);
  return [
    ...tenants.flatMap(ofTenant),
    ...instances.map(ofInstance),
    ...failed.map(ofFailed),
    ...keys.map(ofInstanceKey),
    ...approvals.map(ofApproval),
    ...apiKeys.map(ofApiKey),
    ...acme.map(ofAcmeName),
    ...(tenantIds === undefined ? certificates(services) : []),
  ].sort(byUrgency);
}

export type ReadAttention = (operator: Operator) => Promise<readonly Attention[]>;

/** Keys of operators are shown to whom the API shows them. */
const seesKeys = (operator: Operator): boolean =>
  operator.tenantIds === undefined && hasRole(operator, 'admin');

/** The same text for operators to whom everything here is shown alike. */
export const scopeOf = (operator: Operator): string =>
  `${seesKeys(operator)} ${operator.tenantIds === undefined ? 'all' : operator.tenantIds.toSorted().join(' ')}`;

export function createAttention(services: Services): ReadAttention {
  const keep = createKept<readonly Attention[]>(services.sharing);
  return (operator) =>
    keep(scopeOf(operator), () =>
      read(services, { tenantIds: operator.tenantIds, seesKeys: seesKeys(operator) }),
    );
}
