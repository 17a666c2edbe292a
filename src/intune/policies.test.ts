import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Loopback, sendJson, startLoopback } from '../../test/harness/loopback.ts';
import type { IntuneCall } from './call.ts';
import { assignPolicy, createPolicy, findOwnPolicy, listPolicies } from './policies.ts';

let intune: Loopback;
beforeAll(async () => {
  intune = await startLoopback();
});
beforeEach(() => {
  intune.seen.length = 0;
});
afterAll(() => intune.close());

const call = (): IntuneCall => ({
  send: intune.send,
  service: `${intune.origin}/Tenants`,
  accessToken: 'the-token',
  apiVersion: '1.6',
  clientRequestId: '11111111-2222-4333-8444-555555555555',
  timeoutMs: 300,
});
const answer = (status: number, body?: unknown): void => {
  intune.handle = (_request, response) => {
    if (body === undefined) response.writeHead(status).end();
    else sendJson(response, status, body);
  };
};
const policyId = 'aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb';
const groupId = 'cccccccc-1111-4222-8333-dddddddddddd';
const wire = {
  Id: policyId.toUpperCase(),
  DisplayName: 'Espalier',
  Description: 'By Jamf Pro',
  Platform: 'macOS',
  PartnerPolicyId: null,
  PartnerManagedCompliance: true,
};
const policy = { id: policyId, displayName: 'Espalier', platform: 'macOS', partnerManaged: true };
const create = () =>
  createPolicy({ ...call(), displayName: 'Espalier', description: 'By Jamf Pro', platform: 'macOS' });

describe('create', () => {
  test('sends the four members and reads a single entity', async () => {
    answer(201, { 'odata.metadata': 'x', ...wire });
    expect(await create()).toEqual({ outcome: 'created', policy });
    expect(intune.seen).toMatchObject([
      { method: 'POST', url: '/Tenants/PartnerCompliancePolicies?api-version=1.6' },
    ]);
    expect(JSON.parse(intune.seen[0]?.body ?? '')).toEqual({
      DisplayName: 'Espalier',
      Description: 'By Jamf Pro',
      Platform: 'macOS',
      PartnerManagedCompliance: true,
    });
  });

  test('reads a list with the policy', async () => {
    answer(201, { value: [wire] });
    expect(await create()).toEqual({ outcome: 'created', policy });
  });

  test.each([
    ['empty', undefined],
    ['an empty list', { value: [] }],
    ['no id', { DisplayName: 'Espalier' }],
    ['an id that is no GUID', { ...wire, Id: "x')/Delete" }],
  ])('unclear: %s', async (_name, body) => {
    answer(201, body);
    expect(await create()).toMatchObject({ outcome: 'unclear' });
  });

  test('204 means that the partner is not added in the tenant', async () => {
    answer(204);
    expect(await create()).toMatchObject({ outcome: 'partner-not-added' });
    expect(await listPolicies(call())).toMatchObject({ outcome: 'partner-not-added' });
  });

  test('of several policies in the answer the one of our name counts, and no other', async () => {
    const other = { ...wire, Id: groupId, DisplayName: 'Other partner' };
    answer(201, { value: [other, wire] });
    expect(await create()).toEqual({ outcome: 'created', policy });
    answer(201, { value: [other] });
    expect(await create()).toMatchObject({ outcome: 'unclear' });
    answer(201, { Id: policyId });
    expect(await create()).toMatchObject({ outcome: 'created', policy: { id: policyId } });
    const policies = [
      { ...policy, id: groupId, displayName: 'Other partner' },
      { ...policy, platform: 'iOS' },
      policy,
    ];
    expect(findOwnPolicy(policies, { displayName: 'Espalier', platform: 'macOS' })).toBe(policies[2]);
    expect(
      findOwnPolicy(policies.slice(0, 2), { displayName: 'Espalier', platform: 'macOS' }),
    ).toBeUndefined();
  });

  test('409 means that it exists, as a status and inside HTTP 200', async () => {
    answer(409, { 'odata.error': { code: 'Conflict', message: { value: 'there is one' } } });
    expect(await create()).toEqual({ outcome: 'exists', detail: 'there is one' });
    answer(200, { HttpStatusCode: 409, ErrorDetail: 'there is one' });
    expect(await create()).toEqual({ outcome: 'exists', detail: 'there is one' });
  });

  test.each([
    [400, 'refused'],
    [401, 'unauthenticated'],
    [403, 'forbidden'],
    [429, 'throttled'],
    [503, 'unavailable'],
  ])('%i is %s', async (status, outcome) => {
    answer(status, {});
    expect(await create()).toMatchObject({ outcome });
  });
});

describe('list', () => {
  test('leaves out what has no usable id', async () => {
    answer(200, { value: [wire, { ...wire, Id: 'x' }, null] });
    expect(await listPolicies(call())).toEqual({ outcome: 'listed', policies: [policy], complete: true });
    expect(intune.seen).toMatchObject([{ method: 'GET', body: '' }]);
  });

  test('says when there are more', async () => {
    answer(200, { value: [], 'odata.nextLink': 'https://elsewhere/' });
    expect(await listPolicies(call())).toMatchObject({ outcome: 'listed', complete: false });
    expect(intune.seen).toHaveLength(1);
  });

  test('unclear without a list, an error as such', async () => {
    answer(200, wire);
    expect(await listPolicies(call())).toMatchObject({ outcome: 'unclear' });
    answer(403, {});
    expect(await listPolicies(call())).toMatchObject({ outcome: 'forbidden' });
  });
});

describe('assign', () => {
  const assign = () => assignPolicy({ ...call(), policyId, groupIds: [groupId] });

  test('sends the groups and parses the string in the answer', async () => {
    const assignments = { PolicyId: policyId, Assignments: [{ GroupId: groupId }] };
    answer(200, { 'odata.metadata': 'x', value: JSON.stringify(assignments) });
    expect(await assign()).toEqual({ outcome: 'assigned', assignments });
    expect(intune.seen).toMatchObject([
      {
        method: 'POST',
        url: `/Tenants/PartnerCompliancePolicies(guid'${policyId}')/Assign?api-version=1.6`,
        body: `{"assignments":["${groupId}"]}`,
      },
    ]);
  });

  test.each([
    ['empty', undefined, undefined],
    ['a string that is no JSON', { value: 'done' }, undefined],
    ['a list', { value: [1] }, [1]],
  ])('assigned, the answer being %s', async (_name, body, assignments) => {
    answer(200, body);
    expect(await assign()).toEqual({ outcome: 'assigned', assignments });
  });

  test('refused for a group that is not there', async () => {
    answer(400, { 'odata.error': { code: 'BadRequest', message: { value: 'no group' } } });
    expect(await assign()).toEqual({
      outcome: 'refused',
      code: 'BadRequest',
      detail: 'no group',
      httpStatus: 400,
    });
  });
});
