import { type Document, type Operation, parametersOf, type Schema } from '../src/admin/api-docs/openapi.ts';
import { formatted } from './command-model.ts';

/** src/client/operations.ts: the types of the admin API, made from its OpenAPI document. */

const apiPrefix = '/api/v1';
const referencePrefix = '#/components/schemas/';
const jsonType = 'application/json';

const comment = (text: string | undefined): string =>
  text === undefined ? '' : `/** ${text.replaceAll('*/', '*\\/').replaceAll(/\s+/g, ' ')} */\n`;

/** A name that is no identifier stands in quotes. */
const memberName = (name: string): string => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : `'${name}'`);

function objectText({ additionalProperties, properties = {}, required = [] }: Schema): string {
  const members = Object.entries(properties).map(([name, inner]) => {
    const mark = required.includes(name) ? '' : '?';
    return `${comment(inner.description)}readonly ${memberName(name)}${mark}: ${typeText(inner)};`;
  });
  const isOpen = typeof additionalProperties === 'object' || members.length === 0;
  const others = typeof additionalProperties === 'object' ? typeText(additionalProperties) : 'unknown';
  if (members.length === 0) return isOpen ? `Readonly<Record<string, ${others}>>` : '{}';
  return `{ ${members.join('\n')} }${isOpen ? ` & Readonly<Record<string, ${others}>>` : ''}`;
}

function plainText(type: string, schema: Schema): string {
  if (type === 'array') return `readonly (${typeText(schema.items ?? {})})[]`;
  if (type === 'object') return objectText(schema);
  return type === 'integer' ? 'number' : type;
}

/** A schema as a type of TypeScript. */
function typeText(schema: Schema): string {
  if ('not' in schema) return 'never';
  if (schema.$ref !== undefined) return schema.$ref.slice(referencePrefix.length);
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices !== undefined) return choices.map((one) => `(${typeText(one)})`).join(' | ');
  if (schema.allOf !== undefined) return schema.allOf.map((one) => `(${typeText(one)})`).join(' & ');
  if (schema.type === undefined) return 'unknown';
  return [schema.type]
    .flat()
    .map((type) => plainText(type, schema))
    .join(' | ');
}

/** What a query says is never null. */
const queryText = (schema: Schema): string =>
  typeText({
    ...schema,
    ...(Array.isArray(schema.type) && { type: schema.type.filter((one) => one !== 'null') }),
  });

function parametersText(document: Document, operation: Operation, place: 'path' | 'query'): string {
  const found = parametersOf(document, operation).filter((one) => one.in === place);
  if (found.length === 0) return '';
  const members = found.map(({ description, name, required, schema = {} }) => {
    const mark = place === 'path' || required === true ? '' : '?';
    // What an id in the path means stands in its name; a comment on each of them hides the rest.
    const said = place === 'path' ? '' : comment(description ?? schema.description);
    return `${said}readonly ${memberName(name)}${mark}: ${queryText(schema)};`;
  });
  const mayMiss = place === 'query' && !found.some(({ required }) => required === true);
  return `readonly ${place}${mayMiss ? '?' : ''}: { ${members.join('\n')} };`;
}

function bodyText({ requestBody }: Operation): string {
  if (requestBody === undefined) return '';
  const schema = requestBody.content[jsonType]?.schema;
  // An import's body is a stream of lines.
  if (schema === undefined) return '/** No JSON: send it by a request of your own. */\nreadonly body: never;';
  return `readonly body${requestBody.required === true ? '' : '?'}: ${typeText(schema)};`;
}

function answerText({ responses }: Operation): string {
  const types = Object.entries(responses)
    .filter(([status]) => status.startsWith('2'))
    .map(([, { content }]) => {
      if (content === undefined) return 'undefined';
      const schema = content[jsonType]?.schema;
      return schema === undefined ? 'string' : typeText(schema);
    });
  return [...new Set(types)].join(' | ');
}

export function clientTypes(document: Document): string {
  const schemas = Object.entries(document.components.schemas).map(
    ([name, schema]) => `${comment(schema.description)}export type ${name} = ${typeText(schema)};`,
  );
  const operations = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item)
      .filter(() => path.startsWith(`${apiPrefix}/`))
      .map(([method, operation]) => {
        const input = [
          parametersText(document, operation, 'path'),
          parametersText(document, operation, 'query'),
          bodyText(operation),
        ].filter((part) => part !== '');
        return `${comment(`${operation.summary}. ${operation.description ?? ''}`)}'${method.toUpperCase()} ${path.slice(apiPrefix.length)}': {
          readonly input: ${input.length === 0 ? 'Record<never, never>' : `{ ${input.join('\n')} }`};
          readonly answer: ${answerText(operation)};
        };`;
      }),
  );
  return formatted(`/**
 * What the admin API takes and answers, by method and path after \`/api/v1\`. Made from its OpenAPI document by
 * \`npm run docs\`; change the schemas in src/admin/.
 */

${schemas.join('\n\n')}

export interface Operations {
${operations.join('\n')}
}
`);
}
