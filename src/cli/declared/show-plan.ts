/** A plan for people, line by line, and for machines. */

import { createHash } from 'node:crypto';
import { countText } from './count-text.ts';
import { describePlace } from './fault.ts';
import {
  type Action,
  changesAnything,
  countPlan,
  type FieldChange,
  type InstancePlan,
  type Plan,
  type PlanCounts,
  type Refusal,
  type Removal,
  type TenantPlan,
} from './plan.ts';

const sign: Readonly<Record<Action, string>> = { create: '+', change: '~', delete: '-', none: ' ' };

/** Names come from others: what a terminal would take for a command is written out. */
export const printable = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not reach a terminal
  text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, (character) => {
    const code = character.charCodeAt(0).toString(16).padStart(4, '0');
    return `\\u${code}`;
  });

const digits = 12;

function showValue(value: unknown): string {
  if (value === undefined || value === null) return '(none)';
  if (typeof value === 'string') {
    if (!value.includes('-----BEGIN ')) return printable(value);
    return `PEM, sha256 ${createHash('sha256').update(value).digest('hex').slice(0, digits)}`;
  }
  if (typeof value !== 'object') return String(value);
  if (Array.isArray(value)) return value.length === 0 ? '(none)' : value.map(showValue).join(', ');
  const members = Object.entries(value).flatMap(([name, member]) =>
    member === undefined ? [] : [`${name} ${showValue(member)}`],
  );
  return members.join(', ');
}

const fieldLine = (change: FieldChange, indent: string): string =>
  'before' in change && change.before !== undefined
    ? `${indent}${change.field}: ${showValue(change.before)} -> ${showValue(change.after)}`
    : `${indent}${change.field}: ${showValue(change.after)}`;

const removalText = (removal: Removal | undefined): string => {
  if (removal === undefined) return '';
  const { devices, moved = 0 } = removal;
  const count = countText(devices, 'device');
  return moved > 0 ? ` (${count}, ${moved} of them go to another instance)` : ` (${count})`;
};

const instanceLines = ({ action, fields, name, removal }: InstancePlan): string[] => [
  `    ${sign[action]} instance ${printable(name)}${removalText(removal)}`,
  ...fields.map((field) => fieldLine(field, '        ')),
];

function tenantLines({
  action,
  displayName,
  fields,
  instances,
  removal,
  tenantId,
  warnings,
}: TenantPlan): string[] {
  const changed = instances.filter((instance) => instance.action !== 'none');
  if (action === 'none' && changed.length === 0) return [];
  return [
    `${sign[action]} tenant ${printable(displayName)} (${tenantId})${removalText(removal)}`,
    ...fields.map((field) => fieldLine(field, '    ')),
    ...changed.flatMap(instanceLines),
    ...warnings.map((warning) => `    ! ${warning}`),
  ];
}

const keyLines = ({ keys }: Plan): string[] =>
  keys.flatMap(({ action, key, note }) => {
    if (action === 'create')
      return [
        `+ key ${printable(key.name)}, ${key.role} of ${key.tenants ? countText(key.tenants.length, 'tenant') : 'all tenants'}`,
      ];
    return note === undefined ? [] : [`  key ${printable(key.name)} ${note}`];
  });

const seenText = (tenants: readonly string[] | null): string =>
  tenants === null ? 'all tenants' : countText(tenants.length, 'tenant');

const operatorLines = ({ operators }: Plan): string[] =>
  operators
    .filter(({ action }) => action !== 'none')
    .map(({ action, before, operator }) => {
      const was = before === undefined ? '' : `${seenText(before)} -> `;
      return `${sign[action]} operator ${operator.id}: sees ${was}${seenText(operator.tenants)}`;
    });

export function refusalLines({ place, problem, remedy, subject }: Refusal): string[] {
  const where = place === undefined ? '' : `${describePlace(place)}: `;
  return [`${where}${printable(subject)}: ${printable(problem)}`, `    ${printable(remedy)}`];
}

const actions = ['create', 'change', 'delete'] as const;

/** Counts are shown only for what there is to do. */
const countParts = (counts: PlanCounts['tenants'], noun: string): string[] =>
  actions.flatMap((action) =>
    counts[action] > 0 ? [`${countText(counts[action], noun)} to ${action}`] : [],
  );

const refusedText = ({ refusals }: Plan): string =>
  `nothing is done, for ${refusals.length === 1 ? '1 part of it is' : `${refusals.length} parts of it are`} refused`;

function summary(plan: Plan): string {
  const isRefused = plan.refusals.length > 0;
  if (!changesAnything(plan)) {
    if (isRefused) return `Plan: ${refusedText(plan)}.`;
    const not = plan.keys.some(({ note }) => note !== undefined);
    return `Nothing to do: everything ${not ? 'else ' : ''}is as declared.`;
  }
  const { instances, keys, operators, tenants } = countPlan(plan);
  const parts = [
    ...countParts(tenants, 'tenant'),
    ...countParts(instances, 'instance'),
    ...(operators > 0 ? [`${countText(operators, 'operator')} to bind`] : []),
    ...(keys > 0 ? [`${countText(keys, 'key')} to make`] : []),
  ];
  return `Plan: ${parts.join(', ')}${isRefused ? `; ${refusedText(plan)}` : ''}.`;
}

/** Lines for people. A plan with a refusal ends with what is refused. */
export function planLines(plan: Plan): string[] {
  const lines = [...operatorLines(plan), ...plan.tenants.flatMap(tenantLines), ...keyLines(plan)];
  return [...lines, ...(lines.length > 0 ? [''] : []), summary(plan)];
}

/** The same for machines, without secrets, as they are in no plan. */
export const planObject = (plan: Plan) => ({
  changes: changesAnything(plan) || plan.refusals.length > 0,
  counts: countPlan(plan),
  tenants: plan.tenants.map(
    ({ action, displayName, fields, instances, operations, removal, tenantId, warnings }) => ({
      ...{ action, tenantId, displayName, fields, instances, removal, warnings },
      operations: operations.map((operation) =>
        'name' in operation ? { kind: operation.kind, instance: operation.name } : { kind: operation.kind },
      ),
    }),
  ),
  keys: plan.keys.map(({ action, key, note }) => ({
    action,
    name: key.name,
    role: key.role,
    tenants: key.tenants ?? null,
    note,
  })),
  operators: plan.operators.map(({ action, before, operator: { id, tenants } }) => ({
    action,
    id,
    before,
    tenants,
  })),
  refusals: plan.refusals,
});
