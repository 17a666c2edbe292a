import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exampleIds, examples } from '../../src/admin/api-docs/examples.ts';
import {
  type DocumentedOperation,
  fillPath,
  type Ids,
  operationsOf,
  pathParameters,
  readDocument,
  substitute,
} from '../harness/api-document.ts';
import { type ApiScene, startApiScene, type TenantScene } from '../harness/api-scene.ts';
import { type Answer, call } from '../harness/http.ts';

/**
 * Every operation of the OpenAPI document with no credential, with every role, and with what is another tenant's:
 * a path that is added is walked without being named here.
 */

let api: ApiScene;
let operations: readonly DocumentedOperation[];
beforeAll(async () => {
  api = await startApiScene();
  operations = operationsOf(await readDocument(api.scene.gateway.admin, api.scene.trust));
}, 120_000);
afterAll(() => api?.scene.close());

const slugOf = (answer: Answer): string | undefined =>
  answer.json?.type?.replace('https://espalier.dev/problems/', '');

interface Request {
  readonly ids: Ids;
  readonly key?: string;
  /** Whose things the body names. */
  readonly tenant?: Ids;
  readonly headers?: Record<string, string>;
}

/** The documented example of the operation, with these ids. */
async function ask({ method, operation, path }: DocumentedOperation, request: Request): Promise<Answer> {
  const { headers, ids, key, tenant = ids } = request;
  const example = examples[operation.operationId];
  const real = Object.fromEntries(
    Object.entries(exampleIds).map(([name, id]) => [id, tenant[name] ?? crypto.randomUUID()]),
  );
  const media = Object.keys(operation.requestBody?.content ?? {});
  const type = media.includes('application/json') ? 'application/json' : media[0];
  const body =
    example?.body !== undefined
      ? JSON.stringify(substitute(example.body, real))
      : type && (example?.text ?? '{}');
  const query = new URLSearchParams(example?.query).toString();
  return call(`${api.scene.gateway.admin}${fillPath(path, ids)}${query === '' ? '' : `?${query}`}`, {
    method,
    ca: api.scene.trust,
    headers: {
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      ...(body === undefined || type === undefined ? {} : { 'content-type': type }),
      ...headers,
    },
    ...(body === undefined ? {} : { body }),
  });
}

const unknownIds = (path: string): Ids =>
  Object.fromEntries(pathParameters(path).map((name) => [name, crypto.randomUUID()]));

const idsOf = (tenant: TenantScene): Ids => ({ ...unknownIds('{approvalId}'), ...tenant });

/** What a caller can tell apart: everything but the request's own id, and the ids that he gave himself. */
function visible(answer: Answer, given: Ids): unknown {
  let text = answer.text.replace(/"instance":"[^"]*"/, '"instance":""');
  for (const [name, id] of Object.entries(given)) text = text.replaceAll(id, `{${name}}`);
  const { date: _date, 'x-request-id': _id, 'content-length': _length, ...headers } = answer.headers;
  return { status: answer.status, headers, text };
}

const needsNoCredential = new Set<string>();

describe('no credential', () => {
  it('401 with the scheme, on every operation, and the same for a wrong key', async () => {
    for (const one of operations) {
      if (needsNoCredential.has(one.operation.operationId)) continue;
      for (const key of [undefined, 'esp_wrong', `esp_${'A'.repeat(43)}`, '']) {
        const answer = await ask(one, { ids: idsOf(api.own), ...(key === undefined ? {} : { key }) });
        expect({ name: one.name, status: answer.status, slug: slugOf(answer) }).toEqual({
          name: one.name,
          status: 401,
          slug: 'unauthenticated',
        });
        expect(answer.headers['www-authenticate']).toContain('Bearer');
      }
    }
  });
});

describe.each([
  ['keys that are bound to tenants', () => api.bound],
  ['people of Entra who are bound to tenants', () => api.entra],
] as const)("for %s, another tenant's", (_, bound) => {
  const ofTenant = () => operations.filter(({ path }) => path.includes('{tenantId}'));

  it('tenant is not found, in the very words of one that does not exist, on every operation and with every role', async () => {
    expect(ofTenant().length).toBeGreaterThan(40);
    for (const one of ofTenant()) {
      for (const role of ['viewer', 'operator', 'admin'] as const) {
        const key = bound()[role];
        const foreign = idsOf(api.foreign);
        const unknown = { ...foreign, tenantId: crypto.randomUUID() };
        const [theirs, nobodys] = [
          await ask(one, { ids: foreign, key }),
          await ask(one, { ids: unknown, key, tenant: foreign }),
        ];
        expect({ name: one.name, role, status: theirs.status, slug: slugOf(theirs) }).toEqual({
          name: one.name,
          role,
          status: 404,
          slug: 'tenant-unknown',
        });
        expect({ name: one.name, role, answer: visible(theirs, foreign) }).toEqual({
          name: one.name,
          role,
          answer: visible(nobodys, unknown),
        });
      }
    }
  });

  it('instance, device, move, key or approval under the own tenant is as unknown as one that does not exist', async () => {
    for (const one of ofTenant()) {
      const inner = pathParameters(one.path).filter((name) => name !== 'tenantId');
      if (inner.length === 0) continue;
      const key = bound().admin;
      const foreign = { ...idsOf(api.foreign), tenantId: api.own.tenantId };
      const unknown = { ...unknownIds(one.path), tenantId: api.own.tenantId };
      // A device may be placed before anything is known of it.
      if (one.operation.operationId === 'placeDevice') continue;
      const theirs = await ask(one, { ids: foreign, key, tenant: idsOf(api.own) });
      const nobodys = await ask(one, { ids: unknown, key, tenant: idsOf(api.own) });
      expect({ name: one.name, status: theirs.status }).toEqual({ name: one.name, status: 404 });
      expect({ name: one.name, answer: visible(theirs, foreign) }).toEqual({
        name: one.name,
        answer: visible(nobodys, unknown),
      });
    }
  });

  it('instance named in a body is as unknown as one that does not exist', async () => {
    const naming = ofTenant().filter(({ operation }) =>
      Object.values(exampleIds).some(
        (id) =>
          id !== exampleIds.tenantId &&
          JSON.stringify(examples[operation.operationId]?.body ?? '').includes(id),
      ),
    );
    expect(naming.map(({ operation }) => operation.operationId)).toEqual(
      expect.arrayContaining(['placeDevice', 'planMove']),
    );
    for (const one of naming) {
      const ids = { ...idsOf(api.own), deviceId: crypto.randomUUID() };
      const named = unknownIds('{instanceId}{otherInstanceId}');
      const theirs = await ask(one, { ids, key: bound().admin, tenant: idsOf(api.foreign) });
      const nobodys = await ask(one, {
        ids,
        key: bound().admin,
        tenant: { ...idsOf(api.foreign), ...named },
      });
      expect({ name: one.name, refused: theirs.status >= 400 }).toEqual({ name: one.name, refused: true });
      expect(visible(theirs, idsOf(api.foreign))).toEqual(
        visible(nobodys, { ...idsOf(api.foreign), ...named }),
      );
    }
  });

  it('things are in no list, whatever the filter', async () => {
    const secrets = [...Object.values(api.foreign), ...Object.values(api.unboundIds)];
    const lists = operations.filter(
      ({ method, path }) => method === 'GET' && pathParameters(path).every((name) => name === 'tenantId'),
    );
    for (const one of lists) {
      const filters = one.parameters.some(({ name }) => name === 'filter')
        ? [undefined, `tenantId==${api.foreign.tenantId}`, `tenantId!=${api.own.tenantId}`]
        : [undefined];
      for (const filter of filters) {
        // What the example asks for as well: a stream that is asked for without a time does not end.
        const query = new URLSearchParams({
          ...examples[one.operation.operationId]?.query,
          ...(filter === undefined ? {} : { filter }),
        });
        const answer = await call(
          `${api.scene.gateway.admin}${fillPath(one.path, idsOf(api.own))}?${query}`,
          {
            ca: api.scene.trust,
            headers: { authorization: `Bearer ${bound().admin}` },
          },
        );
        // A problem repeats what it was asked.
        if (answer.status >= 400) continue;
        for (const id of secrets) {
          expect({ name: one.name, filter, shows: answer.text.includes(id) ? id : undefined }).toEqual({
            name: one.name,
            filter,
            shows: undefined,
          });
        }
      }
    }
  });

  it('operators, and those that are bound to nothing, are not found', async () => {
    for (const one of operations.filter(({ path }) => path === '/api/v1/operators/{operatorId}')) {
      const unknown = { operatorId: `${crypto.randomUUID()}:${crypto.randomUUID()}` };
      for (const operatorId of [api.foreign.operatorId, crypto.randomUUID()]) {
        const theirs = await ask(one, { ids: { operatorId }, key: bound().admin, tenant: idsOf(api.own) });
        const nobodys = await ask(one, { ids: unknown, key: bound().admin, tenant: idsOf(api.own) });
        expect([one.name, theirs.status]).toEqual([one.name, 404]);
        expect(visible(theirs, { operatorId })).toEqual(visible(nobodys, unknown));
      }
    }
  });

  it('keys, and those that are bound to nothing, are not found', async () => {
    for (const one of operations.filter(({ path }) => path === '/api/v1/keys/{keyId}')) {
      const ids = { keyId: api.unboundIds.viewer };
      const unknown = unknownIds(one.path);
      const theirs = await ask(one, { ids, key: bound().admin });
      const nobodys = await ask(one, { ids: unknown, key: bound().admin });
      expect([one.name, theirs.status]).toEqual([one.name, 404]);
      expect(visible(theirs, ids)).toEqual(visible(nobodys, unknown));
    }
  });
});

describe('roles', () => {
  const rank = { viewer: 0, operator: 1, admin: 2 } as const;

  it('403 below the role that the document names, on every operation', async () => {
    for (const one of operations) {
      const needed = one.operation['x-espalier-role'] as keyof typeof rank;
      for (const role of ['viewer', 'operator'] as const) {
        if (rank[role] >= rank[needed]) continue;
        for (const key of [api.bound[role], api.entra[role], api.unbound[role]]) {
          const answer = await ask(one, { ids: idsOf(api.own), key });
          expect({ name: one.name, role, status: answer.status, slug: slugOf(answer) }).toEqual({
            name: one.name,
            role,
            status: 403,
            slug: 'forbidden',
          });
        }
      }
    }
  });

  /** Reads that are about the whole deployment, or take a tenant out of it: an operator who is bound to tenants is refused. */
  const ofAllTenants = new Set(['getSettings', 'getMoveOutFile']);

  it('every role reads what the document lets it read', async () => {
    for (const one of operations.filter(({ method }) => method === 'GET')) {
      for (const role of ['viewer', 'operator', 'admin'] as const) {
        if (rank[role] < rank[one.operation['x-espalier-role'] as keyof typeof rank]) continue;
        const { status } = await ask(one, { ids: idsOf(api.own), key: api.bound[role] });
        expect({ name: one.name, role, refused: [401, 403].includes(status) }).toEqual({
          name: one.name,
          role,
          refused: ofAllTenants.has(one.operation.operationId),
        });
        const asked = await ask(one, { ids: idsOf(api.own), key: api.unbound[role] });
        expect([401, 403]).not.toContain(asked.status);
      }
    }
  });

  // Contract section 8, in its own words, so that the document's roles are not only compared with themselves.
  it('are those of the contract', () => {
    const roleOf = Object.fromEntries(
      operations.map(({ name, operation }) => [name, operation['x-espalier-role']]),
    );
    const tenant = '/api/v1/tenants/{tenantId}';
    expect(roleOf).toMatchObject({
      'GET /api/v1/tenants': 'viewer',
      [`GET ${tenant}/devices`]: 'viewer',
      [`PUT ${tenant}/devices/{deviceId}`]: 'operator',
      [`DELETE ${tenant}/devices/{deviceId}`]: 'operator',
      [`POST ${tenant}/routes/rollback`]: 'operator',
      [`POST ${tenant}/moves`]: 'operator',
      [`POST ${tenant}/moves/{moveId}/advance`]: 'operator',
      'POST /api/v1/reports/replay': 'operator',
      [`POST ${tenant}/instances/{instanceId}/test`]: 'operator',
      [`POST ${tenant}/instances/{instanceId}/reconcile`]: 'operator',
      [`POST ${tenant}/resync`]: 'operator',
      [`POST ${tenant}/pause`]: 'operator',
      [`POST ${tenant}/resume`]: 'operator',
      [`POST ${tenant}/instances/{instanceId}/pause`]: 'operator',
      [`POST ${tenant}/instances`]: 'admin',
      [`PATCH ${tenant}`]: 'admin',
      [`DELETE ${tenant}`]: 'admin',
      [`POST ${tenant}/connect`]: 'admin',
      [`POST ${tenant}/disconnect`]: 'admin',
      [`POST ${tenant}/instances/{instanceId}/keys`]: 'admin',
      'POST /api/v1/keys': 'admin',
    });
  });
});
