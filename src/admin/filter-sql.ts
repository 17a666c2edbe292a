import type { Fragment, Queries, Sql } from '../store/database.ts';
import type { Condition } from './filter.ts';
import type { FilterField } from './filter-fields.ts';

/** A filter's condition as SQL: columns out of the allow list, every value a parameter. */

type Comparison = Extract<Condition, { kind: 'compare' }>;

/** `*` to what `like` takes for any text; its own signs stand for themselves. */
const likePattern = (text: string): string => text.replaceAll(/[\\%_]/g, '\\$&').replaceAll('*', '%');

const isPattern = ({ field, values }: Comparison): boolean =>
  field.type === 'text' && field.wildcards === true && String(values[0]).includes('*');

function anyOf(sql: Sql, column: Fragment, type: FilterField['type'], values: readonly string[]): Fragment {
  switch (type) {
    case 'uuid':
      return sql`${column} = any(${values}::uuid[])`;
    case 'timestamp':
      return sql`${column} = any(${values}::timestamptz[])`;
    case 'integer':
      return sql`${column} = any(${values}::int8[])`;
    default:
      return sql`${column} = any(${values}::text[])`;
  }
}

function equals(sql: Sql, column: Fragment, { field, values }: Comparison): Fragment {
  const [value = ''] = values;
  if (field.type === 'boolean') return sql`${column} = ${value === true}`;
  if (field.type === 'timestamp') return sql`${column} = ${String(value)}::timestamptz`;
  if (field.type === 'integer') return sql`${column} = ${String(value)}::int8`;
  if (field.type === 'uuid') return sql`${column} = ${String(value)}::uuid`;
  const text = String(value);
  const present =
    field.type === 'enum' && Object.hasOwn(field.present ?? {}, text) ? field.present?.[text] : undefined;
  return present === undefined
    ? sql`${column} = ${text}`
    : sql`(${column} = ${text} and ${sql(present)} is not null)`;
}

const ordered = (sql: Sql, { type }: FilterField, value: string): Fragment =>
  type === 'integer' ? sql`${value}::int8` : sql`${value}::timestamptz`;

/** Where the column has no value, "not this" holds: SQL alone would say neither yes nor no. */
const not = (sql: Sql, holds: Fragment): Fragment => sql`(${holds}) is not true`;

function compare(sql: Sql, comparison: Comparison): Fragment {
  const { field, operator, values } = comparison;
  const column = sql`${sql(field.column)}`;
  const texts = values.map(String);
  const [time = ''] = texts;
  switch (operator) {
    case '==':
      return isPattern(comparison)
        ? sql`${column} like ${likePattern(time)}`
        : equals(sql, column, comparison);
    case '!=':
      return not(sql, compare(sql, { ...comparison, operator: '==' }));
    case '=in=':
      return anyOf(sql, column, field.type, texts);
    case '=out=':
      return not(sql, anyOf(sql, column, field.type, texts));
    // Times and numbers only (`readFilter`).
    case '>':
      return sql`${column} > ${ordered(sql, field, time)}`;
    case '>=':
      return sql`${column} >= ${ordered(sql, field, time)}`;
    case '<':
      return sql`${column} < ${ordered(sql, field, time)}`;
    case '<=':
      return sql`${column} <= ${ordered(sql, field, time)}`;
  }
}

/** A condition that stands after `where` or `and`; one without a filter holds for every row. */
export function conditionSql(queries: Queries, condition: Condition | undefined): Fragment {
  const sql = queries as Sql;
  if (condition === undefined) return sql`true`;
  if (condition.kind === 'compare') return compare(sql, condition);
  const parts = condition.parts.map((part) => conditionSql(sql, part));
  const joined = parts.reduce((left, right) =>
    condition.kind === 'and' ? sql`${left} and ${right}` : sql`${left} or ${right}`,
  );
  return sql`(${joined})`;
}
