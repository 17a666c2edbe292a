import { reports } from '../../store/schema.ts';
import type { Condition } from '../filter.ts';

/** A filter over reports as one tenant's history may hold it. */

function tenantsNamed(condition: Condition): readonly string[] {
  if (condition.kind !== 'compare') return condition.parts.flatMap(tenantsNamed);
  return condition.field.column === reports.tenantId ? condition.values.map(String) : [];
}

/** Without the other tenants that it names: whoever reads the history may see this one alone. */
export const filterOfTenant = (filter: string, condition: Condition, tenantId: string): string =>
  tenantsNamed(condition)
    .filter((named) => named !== tenantId)
    .reduce((text, named) => text.replaceAll(new RegExp(named, 'gi'), 'another-tenant'), filter);
