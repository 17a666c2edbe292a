/** Binds operators of Entra to tenants, before anything else is done: nobody sees meanwhile what is not to be seen. */

import { type AdminApi, CommandFailure } from '../admin-api.ts';
import type { OperatorPlan } from './plan.ts';

export interface OperatorResult {
  readonly id: string;
  readonly state: 'done' | 'failed';
  /** What went wrong. */
  readonly detail: string;
}

export async function assignOperators(
  api: AdminApi,
  plans: readonly OperatorPlan[],
): Promise<OperatorResult[]> {
  const results: OperatorResult[] = [];
  for (const { action, operator } of plans) {
    if (action === 'none') continue;
    const { id, tenants } = operator;
    try {
      await api.request('PUT /operators/{operatorId}', { path: { operatorId: id }, body: { tenants } });
      results.push({ id, state: 'done', detail: '' });
    } catch (error) {
      if (!(error instanceof CommandFailure)) throw error;
      results.push({ id, state: 'failed', detail: error.message });
    }
  }
  return results;
}
