import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Loopback, sendJson, startLoopback } from '../../test/harness/loopback.ts';
import { type ReadPartnerState, readPartnerState } from './partner-state.ts';

let graph: Loopback;
beforeAll(async () => {
  graph = await startLoopback();
});
beforeEach(() => {
  graph.seen.length = 0;
});
afterAll(() => graph.close());

const read = (mode: ReadPartnerState['mode'], identity?: ReadPartnerState['identity']) =>
  readPartnerState({
    send: graph.send,
    cloud: { graph: graph.origin },
    accessToken: 'the-token',
    clientRequestId: '11111111-2222-4333-8444-555555555555',
    timeoutMs: 500,
    mode,
    ...(identity === undefined ? {} : { identity }),
  });
const partners = (...value: unknown[]): void => {
  graph.handle = (_request, response) => sendJson(response, 200, { value });
};
const appId = 'aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb';
const legacy = {
  id: 'p',
  displayName: 'Jamf',
  isConfigured: true,
  partnerState: 'terminated',
  partnerAppType: 'singleTenantApp',
  singleTenantAppId: appId,
  lastHeartbeatDateTime: '2026-11-22T10:00:00Z',
  whenPartnerDevicesWillBeMarkedAsNonCompliantDateTime: '2026-12-01T00:00:00Z',
  whenPartnerDevicesWillBeRemovedDateTime: '2027-02-20T00:00:00Z',
};
const current = {
  id: 'c',
  displayName: 'Jamf Device Compliance',
  partnerState: 'enabled',
  lastHeartbeatDateTime: '2026-11-22T10:00:00Z',
  macOsOnboarded: true,
};

test('conditional-access: state, heartbeat and both dates of deviceManagementPartners', async () => {
  partners(legacy);
  expect(await read('conditional-access', { singleTenantAppId: appId.toUpperCase() })).toEqual({
    ok: true,
    found: true,
    displayName: 'Jamf',
    state: 'terminated',
    lastHeartbeatAt: new Date('2026-11-22T10:00:00Z'),
    markedAt: new Date('2026-12-01T00:00:00Z'),
    removedAt: new Date('2027-02-20T00:00:00Z'),
    matchedBy: 'application',
  });
  expect(graph.seen[0]?.url).toBe('/v1.0/deviceManagement/deviceManagementPartners');
});

test('device-compliance: complianceManagementPartners have no dates', async () => {
  partners(current);
  expect(await read('device-compliance', { displayName: 'jamf device compliance' })).toEqual({
    ok: true,
    found: true,
    displayName: 'Jamf Device Compliance',
    state: 'enabled',
    lastHeartbeatAt: new Date('2026-11-22T10:00:00Z'),
    matchedBy: 'name',
  });
  expect(graph.seen[0]?.url).toBe('/v1.0/deviceManagement/complianceManagementPartners');
});

test('a partner that was never heard of has no heartbeat, a state that is not known is unknown', async () => {
  partners({ ...current, partnerState: 'unknownFutureValue', lastHeartbeatDateTime: '0001-01-01T00:00:00Z' });
  expect(await read('device-compliance')).toMatchObject({
    state: 'unknown',
    lastHeartbeatAt: undefined,
    matchedBy: 'only',
  });
});

test('ours among several, by application before name', async () => {
  partners({ ...legacy, singleTenantAppId: null, displayName: 'Jamf' }, { ...legacy, displayName: 'x' });
  expect(await read('conditional-access', { singleTenantAppId: appId, displayName: 'Jamf' })).toMatchObject({
    displayName: 'x',
    matchedBy: 'application',
  });
});

test.each([
  ['none is set up', [], {}, 0],
  ['several, no identity', [current, { ...current, id: 'd' }], {}, 2],
  ['several of our name', [current, { ...current, id: 'd' }], { displayName: current.displayName }, 2],
  ['the only one has another application', [legacy], { singleTenantAppId: 'other', displayName: 'Jamf' }, 1],
  [
    'one of two has another application, the other another name',
    [legacy, { ...legacy, singleTenantAppId: null, displayName: 'x' }],
    { singleTenantAppId: 'other', displayName: 'Jamf' },
    2,
  ],
])('unknown: %s', async (_name, value, identity, count) => {
  partners(...value);
  expect(await read('conditional-access', identity)).toEqual({
    ok: true,
    found: false,
    state: 'unknown',
    partners: count,
  });
});

test('forbidden without the permission', async () => {
  graph.handle = (_request, response) =>
    sendJson(response, 403, { error: { code: 'Authorization_RequestDenied', message: 'no' } });
  expect(await read('device-compliance')).toMatchObject({ ok: false, failure: 'forbidden' });
});
