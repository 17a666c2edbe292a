/** Values made of the schemas of an OpenAPI document: right ones, and ones that are wrong in one place or in many. */

import fc from 'fast-check';
import type { Document, Schema } from '../../src/admin/api-docs/openapi.ts';
import { resolveSchema } from '../../src/admin/api-docs/schema-rows.ts';

type Schemas = Document['components']['schemas'];

/** Characters that break readers: signs that end texts, that PostgreSQL does not store, that mean something elsewhere. */
const nastyTexts = fc.constantFrom(
  '',
  ' ',
  '\0',
  '\u0000a',
  '\ud800',
  '\ufeff',
  "'; drop table tenants; --",
  '%00',
  '../../etc/passwd',
  '{{7*7}}',
  '\r\nx-injected: 1',
  '٣',
  '1e309',
  '-0',
  'null',
  'undefined',
  '__proto__',
  'a'.repeat(10_000),
  '9'.repeat(400),
  '2026-02-30T25:61:61Z',
  '+275760-09-13T00:00:00.001Z',
  '0000-01-01T00:00:00Z',
  'https://[::1',
  'https://169.254.169.254/',
  'https://user:pass@localhost:1/',
  '00000000-0000-0000-0000-000000000000',
  '-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----',
);

export const anyText = fc.oneof(
  nastyTexts,
  fc.string({ maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.uuid(),
);

const nastyNumbers = fc.constantFrom(-1, 0, 1.5, 2 ** 31, 2 ** 53, -(2 ** 63), 1e308, 101);

/** Any JSON at all. */
const anyValue = fc.oneof(
  anyText,
  nastyNumbers,
  fc.boolean(),
  fc.constant(null),
  fc.jsonValue({ maxDepth: 3 }),
  fc.constant(JSON.parse('{"__proto__": {"admin": true}, "constructor": {"prototype": {}}}') as fc.JsonValue),
);

const textOf = (schema: Schema): fc.Arbitrary<unknown> => {
  switch (schema.format) {
    case 'uuid':
      return fc.uuid();
    case 'date-time':
      return fc
        .date({ min: new Date('2000-01-01'), max: new Date('2100-01-01'), noInvalidDate: true })
        .map((date) => date.toISOString());
    case 'uri':
      // Names that resolve nowhere: what a test makes up must not be looked up outside.
      return fc.constantFrom('https://berlin.invalid', 'https://localhost:1/x', 'https://10.1.2.3');
    default:
      return fc.string({
        minLength: schema.minLength ?? 0,
        maxLength: Math.min(schema.maxLength ?? 60, (schema.minLength ?? 0) + 60),
      });
  }
};

/** Values that the schema takes. */
export function fitting(schemas: Schemas, given: Schema, depth = 0): fc.Arbitrary<unknown> {
  const schema = resolveSchema(schemas, given);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  if (schema.const !== undefined) return fc.constant(schema.const);
  const options = schema.oneOf ?? schema.anyOf;
  if (options !== undefined) return fc.oneof(...options.map((option) => fitting(schemas, option, depth + 1)));
  const types = typeof schema.type === 'string' ? [schema.type] : (schema.type ?? ['object']);
  return fc.oneof(...types.map((type) => ofType(schemas, schema, type, depth)));
}

function ofType(schemas: Schemas, schema: Schema, type: string, depth: number): fc.Arbitrary<unknown> {
  switch (type) {
    case 'null':
      return fc.constant(null);
    case 'boolean':
      return fc.boolean();
    case 'integer':
      return fc.integer({
        min: schema.minimum ?? -1_000,
        max: Math.min(schema.maximum ?? 1_000_000, 2 ** 31 - 1),
      });
    case 'number':
      return fc.double({ min: schema.minimum ?? 0, max: schema.maximum ?? 1_000, noNaN: true });
    case 'string':
      return schema.example !== undefined && depth > 0
        ? fc.oneof(fc.constant(schema.example), textOf(schema))
        : textOf(schema);
    case 'array':
      return fc.array(fitting(schemas, schema.items ?? {}, depth + 1), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(schema.maxItems ?? 3, (schema.minItems ?? 0) + 3),
      });
    default: {
      const properties = Object.entries(schema.properties ?? {});
      const required = new Set(schema.required ?? []);
      return fc.record(
        Object.fromEntries(properties.map(([name, inner]) => [name, fitting(schemas, inner, depth + 1)])),
        { requiredKeys: properties.map(([name]) => name).filter((name) => required.has(name)) },
      );
    }
  }
}

type Place = readonly (string | number)[];

const placesIn = (value: unknown, here: Place = []): Place[] =>
  typeof value === 'object' && value !== null
    ? [here, ...Object.entries(value).flatMap(([name, inner]) => placesIn(inner, [...here, name]))]
    : [here];

function put(value: unknown, [first, ...rest]: Place, other: unknown): unknown {
  if (first === undefined) return other;
  if (Array.isArray(value))
    return value.map((entry, at) => (String(at) === first ? put(entry, rest, other) : entry));
  const inner = (value as Record<string, unknown>)[first];
  return { ...(value as object), [first]: put(inner, rest, other) };
}

/** Values that fit but for one place, where anything stands; or with one member that is not known. */
export const almostFitting = (schemas: Schemas, schema: Schema): fc.Arbitrary<unknown> =>
  fitting(schemas, schema).chain((value) => {
    const places = placesIn(value);
    return fc.oneof(
      {
        weight: 4,
        arbitrary: fc
          .tuple(fc.constantFrom(...places), anyValue)
          .map(([place, other]) => put(value, place, other)),
      },
      { weight: 1, arbitrary: anyText.map((name) => ({ ...(value as object), [name]: 1 })) },
      { weight: 1, arbitrary: fc.constant(value) },
      { weight: 1, arbitrary: anyValue },
    );
  });
