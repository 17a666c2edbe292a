/** Compares what operators of Entra are bound to. An assignment is never ended here: whoever has none sees all tenants. */

import type { DeclaredOperator, PresentOperator } from './model.ts';
import type { OperatorPlan } from './plan.ts';

const textOf = (tenants: readonly string[] | null): string =>
  tenants === null ? 'all' : [...new Set(tenants)].sort().join();

export function diffOperators(
  declared: readonly DeclaredOperator[],
  present: readonly PresentOperator[],
): OperatorPlan[] {
  const assigned = new Map(
    present.filter(({ assignment }) => assignment === 'own').map((one) => [one.id, one.tenants] as const),
  );
  return declared.map((operator): OperatorPlan => {
    const before = assigned.get(operator.id);
    if (before === undefined) return { action: 'create', operator, before };
    return {
      action: textOf(before) === textOf(operator.tenants) ? 'none' : 'change',
      operator,
      before,
    };
  });
}
