import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { exampleIds, exampleInstance, examples } from '../../src/admin/api-docs/examples.ts';
import type { Document } from '../../src/admin/api-docs/openapi.ts';
import { clientSecretOf } from '../../src/simulator/world.ts';
import {
  type DocumentedOperation,
  fillPath,
  operationsOf,
  readDocument,
  substitute,
} from '../harness/api-document.ts';
import { visitConsole } from '../harness/console.ts';
import { addHold } from '../harness/due-rows.ts';
import { addInstance, browse, type Scene, startScene } from '../harness/gateway.ts';
import { type Answer, call } from '../harness/http.ts';

/**
 * The examples of the OpenAPI document as one story on a real gateway: every operation is called as its example says,
 * by a key of just the role that it takes, and answers what its schema says.
 */

let scene: Scene;
let document: Document;
let validate: (operation: DocumentedOperation, answer: Answer) => string[];

beforeAll(async () => {
  scene = await startScene({
    environment: { ESPALIER_APPROVALS: 'on' },
    world: {
      clouds: ['public'],
      tenants: [
        {
          instances: [
            { name: 'berlin', macs: 2 },
            { name: 'munich', macs: 1 },
          ],
        },
      ],
    },
  });
  document = await readDocument(scene.gateway.admin, scene.trust);
  validate = createValidator(document);
}, 120_000);
afterAll(() => scene?.close());

function createValidator(whole: Document) {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  formats.default(ajv);
  ajv.addSchema(whole, 'document');
  const pointer = (...parts: string[]): string =>
    parts.map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/');
  return ({ method, operation, path }: DocumentedOperation, answer: Answer): string[] => {
    const status = String(answer.status);
    const documented = operation.responses[status];
    if (documented === undefined) return [`${status} is not documented: ${answer.text}`];
    const [type] = String(answer.headers['content-type'] ?? '').split(';');
    if (documented.content === undefined) return answer.text === '' ? [] : ['has a body'];
    if (type === undefined || !(type in documented.content)) return [`${type} is not documented`];
    if (documented.content[type]?.schema === undefined || type !== 'application/json') return [];
    const place = pointer(
      'paths',
      path,
      method.toLowerCase(),
      'responses',
      status,
      'content',
      type,
      'schema',
    );
    const check = ajv.compile({ $ref: `document#/${place}` });
    check(answer.json);
    return (check.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
  };
}

/** What the examples' texts stand for here; filled as the story goes. */
const real: Record<string, string> = {};
const ids: Record<string, string> = {
  deviceId: exampleIds.deviceId,
  operatorId: `${crypto.randomUUID()}:${crypto.randomUUID()}`,
};

type After = (answer: Answer) => Promise<void> | void;

const learn =
  (name: string): After =>
  ({ json }) => {
    ids[name] = json.id;
  };

/** An instance with more devices than one operator may remove. */
async function makeMany(): Promise<void> {
  const lines = Array.from({ length: 101 }, (_, number) =>
    JSON.stringify({
      deviceId: crypto.randomUUID(),
      instanceId: ids.instanceId,
      jamfComputerId: 9_000 + number,
    }),
  );
  const imported = await call(`${scene.gateway.admin}/api/v1/tenants/${ids.tenantId}/devices/import`, {
    method: 'POST',
    ca: scene.trust,
    headers: { authorization: `Bearer ${keys.operator}`, 'content-type': 'application/x-ndjson' },
    body: lines.join('\n'),
  });
  expect(imported.json.accepted).toBe(101);
  await askToRemove();
}

/** A mass change that nobody has decided. */
async function makeHold(): Promise<void> {
  ids.holdId = await addHold(scene.database.sql, ids.tenantId ?? '');
}

async function askToRemove(): Promise<void> {
  const path = `/tenants/${ids.tenantId}/instances/${ids.instanceId}?force=true`;
  const { json } = await scene.api('DELETE', path, undefined, keys.second);
  ids.approvalId = json.approvalId;
}

/** Who decides needs the role that the request itself needs. */
const byAdmin = new Set(['approveApproval', 'rejectApproval']);

/** Every operation once, in an order in which each finds what it needs; what follows from an answer beside it. */
const story: readonly (readonly [operationId: string, status: number, after?: After])[] = [
  [
    'getSession',
    200,
    async () => {
      await visitConsole(scene, keys.viewer);
    },
  ],
  [
    'listSessions',
    200,
    ({ json }) => {
      ids.sessionId = json.results[0].id;
    },
  ],
  ['endSession', 204],
  ['getVersion', 200],
  ['getSettings', 200],
  ['getOverview', 200],
  ['search', 200],
  ['streamEvents', 200],
  ['listClouds', 200],
  ['createTenant', 201],
  ['listTenants', 200],
  ['getTenant', 200],
  ['changeTenant', 200],
  [
    'connectTenant',
    200,
    async ({ json }) => {
      await browse(scene, json.consentUrls[0].url);
    },
  ],
  [
    'createInstance',
    201,
    async ({ json }) => {
      const other = await addInstance({ ...scene, api: asAdmin }, ids.tenantId ?? '', 'munich');
      Object.assign(ids, { instanceId: json.id, otherInstanceId: other.id });
      Object.assign(real, { [exampleIds.instanceId]: json.id, [exampleIds.otherInstanceId]: other.id });
    },
  ],
  ['listInstances', 200],
  ['getInstance', 200],
  ['changeInstance', 200],
  ['createInstanceKey', 201, learn('keyId')],
  ['listInstanceKeys', 200],
  ['getInstanceKey', 200],
  ['testInstance', 200],
  ['confirmTenant', 200],
  ['getConfirmation', 200],
  ['getTenantStatus', 200],
  ['listConsents', 200],
  ['getTenantDelivery', 200],
  ['getTenantPermissions', 200],
  ['pauseInstance', 200],
  ['resumeInstance', 200],
  ['pauseTenant', 200],
  ['resumeTenant', 200],
  ['reconcileInstance', 202],
  ['placeDevice', 201],
  ['importDevices', 200],
  ['exportDevices', 200],
  ['listDevices', 200],
  ['getDevice', 200],
  ['explainDevice', 200],
  ['getDeviceTimeline', 200],
  ['compareDevice', 200],
  ['refreshDevice', 202],
  ['listRouteChanges', 200],
  ['diffRoutes', 200],
  ['listRouteConflicts', 200],
  ['listStaleRegistrations', 200],
  ['getRouteConvergence', 200],
  ['rollBackRoutes', 200],
  ['planMove', 201, learn('moveId')],
  ['listMoves', 200],
  ['listAllMoves', 200],
  ['getMove', 200],
  ['listMoveDevices', 200],
  ['advanceMove', 200],
  ['pauseMove', 200],
  ['rollbackMove', 200],
  ['listReports', 200],
  ['listReportCauses', 200],
  ['replayReports', 202],
  ['resyncTenant', 200, makeHold],
  ['listHolds', 200],
  ['getHold', 200],
  ['refuseHold', 200],
  ['releaseHold', 200],
  ['rebuildRoutes', 202],
  ['createApiKey', 201, learn('apiKeyId')],
  ['listApiKeys', 200],
  ['getApiKey', 200],
  ['deleteApiKey', 204],
  ['createAlertTarget', 201, learn('targetId')],
  ['listAlertTargets', 200],
  ['getAlertTarget', 200],
  ['changeAlertTarget', 200],
  ['testAlertTarget', 200],
  ['deleteAlertTarget', 204],
  ['assignOperator', 200],
  ['listOperators', 200],
  ['getOperator', 200],
  ['unassignOperator', 204],
  ['migrateTenant', 200],
  ['disableTenant', 200],
  ['enableTenant', 200],
  ['disconnectTenant', 200],
  ['beginMoveOut', 200],
  ['getMoveOut', 200],
  // Both take the key of a file in a header, which no example has.
  ['getMoveOutFile', 400],
  ['moveIn', 400],
  // No file was given out.
  ['setRelay', 409],
  ['endRelay', 200],
  ['cancelMoveOut', 200],
  ['deleteDevice', 204],
  ['erasePerson', 200],
  ['deleteInstanceKey', 204],
  ['listHistory', 200],
  ['verifyHistory', 200, makeMany],
  ['listApprovals', 200],
  ['getApproval', 200],
  ['rejectApproval', 200, askToRemove],
  [
    'approveApproval',
    200,
    () => {
      ids.instanceId = ids.otherInstanceId ?? '';
    },
  ],
  ['deleteInstance', 200],
  ['deleteTenant', 200],
];

let keys: Readonly<Record<string, string>>;
const asAdmin: Scene['api'] = (method, path, body) => scene.api(method, path, body, keys.admin);

async function makeKeys(): Promise<Readonly<Record<string, string>>> {
  const made: Record<string, string> = {};
  for (const role of ['viewer', 'operator', 'admin'])
    made[role] = (await scene.api('POST', '/keys', { name: role, role })).json.key;
  const second = await scene.api('POST', '/keys', { name: 'second', role: 'admin' }, made.admin);
  return { ...made, second: second.json.key };
}

const askedKeys = new Set(['getApiKey', 'deleteApiKey']);
/** What an operator adds when the object still has devices. */
const forced: Readonly<Record<string, string>> = {
  deleteInstance: '?force=true',
  deleteTenant: '?force=true',
};

const inText = (text: string): string =>
  Object.entries(real).reduce((so, [example, id]) => so.replaceAll(example, id), text);

function ask({ method, operation, path }: DocumentedOperation): Promise<Answer> {
  const example = examples[operation.operationId];
  const json = example?.body === undefined ? undefined : JSON.stringify(substitute(example.body, real));
  const body = json ?? (example?.text && inText(example.text));
  const query = new URLSearchParams(example?.query).toString();
  const filled = fillPath(path, askedKeys.has(operation.operationId) ? { keyId: ids.apiKeyId ?? '' } : ids);
  const search = query === '' ? (forced[operation.operationId] ?? '') : `?${query}`;
  return call(`${scene.gateway.admin}${filled}${search}`, {
    method,
    ca: scene.trust,
    headers: {
      authorization: `Bearer ${keys[byAdmin.has(operation.operationId) ? 'admin' : (operation['x-espalier-role'] ?? '')]}`,
      ...(body === undefined ? {} : { 'content-type': json === undefined ? 'text/csv' : 'application/json' }),
    },
    ...(body === undefined ? {} : { body }),
  });
}

it('every operation does what its example says, with just the role that it takes', async () => {
  keys = await makeKeys();
  const [tenant] = scene.world.tenants;
  const berlin = scene.world.instance('berlin');
  const { apiClient, url } = exampleInstance;
  Object.assign(ids, { tenantId: tenant?.tenantId });
  Object.assign(real, {
    [exampleIds.tenantId]: tenant?.tenantId,
    [url]: berlin.url,
    'https://alerts.example.com/espalier': `${berlin.url}/alerts`,
    [apiClient.clientId]: berlin.clientId,
    [apiClient.clientSecret]: clientSecretOf(berlin),
  });
  const operations = operationsOf(document);
  // An operation that is added is to be given its place.
  expect(story.map(([id]) => id).sort()).toEqual(
    operations.map(({ operation }) => operation.operationId).sort(),
  );
  for (const [operationId, status, after] of story) {
    const one = operations.find(({ operation }) => operation.operationId === operationId);
    if (!one) throw new Error(`${operationId} is not there`);
    const answer = await ask(one);
    expect({ operationId, status: answer.status, text: answer.text }).toMatchObject({ operationId, status });
    expect({ operationId, faults: validate(one, answer) }).toEqual({ operationId, faults: [] });
    await after?.(answer);
  }
}, 180_000);
