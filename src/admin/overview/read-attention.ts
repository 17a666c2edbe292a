import { type Attention, byUrgency } from '../../alerts/attention.ts';
import {
  certificatesAttention,
  readAcmeAttention,
  readApiKeysAttention,
  readTargetsAttention,
  readTenantsAttention,
} from '../../alerts/read-attention.ts';
import { hasRole } from '../access.ts';
import type { AdminServices, Operator } from '../context.ts';
import { createKept } from './kept.ts';

/**
 * Reads what needs a person in the operator's tenants, the most urgent first. Everybody with the same tenants shares an
 * answer that is a second or two old: many open overviews ask as much as one.
 */

type Services = Pick<AdminServices, 'acme' | 'sql' | 'certificateExpiry' | 'sharing'>;

/** `tenantIds` undefined: every tenant. */
async function read(
  { acme, certificateExpiry, sql }: Services,
  { seesKeys, tenantIds }: { readonly tenantIds: readonly string[] | undefined; readonly seesKeys: boolean },
): Promise<readonly Attention[]> {
  const seesGateway = tenantIds === undefined;
  const [ofTenants, targets, apiKeys, acmeNames] = await Promise.all([
    readTenantsAttention(sql, tenantIds),
    readTargetsAttention(sql, tenantIds),
    seesKeys ? readApiKeysAttention(sql) : [],
    seesGateway ? readAcmeAttention(sql, acme) : [],
  ]);
  return [
    ...ofTenants.attention,
    ...targets,
    ...apiKeys,
    ...acmeNames,
    ...(seesGateway ? certificatesAttention(certificateExpiry) : []),
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
