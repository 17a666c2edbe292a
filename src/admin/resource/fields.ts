/** The fields of a resource: each follows from a column that is read, is made of the row, or comes beside it. */

import { z } from '@hono/zod-openapi';
import { type AnyColumn, Column, is, type SQL } from 'drizzle-orm';
import type { FilterField } from '../filter-fields.ts';
import { instant } from '../schemas.ts';

export type Value = AnyColumn | SQL | SQL.Aliased;
/** The columns that a resource may be made of, by name. A group belongs to a joined table, and is null where that has no row. */
export type Selection = Readonly<Record<string, Value | Readonly<Record<string, Value>>>>;

type DataOf<S> = S extends AnyColumn
  ? S['_']['notNull'] extends true
    ? S['_']['data']
    : S['_']['data'] | null
  : S extends SQL<infer T> | SQL.Aliased<infer T>
    ? T
    : { readonly [K in keyof S]: DataOf<S[K]> } | null;

export type RowOf<S> = { readonly [K in keyof S]: DataOf<S[K]> };

/** A column's value as JSON has it. */
type Plain<D> = D extends Date ? string : D;

/** Schemas of the field in the body that makes an object, and in the body that changes one. */
export interface Input {
  readonly create?: z.ZodType;
  readonly change?: z.ZodType;
}

export interface FieldOptions<I extends Input = Input> {
  /** `true`: by the column's type. `wildcards`: a text in which `*` stands for any other. A list: the values there are. */
  readonly filter?: true | 'wildcards' | readonly string[];
  /** By value, a column that is never null with it: the query names it, so that a partial index serves it. */
  readonly present?: Readonly<Record<string, AnyColumn>>;
  readonly sort?: true;
  /** Operators set it: the history shows how it was and is. */
  readonly setting?: true;
  /** Operators give it in the body of a request. */
  readonly input?: I;
  readonly description?: string;
  readonly example?: unknown;
}

export interface RowField<K extends PropertyKey, Z extends z.ZodType, I extends Input = Input>
  extends Pick<FieldOptions<I>, 'input' | 'setting'> {
  readonly schema: Z;
  /** The columns it is made of: no others are read. */
  readonly needs: readonly K[];
  readonly of: (row: never) => unknown;
  readonly filter?: FilterField;
  readonly sort?: Value;
}

export interface BesideField<K extends PropertyKey, Z extends z.ZodType> {
  readonly schema: Z;
  readonly needs: readonly K[];
  readonly beside: true;
}

export type Fields = Readonly<
  Record<string, RowField<PropertyKey, z.ZodType> | BesideField<PropertyKey, z.ZodType>>
>;

export interface FieldMakers<S extends Selection> {
  /** A column that is shown in another way. */
  column<K extends keyof S & string, Z extends z.ZodType, I extends Input = Input>(
    name: K,
    options: FieldOptions<I> & { readonly schema: Z; readonly show: (value: DataOf<S[K]>) => z.input<Z> },
  ): RowField<K, Z, I>;
  /** A column as it is, of which its schema says more than its type does. */
  column<
    K extends keyof S & string,
    Z extends z.ZodType<unknown, Plain<DataOf<S[K]>>>,
    I extends Input = Input,
  >(name: K, options: FieldOptions<I> & { readonly schema: Z }): RowField<K, Z, I>;
  /** A column as it is; its schema follows from its type. */
  column<K extends keyof S & string, I extends Input = Input>(
    name: K,
    options?: FieldOptions<I>,
  ): RowField<K, z.ZodType<Plain<DataOf<S[K]>>>, I>;
  /** Made of several. */
  made<K extends keyof S & string, Z extends z.ZodType, I extends Input = Input>(
    schema: Z,
    needs: readonly K[],
    of: (row: Pick<RowOf<S>, K>) => z.input<Z>,
    options?: Pick<FieldOptions<I>, 'input' | 'setting'>,
  ): RowField<K, Z, I>;
  /** Known elsewhere: whoever shows the row gives it too, perhaps with the help of what it `needs` of the row. */
  beside<Z extends z.ZodType, K extends keyof S & string = never>(
    schema: Z,
    needs?: readonly K[],
  ): BesideField<K, Z>;
}

function columnSchema({ columnType, dataType, name, notNull }: Column): z.ZodType {
  const schemas: Readonly<Record<string, () => z.ZodType>> = {
    string: () => z.string(),
    boolean: () => z.boolean(),
    date: () => instant,
    number: () => (columnType === 'PgReal' ? z.number() : z.number().int()),
  };
  const made = schemas[dataType]?.();
  if (made === undefined) throw new Error(`the column ${name} needs a schema of its own`);
  return notNull ? made : made.nullable();
}

function columnFilter(column: Value, { filter, present }: FieldOptions): FilterField {
  if (Array.isArray(filter)) return { type: 'enum', column, values: filter, ...(present ? { present } : {}) };
  if (filter === 'wildcards') return { type: 'text', column, wildcards: true };
  if (!is(column, Column)) throw new Error('only a column says by its type how it is compared');
  if (column.columnType === 'PgArray') return { type: 'words', column };
  if (column.columnType === 'PgUUID') return { type: 'uuid', column };
  const types = { string: 'text', boolean: 'boolean', date: 'timestamp', number: 'integer' } as const;
  const type = types[column.dataType as keyof typeof types];
  if (type === undefined) throw new Error(`nothing is compared with the column ${column.name}`);
  return { type, column };
}

/** A creation has to say it. */
export const required = <Z extends z.ZodType>(schema: Z) => ({ create: schema, change: schema.optional() });
/** A creation may leave it out, a change may end it. */
export const optional = <Z extends z.ZodType>(schema: Z) => ({
  create: schema.optional(),
  change: schema.nullable().optional(),
});
/** A creation may leave it out for `value`. */
export const defaulting = <Z extends z.ZodType>(schema: Z, value: z.util.NoUndefined<z.output<Z>>) => ({
  create: schema.default(value),
  change: schema.optional(),
});

const plain = (value: unknown): unknown => (value instanceof Date ? value.toISOString() : value);

/** A name that a filter may use although no field of that name is shown. */
export const filterOnly = (column: AnyColumn, options: Omit<FieldOptions, 'sort'> = { filter: true }) =>
  columnFilter(column, options);

interface AnyOptions extends FieldOptions {
  readonly schema?: z.ZodType;
  readonly show?: (value: unknown) => unknown;
}

export function fieldMakers<S extends Selection>(select: S): FieldMakers<S> {
  const column = (name: string, options: AnyOptions = {}) => {
    const { description, example, filter, input, setting, show = plain, sort } = options;
    const value = select[name] as Value;
    const schema = options.schema ?? columnSchema(value as Column);
    const documented = { ...(description && { description }), ...(example === undefined ? {} : { example }) };
    return {
      schema: Object.keys(documented).length === 0 ? schema : schema.openapi(documented),
      needs: [name],
      of: (row: Readonly<Record<string, unknown>>) => show(row[name]),
      ...(filter === undefined ? {} : { filter: columnFilter(value, options) }),
      ...(sort ? { sort: value } : {}),
      ...(setting ? { setting } : {}),
      ...(input ? { input } : {}),
    };
  };
  const made = (schema: z.ZodType, needs: readonly string[], of: unknown, options: object = {}) => ({
    schema,
    needs,
    of,
    ...options,
  });
  const beside = (schema: z.ZodType, needs: readonly string[] = []) => ({ schema, needs, beside: true });
  return { column, made, beside } as unknown as FieldMakers<S>;
}
