import { Column, is, type SQL, type SQLWrapper, sql } from 'drizzle-orm';
import { makePgArray, PgDialect } from 'drizzle-orm/pg-core';
import type { Fragment, Queries, Sql } from '../store/database.ts';
import type { Condition } from './filter.ts';
import type { FilterField } from './filter-fields.ts';

/** A filter's condition as SQL: columns out of the allow list, every value a parameter. */

type Comparison = Extract<Condition, { kind: 'compare' }>;

/** `*` to what `like` takes for any text; its own signs stand for themselves. */
const likePattern = (text: string): string => text.replaceAll(/[\\%_]/g, '\\$&').replaceAll('*', '%');

const isPattern = ({ field, values }: Comparison): boolean =>
  field.type === 'text' && field.wildcards === true && String(values[0]).includes('*');

function anyOf(column: SQLWrapper, type: FilterField['type'], values: readonly string[]): SQL {
  const list = makePgArray([...values]);
  switch (type) {
    case 'uuid':
      return sql`${column} = any(${list}::uuid[])`;
    case 'timestamp':
      return sql`${column} = any(${list}::timestamptz[])`;
    case 'integer':
      return sql`${column} = any(${list}::int8[])`;
    case 'words':
      return sql`${column} && ${list}::text[]`;
    default:
      return sql`${column} = any(${list}::text[])`;
  }
}

function equals(column: SQLWrapper, { field, values }: Comparison): SQL {
  const [value = ''] = values;
  // A condition that stands by itself is planned as a join; compared with a value, it would be looked at row by row.
  if (field.type === 'boolean' && !is(column, Column))
    return value === true ? sql`${column}` : sql`not ${column}`;
  if (field.type === 'boolean') return sql`${column} = ${value === true}`;
  if (field.type === 'timestamp') return sql`${column} = ${String(value)}::timestamptz`;
  if (field.type === 'integer') return sql`${column} = ${String(value)}::int8`;
  if (field.type === 'uuid') return sql`${column} = ${String(value)}::uuid`;
  const text = String(value);
  if (field.type === 'words') return sql`${text} = any(${column})`;
  const present =
    field.type === 'enum' && Object.hasOwn(field.present ?? {}, text) ? field.present?.[text] : undefined;
  return present === undefined
    ? sql`${column} = ${text}`
    : sql`(${column} = ${text} and ${present} is not null)`;
}

const ordered = ({ type }: FilterField, value: string): SQL =>
  type === 'integer' ? sql`${value}::int8` : sql`${value}::timestamptz`;

/** A column without a value satisfies "not this": SQL alone would say neither yes nor no. */
const not = (holds: SQL): SQL => sql`(${holds}) is not true`;

function compare(comparison: Comparison): SQL {
  const { field, operator, values } = comparison;
  const { column } = field;
  const texts = values.map(String);
  const [first = ''] = texts;
  switch (operator) {
    case '==':
      return isPattern(comparison) ? sql`${column} like ${likePattern(first)}` : equals(column, comparison);
    case '!=':
      return not(compare({ ...comparison, operator: '==' }));
    case '=in=':
      return anyOf(column, field.type, texts);
    case '=out=':
      return not(anyOf(column, field.type, texts));
    // Times and numbers only (`readFilter`).
    case '>':
      return sql`${column} > ${ordered(field, first)}`;
    case '>=':
      return sql`${column} >= ${ordered(field, first)}`;
    case '<':
      return sql`${column} < ${ordered(field, first)}`;
    case '<=':
      return sql`${column} <= ${ordered(field, first)}`;
  }
}

/** A condition that stands after `where` or `and`. */
export function conditionSql(condition: Condition): SQL {
  if (condition.kind === 'compare') return compare(condition);
  const parts = condition.parts.map(conditionSql);
  return sql`(${sql.join(parts, condition.kind === 'and' ? sql` and ` : sql` or `)})`;
}

const dialect = new PgDialect();

/** A condition as a part of a statement that is written out. */
export function fragmentOf(queries: Queries, condition: SQL): Fragment {
  const { params, sql: text } = dialect.sqlToQuery(condition);
  const strings = text.split(/\$\d+/);
  const template = Object.assign(strings, { raw: strings }) as unknown as TemplateStringsArray;
  return (queries as Sql)(template, ...(params as string[]));
}
