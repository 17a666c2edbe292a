import { html, raw } from 'hono/html';
import { examples } from './examples.ts';
import {
  type Document,
  type Json,
  type Operation,
  type Parameter,
  parametersOf,
  type Schema,
} from './openapi.ts';
import { type FieldRow, schemaRows } from './schema-rows.ts';
import { style } from './style.ts';

/**
 * The document as a page that needs no script and nothing from elsewhere, so that it works behind any policy, on an
 * admin listener that reaches no other host.
 */

type Html = ReturnType<typeof html>;

interface Placed {
  readonly path: string;
  readonly method: string;
  readonly operation: Operation;
}

const fieldTable = (rows: readonly FieldRow[]): Html => html`<div class="wide"><table>
  <thead><tr><th scope="col">Field</th><th scope="col">Type</th><th scope="col">Says</th></tr></thead>
  <tbody>${rows.map(
    ({ name, remarks, required, type }) => html`<tr>
      <td>${name === '' ? 'the value' : html`<code>${name}</code>`}${required ? '' : ' (optional)'}</td>
      <td>${type}</td>
      <td>${remarks.join('; ')}</td></tr>`,
  )}</tbody>
</table></div>`;

const parameterRow = (schemas: Document['components']['schemas'], parameter: Parameter): FieldRow => {
  const [row] = schemaRows(schemas, parameter.schema ?? {});
  const said = parameter.description === undefined ? [] : [parameter.description];
  return {
    name: parameter.name,
    type: `${row?.type ?? 'string'}, in ${parameter.in}`,
    required: parameter.required ?? false,
    remarks: [...said, ...(row?.remarks ?? [])],
  };
};

const mediaTable = (schemas: Document['components']['schemas'], type: string, schema: Schema): Html =>
  html`<p><code>${type}</code></p>${fieldTable(schemaRows(schemas, schema))}`;

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** `--data-binary`: `-d` would take the line ends out. */
const bodyOption = (example: Json): string =>
  typeof example === 'string' ? `--data-binary ${quoted(example)}` : `-d ${quoted(JSON.stringify(example))}`;

/** A call that can be pasted into a shell once its variables are set. */
export function curlCall({ method, operation, path }: Placed): string {
  const example = examples[operation.operationId];
  const query = new URLSearchParams({ ...example?.query }).toString();
  const target = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => `$${name}`);
  const [type, body] = Object.entries(operation.requestBody?.content ?? {}).find(
    ([, media]) => media.example !== undefined,
  ) ?? ['', undefined];
  const lines = [
    `curl -X ${method.toUpperCase()} "$ESPALIER_URL${target}${query === '' ? '' : `?${query}`}"`,
    '-H "Authorization: Bearer $ESPALIER_API_KEY"',
    ...(body?.example === undefined ? [] : [`-H 'Content-Type: ${type}'`, bodyOption(body.example)]),
  ];
  return lines.join(' \\\n  ');
}

function responses(document: Document, operation: Operation): Html[] {
  return Object.entries(operation.responses).map(([status, response]) => {
    const media = Object.entries(response.content ?? {});
    const isProblem = media.some(([type]) => type === 'application/problem+json');
    const tables = media.map(([type, { schema }]) =>
      schema === undefined || isProblem ? '' : mediaTable(document.components.schemas, type, schema),
    );
    return html`<h3>${status}: ${response.description}</h3>${tables}`;
  });
}

function operationPart(document: Document, placed: Placed): Html {
  const { method, operation, path } = placed;
  const { schemas } = document.components;
  const parameters = parametersOf(document, operation);
  const bodies = Object.entries(operation.requestBody?.content ?? {});
  return html`<details>
  <summary><span class="method">${method.toUpperCase()}</span> <code>${path}</code><span class="what">${operation.summary}</span></summary>
  <div class="body" id="${operation.operationId}">
    ${operation.description === undefined ? '' : html`<p>${operation.description}</p>`}
    <p class="role">Takes the role ${operation['x-espalier-role'] ?? 'viewer'}.</p>
    ${parameters.length === 0 ? '' : html`<h3>Parameters</h3>${fieldTable(parameters.map((one) => parameterRow(schemas, one)))}`}
    ${bodies.length === 0 ? '' : html`<h3>Body</h3>`}
    ${bodies.map(([type, { schema }]) => (schema === undefined ? '' : mediaTable(schemas, type, schema)))}
    <h3>Example</h3>
    <pre tabindex="0"><code>${curlCall(placed)}</code></pre>
    ${responses(document, operation)}
  </div>
</details>`;
}

const placedOperations = (document: Document): Placed[] =>
  Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({ path, method, operation })),
  );

export function docsPage(document: Document): Html {
  const all = placedOperations(document);
  const groups = document.tags
    .map(({ description, name }) => ({
      description,
      name,
      operations: all.filter(({ operation }) => operation.tags.includes(name)),
    }))
    .filter(({ operations }) => operations.length > 0);
  return html`<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>${document.info.title}</title>
    <style>${raw(style)}</style>
  </head>
  <body>
    <a class="skip" href="#content">To the operations</a>
    <div class="page">
      <nav aria-label="Operations">
        ${groups.map(
          ({ name, operations }) =>
            html`<h2>${name}</h2><ul>${operations.map(
              ({ operation }) =>
                html`<li><a href="#${operation.operationId}">${operation.operationId}</a></li>`,
            )}</ul>`,
        )}
      </nav>
      <main id="content">
        <h1>${document.info.title}</h1>
        <p>${document.info.description}</p>
        <p>The same for machines: <a href="/api/v1/openapi.json">openapi.json</a>. In the examples, <code>$ESPALIER_URL</code> is this
          listener and <code>$ESPALIER_API_KEY</code> a key that <code>espalier keys create</code> made.</p>
        ${groups.map(
          ({ description, name, operations }) => html`<h2>${name}</h2><p>${description}</p>
        ${operations.map((placed) => operationPart(document, placed))}`,
        )}
      </main>
    </div>
  </body>
</html>`;
}
