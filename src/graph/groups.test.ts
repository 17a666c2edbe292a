import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Loopback, sendJson, startLoopback } from '../../test/harness/loopback.ts';
import type { GraphCall } from './call.ts';
import { findGroup, type GroupName } from './groups.ts';

let graph: Loopback;
beforeAll(async () => {
  graph = await startLoopback();
});
beforeEach(() => {
  graph.seen.length = 0;
});
afterAll(() => graph.close());

const call = (): GraphCall => ({
  send: graph.send,
  cloud: { graph: graph.origin },
  accessToken: 'the-token',
  clientRequestId: '11111111-2222-4333-8444-555555555555',
  timeoutMs: 500,
});
const find = (group: GroupName) => findGroup({ ...call(), group });
const groups = (...value: unknown[]): void => {
  graph.handle = (_request, response) => sendJson(response, 200, { value });
};
const error = (status: number, code: string): void => {
  graph.handle = (_request, response) => sendJson(response, status, { error: { code, message: 'no' } });
};
const id = 'aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb';
const other = 'cccccccc-1111-4222-8333-dddddddddddd';

test('finds one group by its name', async () => {
  groups({ id, displayName: 'Mac users' });
  expect(await find({ displayName: 'Mac users' })).toEqual({
    ok: true,
    outcome: 'found',
    id,
    displayName: 'Mac users',
  });
});

test.each(["O'Brien", "x' or displayName ne '", 'a&$top=1', 'R+D 100% #1', 'équipe'])(
  'quotes the name %s',
  async (displayName) => {
    groups();
    await find({ displayName });
    const url = new URL(graph.seen[0]?.url ?? '', graph.origin);
    expect([...url.searchParams]).toEqual([
      ['$filter', `displayName eq '${displayName.replaceAll("'", "''")}'`],
      ['$select', 'id,displayName'],
    ]);
  },
);

test('takes only the name as it is written, since Graph compares without case', async () => {
  groups({ id: other, displayName: 'MAC USERS' }, { id, displayName: 'Mac users' });
  expect(await find({ displayName: 'Mac users' })).toMatchObject({ outcome: 'found', id });
  expect(await find({ displayName: 'mac users' })).toEqual({ ok: true, outcome: 'not-found' });
});

test('two groups of one name are ambiguous, no matter how many pages', async () => {
  graph.handle = (request, response) =>
    request.url.includes('page=2')
      ? sendJson(response, 200, { value: [{ id: other, displayName: 'Mac users' }] })
      : sendJson(response, 200, {
          value: [{ id, displayName: 'Mac users' }],
          '@odata.nextLink': `${graph.origin}/v1.0/groups?page=2`,
        });
  expect(await find({ displayName: 'Mac users' })).toEqual({
    ok: true,
    outcome: 'ambiguous',
    ids: [id, other],
  });
});

test('finds a group by its id', async () => {
  graph.handle = (_request, response) => sendJson(response, 200, { id, displayName: 'Mac users' });
  expect(await find({ id: id.toUpperCase() })).toMatchObject({ outcome: 'found', id });
  expect(graph.seen[0]?.url).toBe(`/v1.0/groups/${id}?$select=id,displayName`);
});

test('not found: no such id, no id at all', async () => {
  error(404, 'Request_ResourceNotFound');
  expect(await find({ id })).toEqual({ ok: true, outcome: 'not-found' });
  graph.seen.length = 0;
  expect(await find({ id: '' })).toEqual({ ok: true, outcome: 'not-found' });
  expect(await find({ id: `${id}/owners` })).toEqual({ ok: true, outcome: 'not-found' });
  expect(graph.seen).toHaveLength(0);
});

test.each([{ id }, { displayName: 'Mac users' }])('a failure is a failure: %j', async (group) => {
  error(403, 'Authorization_RequestDenied');
  expect(await find(group)).toMatchObject({ ok: false, failure: 'forbidden' });
});
