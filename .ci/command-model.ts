import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { type Document, type Operation, parametersOf, type Schema } from '../src/admin/api-docs/openapi.ts';
import { resolveSchema } from '../src/admin/api-docs/schema-rows.ts';

/** src/cli/api-model.ts: what the command line knows of the admin API, made from its OpenAPI document. */

type Schemas = Document['components']['schemas'];

const root = join(import.meta.dirname, '..');
const apiPrefix = '/api/v1';

/** The properties of a schema that is an object or null; undefined where it may be objects of several shapes. */
function propertiesOf(schemas: Schemas, given: Schema): Readonly<Record<string, Schema>> | undefined {
  const schema = resolveSchema(schemas, given);
  if (schema.allOf !== undefined)
    return Object.assign({}, ...schema.allOf.map((part) => propertiesOf(schemas, part)));
  const choices = (schema.oneOf ?? schema.anyOf)?.filter(({ type }) => type !== 'null');
  const [only] = choices ?? [];
  if (choices?.length === 1 && only !== undefined) return propertiesOf(schemas, only);
  return schema.properties;
}

/** Every field that holds a value, in the order of the document, `report.state`. */
function leaves(schemas: Schemas, schema: Schema, before = ''): [path: string, schema: Schema][] {
  return Object.entries(propertiesOf(schemas, schema) ?? {}).flatMap(([name, inner]) => {
    const isGroup = Object.keys(propertiesOf(schemas, inner) ?? {}).length > 0;
    if (isGroup) return leaves(schemas, inner, `${before}${name}.`);
    return [[before + name, resolveSchema(schemas, inner)] as [string, Schema]];
  });
}

const jsonSchema = (content: Operation['responses'][string]['content']): Schema | undefined =>
  content?.['application/json']?.schema;

function listModel(document: Document, operation: Operation) {
  const { schemas } = document.components;
  const answer = resolveSchema(schemas, jsonSchema(operation.responses[200]?.content) ?? {});
  const columns = answer['x-columns'];
  const rows = answer.properties?.results?.items;
  if (columns === undefined || rows === undefined) return undefined;
  const fields = leaves(schemas, rows).map(([path]) => path);
  const unknown = columns.find(({ field }) => !fields.includes(field));
  if (unknown !== undefined)
    throw new Error(`${operation.operationId}: x-columns names ${unknown.field}, which no row has`);
  const parameters = new Map(parametersOf(document, operation).map((one) => [one.name, one]));
  return {
    ...(parameters.has('filter') ? { filter: parameters.get('filter')?.description ?? '' } : {}),
    sort: parameters.has('sort'),
    paged: parameters.has('page'),
    columns,
    fields,
  };
}

/** What a body takes only of a few values. */
function choicesOf(document: Document, { requestBody }: Operation) {
  const schema = jsonSchema(requestBody?.content);
  if (schema === undefined) return {};
  const found = leaves(document.components.schemas, schema);
  return Object.fromEntries(found.flatMap(([path, { enum: values }]) => (values ? [[path, values]] : [])));
}

/** Generated TypeScript as the check of the style wants it. */
export const formatted = (text: string): string =>
  execFileSync(join(root, 'node_modules/.bin/biome'), ['format', '--stdin-file-path=src/cli/api-model.ts'], {
    cwd: root,
    input: text,
    encoding: 'utf8',
  });

export function commandModel(document: Document): string {
  const operations = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item)
      .filter(() => path.startsWith(`${apiPrefix}/`))
      .map(
        ([method, operation]) =>
          [`${method.toUpperCase()} ${path.slice(apiPrefix.length)}`, operation] as const,
      ),
  );
  const lists = operations.flatMap(([name, operation]) => {
    const model = name.startsWith('GET ') ? listModel(document, operation) : undefined;
    return model === undefined ? [] : [[name, model]];
  });
  const choices = operations.flatMap(([name, operation]) => {
    const found = choicesOf(document, operation);
    return Object.keys(found).length === 0 ? [] : [[name, found]];
  });
  return formatted(`import type { ListModel } from './output/list.ts';

/** Made from the OpenAPI document of the admin API by \`npm run docs\`; change the schemas in src/admin/. */

export const lists: Readonly<Record<string, ListModel>> = ${JSON.stringify(Object.fromEntries(lists))};

/** The values that a field of a body may have, by operation and path of the field. */
export const choices: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = ${JSON.stringify(Object.fromEntries(choices))};
`);
}
