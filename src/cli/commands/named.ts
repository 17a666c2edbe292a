/** Tenants and instances by their names: an operator types one in the place of an id, and tables show it beside the id. */

import { type OperationName, pathOf } from '../../client/request.ts';
import { parseGuid } from '../../ids.ts';
import { nearestName } from '../../runtime/nearest-name.ts';
import type { AdminApi } from '../admin-api.ts';
import { lists as models } from '../api-model.ts';
import { findNamed } from '../declared/names.ts';
import { CommandFailure, exitCodes, usageFailure } from '../failure.ts';
import { fieldOf, isRow, type Row } from '../output/fields.ts';
import type { ListModel, Page } from '../output/list.ts';
import type { Column } from '../output/table.ts';
import { attributeOf } from './given.ts';
import { pagesOf } from './pages.ts';

export type NamedKind = 'instance' | 'tenant';

interface Named {
  readonly id: string;
  readonly name: string;
}

const lists: Readonly<Record<NamedKind, { readonly operation: OperationName; readonly name: string }>> = {
  tenant: { operation: 'GET /tenants', name: 'displayName' },
  instance: { operation: 'GET /tenants/{tenantId}/instances', name: 'name' },
};

async function readNamed(
  api: AdminApi,
  kind: NamedKind,
  tenantId: string,
  filter?: string,
): Promise<Named[]> {
  const { name, operation } = lists[kind];
  const pathFor = (paging: Readonly<Record<string, string>>): string =>
    pathOf(operation, { tenantId }, { ...paging, filter });
  const all = { page: undefined, pageSize: undefined, limit: undefined };
  const found: Named[] = [];
  for await (const { results } of pagesOf(api, pathFor, all))
    found.push(...results.map((row) => ({ id: String(row.id), name: String(row[name]) })));
  return found;
}

const quoted = ({ id, name }: Named): string => `${JSON.stringify(name)} (${id})`;

/**
 * The id for an id or a name; names that differ in case alone are the same unless one is spelt as it was typed.
 * Throws `CommandFailure` for a name that nothing or more than one has.
 */
export async function idOf(api: AdminApi, kind: NamedKind, typed: string, tenantId = ''): Promise<string> {
  if (parseGuid(typed) !== undefined) return typed;
  const all = await readNamed(api, kind, tenantId);
  const [found, ...others] = findNamed(all, typed);
  if (found !== undefined && others.length === 0) return found.id;
  if (found !== undefined)
    throw usageFailure(
      `several ${kind}s are called ${JSON.stringify(typed)}, give the id: ${[found, ...others].map(quoted).join(', ')}`,
    );
  const nearest = nearestName(
    typed,
    all.map(({ name }) => name),
  );
  const meant = all.find(({ name }) => name === nearest);
  throw new CommandFailure(
    exitCodes.notFound,
    `there is no ${kind} ${JSON.stringify(typed)}${meant === undefined ? '' : `; did you mean ${quoted(meant)}?`}`,
  );
}

interface MayBeNamed {
  readonly names?: NamedKind;
}

/** The values with ids in the place of names, tenants first: a name of an instance is looked for in its tenant. */
export async function withIds(
  api: AdminApi,
  given: Readonly<Record<string, unknown>>,
  options: readonly (MayBeNamed & { readonly flags: string })[],
  typed: readonly (MayBeNamed & { readonly name: string })[],
): Promise<Record<string, unknown>> {
  const named = [
    ...options.map(({ flags, names }) => ({ attribute: attributeOf(flags), names })),
    ...typed.map(({ name, names }) => ({ attribute: name, names })),
  ];
  const values: Record<string, unknown> = { ...given };
  for (const kind of ['tenant', 'instance'] as const) {
    const tenantId = String(values.tenantId ?? values.tenant ?? '');
    for (const { attribute } of named.filter(({ names }) => names === kind)) {
      const value = values[attribute];
      if (typeof value === 'string') values[attribute] = await idOf(api, kind, value, tenantId);
      if (!Array.isArray(value)) continue;
      const ids: string[] = [];
      for (const one of value) ids.push(await idOf(api, kind, String(one), tenantId));
      values[attribute] = ids;
    }
  }
  return values;
}

/** Number of ids that fit into one filter (`filterCharacters`). */
const idsAtOnce = 50;

interface Names {
  /** Looks the ids up that were not asked for before; an id whose tenant or instance was deleted has no name. */
  learn(kind: NamedKind, ids: readonly string[]): Promise<void>;
  of(id: string): string | undefined;
}

function createNames(api: AdminApi, tenantId: string): Names {
  const known = new Map<string, string | undefined>();
  return {
    learn: async (kind, ids) => {
      const unknown = [...new Set(ids)].filter((id) => !known.has(id));
      for (let from = 0; from < unknown.length; from += idsAtOnce) {
        const some = unknown.slice(from, from + idsAtOnce);
        for (const id of some) known.set(id, undefined);
        const found = await readNamed(api, kind, tenantId, `${kind}Id=in=(${some.join(',')})`);
        for (const { id, name } of found) known.set(id, name);
      }
    },
    of: (id) => known.get(id),
  };
}

/**
 * A list whose table has a column with the name beside each column of ids. Each id is looked up once, those of a page
 * together.
 */
export function withNames(
  api: AdminApi,
  { columns, pages }: { readonly pages: AsyncIterable<Page>; readonly columns: ListModel['columns'] },
  tenantId = '',
): { readonly pages: AsyncIterable<Page>; readonly columns: readonly Column[] } {
  const names = createNames(api, tenantId);
  const nameOf = (value: unknown): unknown =>
    Array.isArray(value) ? value.map((id) => names.of(id) ?? id) : names.of(String(value));

  const idsOf = (kind: NamedKind, rows: readonly Row[]): string[] => {
    const fields = columns.filter((column) => column.names === kind).map(({ field }) => field);
    return rows.flatMap((row) => fields.flatMap((field) => fieldOf(row, field) ?? [])).map(String);
  };

  async function* learned(): AsyncGenerator<Page> {
    for await (const page of pages) {
      await names.learn('tenant', idsOf('tenant', page.results));
      await names.learn('instance', idsOf('instance', page.results));
      yield page;
    }
  }

  return {
    pages: learned(),
    columns: columns.flatMap((column): Column[] => {
      const { field, importance = 1, names: kind, title } = column;
      if (kind === undefined) return [column];
      const beside = title === undefined ? kind : `${title} name`;
      return [column, { field, title: beside, importance: importance + 0.5, show: nameOf }];
    }),
  };
}

/** Fields of ids by the end of their path, as the lists of the API's document declare them. */
const kindOfField: ReadonlyMap<string, NamedKind> = new Map(
  Object.values(models).flatMap(({ columns }) =>
    columns.flatMap(({ field, names }) =>
      names === undefined ? [] : [[field.slice(field.lastIndexOf('.') + 1), names] as const],
    ),
  ),
);

function kindOf(field: string): NamedKind | undefined {
  if (/tenantId$/i.test(field)) return 'tenant';
  return /instanceId$/i.test(field) ? 'instance' : kindOfField.get(field);
}

const idsIn = (value: unknown): string[] =>
  (Array.isArray(value) ? value : [value]).filter(
    (id) => typeof id === 'string' && parseGuid(id) !== undefined,
  );

/** Every field of ids with its kind, in nested objects and lists of objects as well. */
function* fieldsOfIds(value: unknown): Generator<[NamedKind, string[]]> {
  if (Array.isArray(value)) for (const one of value) yield* fieldsOfIds(one);
  if (!isRow(value)) return;
  for (const [field, inner] of Object.entries(value)) {
    const kind = kindOf(field);
    if (kind !== undefined) yield [kind, idsIn(inner)];
    yield* fieldsOfIds(inner);
  }
}

/** The name or names for the ids of a field; undefined where there is none. */
function namesFor(field: string, value: unknown, names: Names): unknown {
  if (kindOf(field) === undefined) return undefined;
  const ids = idsIn(value);
  if (!Array.isArray(value)) return ids[0] === undefined ? undefined : names.of(ids[0]);
  return ids.length === 0 ? undefined : ids.map((id) => names.of(id) ?? id);
}

function besideIds(value: unknown, names: Names): unknown {
  if (Array.isArray(value)) return value.map((one) => besideIds(one, names));
  if (!isRow(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([field, inner]): [string, unknown][] => {
      const found = namesFor(field, inner, names);
      const beside = field.endsWith('Id') ? field.slice(0, -2) : `${field} name`;
      const own: [string, unknown] = [field, besideIds(inner, names)];
      return found === undefined || Object.hasOwn(value, beside) ? [own] : [own, [beside, found]];
    }),
  );
}

/** One answer with the name of each tenant and instance beside its id. */
export async function withNamesBeside(api: AdminApi, answer: Row, tenantId?: string): Promise<Row> {
  const names = createNames(api, tenantId ?? String(answer.tenantId ?? ''));
  const found = [...fieldsOfIds(answer)];
  const idsOf = (kind: NamedKind): string[] => found.flatMap(([of, ids]) => (of === kind ? ids : []));
  await names.learn('tenant', idsOf('tenant'));
  if (tenantId !== undefined || typeof answer.tenantId === 'string')
    await names.learn('instance', idsOf('instance'));
  return besideIds(answer, names) as Row;
}
