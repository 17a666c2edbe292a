import type { Document, Schema } from '../src/admin/api-docs/openapi.ts';
import { resolveSchema } from '../src/admin/api-docs/schema-rows.ts';
import { formatted } from './command-model.ts';

/** src/cli/declared/api-fields.ts: what `espalier.yaml` may say and what `apply` reads, made from the OpenAPI document. */

type Schemas = Document['components']['schemas'];
type Properties = Readonly<Record<string, Schema>>;

/** What a file says of a field: its faults are told in the words of src/cli/declared/values.ts. */
function writtenText({ enum: values, format, maxLength }: Schema): string {
  if (values !== undefined) return `z.enum(${JSON.stringify(values)})`;
  if (format === 'uuid') return 'guid';
  if (format === 'date-time') return 'instant';
  return maxLength === undefined ? 'z.string()' : `${format === 'uri' ? 'address' : 'text'}(${maxLength})`;
}

const readText = ({ const: only, enum: values }: Schema): string => {
  if (only !== undefined) return `z.literal(${JSON.stringify(only)})`;
  return values === undefined ? 'z.string()' : `z.enum(${JSON.stringify(values)})`;
};

const sizes = ({ maxItems, minItems }: Schema): string =>
  (minItems === undefined ? '' : `.min(${minItems})`) + (maxItems === undefined ? '' : `.max(${maxItems})`);

/** A schema as the code that makes it with zod. */
function code(schemas: Schemas, given: Schema, written: boolean): string {
  const schema = resolveSchema(schemas, given);
  const inner = (one: Schema): string => code(schemas, one, written);
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices !== undefined) {
    const some = choices.filter(({ type }) => type !== 'null').map(inner);
    const made = some.length === 1 ? some[0] : `z.union([${some.join(', ')}])`;
    return some.length === choices.length ? `${made}` : `${made}.nullable()`;
  }
  const types = [schema.type ?? 'string'].flat();
  const makers: Readonly<Record<string, () => string>> = {
    string: () => (written ? writtenText(schema) : readText(schema)),
    integer: () => 'z.number()',
    number: () => 'z.number()',
    boolean: () => 'z.boolean()',
    array: () => `z.array(${inner(schema.items ?? {})})${written ? sizes(schema) : ''}`,
    object: () =>
      `z.${written ? 'strictObject' : 'object'}({${fields(schemas, schema.properties ?? {}, written, schema.required ?? [])}})`,
  };
  const [type = ''] = types.filter((one) => one !== 'null');
  const make = makers[type];
  if (make === undefined) throw new Error(`a schema of the type ${type} is not known here`);
  return make() + (types.includes('null') ? '.nullable()' : '');
}

const fields = (
  schemas: Schemas,
  properties: Properties,
  written: boolean,
  required: readonly string[],
): string =>
  Object.entries(properties)
    .map(
      ([name, one]) =>
        `${name}: ${code(schemas, one, written)}${required.includes(name) ? '' : '.optional()'}`,
    )
    .join(',\n');

/** Those of the body that makes one and of the body that changes one; what a change refuses is as the other has it. */
function writable(schemas: Schemas, creation: string, change?: string): Properties {
  const created = schemas[creation]?.properties ?? {};
  const changed = Object.entries(schemas[change ?? '']?.properties ?? {}).filter(
    ([, one]) => !('not' in one),
  );
  return { ...created, ...Object.fromEntries(changed) };
}

export function declaredFields(document: Document): string {
  const { schemas } = document.components;
  const tenant = writable(schemas, 'NewTenant', 'TenantChange');
  const instance = writable(schemas, 'NewInstance', 'InstanceChange');
  const key = writable(schemas, 'NewApiKey');
  const present = (name: string, written: Properties, more: readonly string[]): string => {
    const shown = Object.entries(schemas[name]?.properties ?? {});
    const kept = shown.filter(([field]) => field in written || more.includes(field));
    return `z.object({${fields(schemas, Object.fromEntries(kept), false, schemas[name]?.required ?? [])}})`;
  };
  const answer = (name: string): string => code(schemas, schemas[name] ?? {}, false);
  return formatted(`import { z } from 'zod';
import { address, guid, instant, text } from './values.ts';

/** Made from the OpenAPI document of the admin API by \`npm run docs\`; change the schemas in src/admin/. */

/** What operators set of a tenant, an instance and a key. */
export const tenantFields = {${fields(schemas, tenant, true, ['tenantId'])}};
export const instanceFields = {${fields(schemas, instance, true, [])}};
export const keyFields = {${fields(schemas, key, true, schemas.NewApiKey?.required ?? [])}};

/** The same as the API shows it. */
export const presentTenant = ${present('Tenant', tenant, ['paused', 'versionLock'])};
export const presentInstance = ${present('Instance', instance, ['id', 'paused', 'versionLock'])};
export const presentKey = ${present('ApiKey', key, ['id'])};

/** Other answers that are read. */
export const created = ${answer('Created')};
export const createdKey = ${answer('CreatedApiKey')};
export const waitsForApproval = ${answer('WaitsForApproval')};
`);
}
