/**
 * Finds resources that are declared twice, in the values as they stand in the files, before anything is known of their form:
 * a fault elsewhere must not hide it until the next run.
 */

import type { Fault } from './fault.ts';
import type { Path } from './locate.ts';
import type { Place } from './model.ts';
import { cleanName, identityOf } from './names.ts';
import { printable } from './show-plan.ts';

/** Something that bears a name or an id of its own. */
export interface Bearer {
  readonly what: 'instance' | 'key' | 'operator' | 'tenant';
  /** Two are compared only within the same scope. */
  readonly scope: unknown;
  readonly identity: string;
  /** Name as the file has it, without what nobody sees. */
  readonly shown: string;
  readonly place: Place;
}

const memberOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;

const listOf = (value: unknown, name: string): readonly unknown[] => {
  const list = memberOf(value, name);
  return Array.isArray(list) ? list : [];
};

/** `placeOf` finds the place of what a path leads to. */
export function bearersOf(value: unknown, placeOf: (path: Path) => Place): Bearer[] {
  const bearer = (
    what: Bearer['what'],
    scope: unknown,
    item: unknown,
    field: string,
    path: Path,
  ): Bearer[] => {
    const given = memberOf(item, field);
    if (typeof given !== 'string' || cleanName(given) === '') return [];
    const kind = `${what} ${field}`;
    const shown = field === 'name' ? cleanName(given) : cleanName(given).toLowerCase();
    const place = placeOf(path);
    return [{ what, scope, identity: `${kind} ${identityOf(given)}`, shown, place }];
  };
  const tenants = listOf(value, 'tenants');
  return [
    ...tenants.flatMap((tenant, at) => bearer('tenant', 'all', tenant, 'tenantId', ['tenants', at])),
    ...tenants.flatMap((tenant, at) => {
      // The scope is not the tenant's id: where the tenant itself is there twice, that is the fault.
      const scope = Symbol('tenant');
      return listOf(tenant, 'instances').flatMap((instance, index) => {
        const path = ['tenants', at, 'instances', index];
        return ['name', 'id'].flatMap((field) => bearer('instance', scope, instance, field, path));
      });
    }),
    ...listOf(value, 'keys').flatMap((key, at) => bearer('key', 'all', key, 'name', ['keys', at])),
    ...listOf(value, 'operators').flatMap((one, at) =>
      bearer('operator', 'all', one, 'id', ['operators', at]),
    ),
  ];
}

function faultOf({ place, shown, what }: Bearer, before: Bearer): Fault {
  const where = `${before.place.file}:${before.place.line}`;
  const alike =
    before.shown === shown
      ? ''
      : ` as ${printable(before.shown)}: names that differ in nothing but case or what nobody sees are the same`;
  const problem = `the ${what} ${printable(shown)} is declared already, at ${where}${alike}`;
  return { place, file: place.file, path: '', problem };
}

const order: readonly Bearer['what'][] = ['tenant', 'instance', 'key', 'operator'];

/** A fault for every one after the first with the same identity. */
export function findDuplicates(bearers: readonly Bearer[]): Fault[] {
  const first = new Map<unknown, Map<string, Bearer>>();
  const faults = bearers.flatMap((one) => {
    const scope = first.get(one.scope) ?? new Map<string, Bearer>();
    first.set(one.scope, scope);
    const before = scope.get(one.identity);
    if (before === undefined) scope.set(one.identity, one);
    return before === undefined ? [] : [{ what: one.what, fault: faultOf(one, before) }];
  });
  return order.flatMap((kind) => faults.flatMap(({ fault, what }) => (what === kind ? [fault] : [])));
}
