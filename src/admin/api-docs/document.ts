import type { AdminApp } from '../context.ts';
import { requiredRole } from '../roles.ts';
import { withCommonParameters } from './common-parameters.ts';
import { descriptions } from './descriptions.ts';
import { examples } from './examples.ts';
import type { Document, Operation } from './openapi.ts';

/** The OpenAPI document: what the routes' schemas say, with roles and examples added. */

/** Tags in the order of the documentation. */
export const tags: readonly { readonly name: string; readonly description: string }[] = [
  { name: 'About', description: 'This gateway, and who is asking.' },
  { name: 'Tenants', description: 'Microsoft Entra tenants.' },
  { name: 'Connection', description: "The life of a tenant's connection to Intune." },
  { name: 'Instances', description: 'The Jamf Pro servers of a tenant.' },
  { name: 'Instance keys', description: 'The keys with which an instance sends webhooks and inventory.' },
  { name: 'Devices', description: 'Registrations of Macs in Entra, with their routes and reports.' },
  { name: 'Routes', description: 'The history of the routing table, and what is odd in it.' },
  { name: 'Moves', description: 'Devices that go from one instance to another.' },
  { name: 'Reports', description: 'What Intune is told of devices, over all tenants.' },
  { name: 'History', description: 'Who did what, each entry chained to the one before by hash.' },
  { name: 'Holds', description: 'Mass changes for the worse, and what waits of them for a decision.' },
  { name: 'Approvals', description: 'Requests that wait for a second operator.' },
  { name: 'Alerts', description: 'Webhooks that are told what needs a person.' },
  { name: 'Keys', description: "Operators' API keys." },
  { name: 'Operators', description: 'Whom Entra signs in, and the tenants that they are bound to.' },
  { name: 'Sessions', description: 'Browsers that operators are signed in with.' },
];

const info = {
  openapi: '3.1.0',
  info: {
    title: 'Espalier admin API',
    version: '1',
    description:
      'Tenants, instances, devices and routes of an Espalier gateway. Errors are RFC 9457 problems. Lists take page, ' +
      'page-size, sort and filter (RSQL) and answer totalCount and results. Times are ISO 8601 in UTC. Every write takes the ' +
      'header X-Espalier-Reason, one line of at most 500 characters, and keeps it in the history. ' +
      'What another tenant has is not found.',
    contact: { name: 'Espalier', url: 'https://espalier.dev' },
    license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
  },
  servers: [{ url: '/' }],
  security: [{ key: [] }, { entra: [] }, { session: [] }] as Record<string, string[]>[],
};

function withExample(operation: Operation): Operation {
  const { body, text } = examples[operation.operationId] ?? {};
  const { requestBody } = operation;
  if (requestBody === undefined) return operation;
  const content = Object.fromEntries(
    Object.entries(requestBody.content).map(([type, media]) => {
      const example = { 'application/json': body, 'text/csv': text }[type];
      return [type, example === undefined ? media : { ...media, example }];
    }),
  );
  return { ...operation, requestBody: { ...requestBody, content } };
}

/** A pattern with flags comes with them, as `…/u`; JSON Schema has the expression alone, and reads it as Unicode anyway. */
const plainPattern = (name: string, value: unknown): unknown =>
  name === 'pattern' && typeof value === 'string' ? value.replace(/\/u$/, '') : value;

export function openApiDocument(app: AdminApp): Document {
  // Through JSON: the generator's own types leave everything open.
  const whole = withCommonParameters(app.getOpenAPI31Document({ ...info, tags: [...tags] }));
  const made = JSON.parse(JSON.stringify(whole), plainPattern) as Document;
  const paths = Object.fromEntries(
    Object.entries(made.paths).map(([path, operations]) => [
      path,
      Object.fromEntries(
        Object.entries(operations).map(([method, operation]) => [
          method,
          {
            ...withExample(operation),
            description: [descriptions[operation.operationId], operation.description]
              .filter(Boolean)
              .join('\n\n'),
            'x-espalier-role': requiredRole(method, path),
          },
        ]),
      ),
    ]),
  );
  return { ...made, paths };
}
