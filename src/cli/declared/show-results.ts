/** Shows the results of a plan, for people and for machines. */

import type { OperatorResult } from './assign-operators.ts';
import type { StepResult } from './carry-out.ts';
import { countText } from './count-text.ts';
import type { KeyResult } from './make-keys.ts';
import type { Operation, OperationKind, TenantPlan } from './plan.ts';
import { printable } from './show-plan.ts';

export interface TenantResult {
  readonly tenant: TenantPlan;
  readonly steps: readonly StepResult[];
}

const verbs: Readonly<Record<OperationKind, string>> = {
  'create-tenant': 'created',
  'change-tenant': 'changed',
  'set-landing': 'landing set',
  'pause-tenant': 'paused',
  'resume-tenant': 'resumed',
  'delete-tenant': 'deleted',
  'create-instance': 'created',
  'change-instance': 'changed',
  'enable-instance': 'enabled',
  'disable-instance': 'disabled',
  'pause-instance': 'paused',
  'resume-instance': 'resumed',
  'delete-instance': 'deleted',
};

const subject = (operation: Operation): string =>
  'name' in operation ? `instance ${printable(operation.name)} ` : '';

/** One line a step; all of it is in the JSON. */
const firstLine = (text: string): string => printable(text.split('\n', 1)[0] ?? '');

function stepLine(displayName: string, { detail = '', operation, state }: StepResult): string {
  const what = `${printable(displayName)}: ${subject(operation)}${verbs[operation.kind]}`;
  switch (state) {
    case 'done':
      return what;
    case 'failed':
      return `${what}: FAILED: ${firstLine(detail)}`;
    case 'not-done':
      return `${what}: not done, since a step before it failed`;
    case 'waiting':
      return `${what}: WAITING for a second operator: ${detail}`;
  }
}

/** Behind the steps, so that those can be read one below the other. */
const warningLines = (displayName: string, { operation, warnings = [] }: StepResult): string[] =>
  warnings.map(
    ({ description, field }) =>
      `! ${printable(displayName)}: ${subject(operation).trimEnd()}${'name' in operation ? ': ' : ''}${field}: ${printable(description)}`,
  );

export const resultLines = ({ steps, tenant }: TenantResult): string[] => [
  ...steps.map((step) => stepLine(tenant.displayName, step)),
  ...steps.flatMap((step) => warningLines(tenant.displayName, step)),
];

export const keyLine = ({ detail, name, state }: KeyResult): string =>
  state === 'done'
    ? `key ${printable(name)} made, written to ${printable(detail)}`
    : `key ${printable(name)}: FAILED: ${firstLine(detail)}`;

export const operatorLine = ({ detail, id, state }: OperatorResult): string =>
  state === 'done' ? `operator ${id} bound` : `operator ${id}: FAILED: ${firstLine(detail)}`;

/** What was done beside the tenants, in the order in which it was. */
export interface OtherResults {
  readonly operators: readonly OperatorResult[];
  readonly keys: readonly KeyResult[];
}

export interface Totals {
  readonly done: number;
  readonly failed: number;
  readonly notDone: number;
  readonly waiting: number;
}

export function totalsOf(tenants: readonly TenantResult[], { keys, operators }: OtherResults): Totals {
  const states = [
    ...tenants.flatMap(({ steps }) => steps.map(({ state }) => state)),
    ...operators.map(({ state }) => state),
    ...keys.map(({ state }) => state),
  ];
  const count = (wanted: StepResult['state']): number => states.filter((state) => state === wanted).length;
  return {
    done: count('done'),
    failed: count('failed'),
    notDone: count('not-done'),
    waiting: count('waiting'),
  };
}

export function totalsLine({ done, failed, notDone, waiting }: Totals): string {
  const parts = [
    `${countText(done, 'step')} done`,
    ...(waiting > 0 ? [`${waiting} waiting for approval`] : []),
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(notDone > 0 ? [`${notDone} not done`] : []),
  ];
  const again = failed > 0 ? ' Mend what failed and run apply again: it goes on where it stopped.' : '';
  return `${parts.join(', ')}.${again}`;
}

export const resultsObject = (tenants: readonly TenantResult[], others: OtherResults) => ({
  totals: totalsOf(tenants, others),
  results: tenants.flatMap(({ steps, tenant }) =>
    steps.map(({ detail, operation, state, warnings }) => ({
      tenantId: tenant.tenantId,
      operation: operation.kind,
      ...('name' in operation ? { instance: operation.name } : {}),
      state,
      detail,
      warnings,
    })),
  ),
  operatorResults: others.operators,
  keyResults: others.keys,
});
