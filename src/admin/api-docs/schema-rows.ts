import type { Document, Json, Schema } from './openapi.ts';

/** A schema as rows of a table: one a field, inner fields with their path. Pure. */

export interface FieldRow {
  /** `landing.choice`, `results[].id`; empty: the whole value. */
  readonly name: string;
  readonly type: string;
  readonly required: boolean;
  /** Further remarks of the schema: description, bounds, default. */
  readonly remarks: readonly string[];
}

type Schemas = Document['components']['schemas'];

const referencePrefix = '#/components/schemas/';
/** Deeper than any schema here; one that contains itself ends. */
const deepest = 6;

export function resolveSchema(schemas: Schemas, schema: Schema): Schema {
  if (schema.$ref === undefined) return schema;
  const { $ref, ...own } = schema;
  return { ...schemas[$ref.slice(referencePrefix.length)], ...own };
}

const text = (value: Json): string => (typeof value === 'string' ? value : JSON.stringify(value));

function typeText(schemas: Schemas, schema: Schema): string {
  if (schema.enum !== undefined) return schema.enum.map(text).join(' | ');
  if (schema.const !== undefined) return text(schema.const);
  const options = schema.oneOf ?? schema.anyOf;
  if (options !== undefined)
    return options.map((option) => typeText(schemas, resolveSchema(schemas, option))).join(' or ');
  const types = typeof schema.type === 'string' ? [schema.type] : (schema.type ?? ['any']);
  return types
    .map((type) => {
      if (type === 'array') return `${typeText(schemas, resolveSchema(schemas, schema.items ?? {}))}[]`;
      return type === 'string' && schema.format !== undefined ? schema.format : type;
    })
    .join(' | ');
}

const bound = (low: number | undefined, high: number | undefined, unit: string): string[] => {
  if (low === undefined && high === undefined) return [];
  if (high === undefined) return [`at least ${low}${unit}`];
  return [low === undefined || low === 0 ? `at most ${high}${unit}` : `${low} to ${high}${unit}`];
};

function remarks(schema: Schema): string[] {
  return [
    ...(schema.description === undefined ? [] : [schema.description]),
    ...bound(schema.minLength, schema.maxLength, ' characters'),
    ...bound(schema.minimum, schema.maximum, ''),
    ...bound(schema.minItems, schema.maxItems, ' entries'),
    ...(schema.default === undefined ? [] : [`default ${text(schema.default)}`]),
  ];
}

function innerRows(schemas: Schemas, given: Schema, name: string, depth: number): FieldRow[] {
  const schema = resolveSchema(schemas, given);
  if (depth > deepest) return [];
  const options = [...(schema.oneOf ?? []), ...(schema.anyOf ?? []), ...(schema.allOf ?? [])];
  const ofOptions = options.flatMap((option) => innerRows(schemas, option, name, depth + 1));
  const ofItems = schema.items === undefined ? [] : innerRows(schemas, schema.items, `${name}[]`, depth + 1);
  const ofProperties = Object.entries(schema.properties ?? {}).flatMap(([field, inner]) => {
    const whole = resolveSchema(schemas, inner);
    const path = name === '' ? field : `${name}.${field}`;
    const required = schema.required?.includes(field) ?? false;
    const row = { name: path, type: typeText(schemas, whole), required, remarks: remarks(whole) };
    return [row, ...innerRows(schemas, whole, path, depth + 1)];
  });
  const rows = [...ofProperties, ...ofItems, ...ofOptions];
  return rows.filter((row, at) => rows.findIndex(({ name: other }) => other === row.name) === at);
}

/** The result is never empty: a value without fields is a row of its own. */
export function schemaRows(schemas: Schemas, given: Schema): FieldRow[] {
  const rows = innerRows(schemas, given, '', 0);
  if (rows.length > 0) return rows;
  const schema = resolveSchema(schemas, given);
  return [{ name: '', type: typeText(schemas, schema), required: true, remarks: remarks(schema) }];
}
