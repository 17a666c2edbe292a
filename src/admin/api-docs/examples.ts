import type { Json } from './openapi.ts';

/**
 * A request for every operation that takes a body, or whose query has to say something; in the order in which they can
 * be made one after the other, which is how test/system/api-examples.test.ts makes them. Ids in here stand for those
 * of the reader.
 */

export interface Example {
  readonly body?: Json;
  /** Example of a body that is not JSON. */
  readonly text?: string;
  readonly query?: Readonly<Record<string, string>>;
}

export const exampleIds = {
  tenantId: '3f2504e0-4f89-41d3-9a0c-0305e82c3301',
  instanceId: 'b6a9f0c1-2d3e-4f50-8a71-92b3c4d5e6f7',
  otherInstanceId: 'c7b0a1d2-3e4f-4061-9b82-a3c4d5e6f708',
  deviceId: '5a1c7b32-90de-4f6b-8c24-7e8f90a1b2c3',
} as const;

const { instanceId, otherInstanceId, tenantId } = exampleIds;

/** Its address and client are the parts of the examples that no other gateway could use. */
export const exampleInstance = {
  name: 'berlin',
  url: 'https://berlin.jamfcloud.com',
  apiClient: {
    clientId: '0d9f2c1e-8a7b-4c3d-9e5f-6a1b2c3d4e5f',
    clientSecret: 'the secret of the API client',
  },
  compliance: { source: 'jamf' },
};

const examplesInOrder = {
  createTenant: {
    body: {
      tenantId,
      cloud: 'public',
      displayName: 'Contoso',
      landing: { choice: 'default' },
    },
  },
  changeTenant: { body: { displayName: 'Contoso Europe' } },
  createInstance: { body: exampleInstance },
  changeInstance: { body: { enabled: true } },
  createInstanceKey: { body: { name: 'webhooks', expiresAt: '2099-12-31T00:00:00Z' } },
  placeDevice: {
    body: {
      instanceId,
      jamfComputerId: '42',
      serialNumber: 'C02EXAMPLE01',
      pinned: true,
      reason: 'reported by two instances',
    },
  },
  streamEvents: { query: { seconds: '1' } },
  search: { query: { q: 'C02EXAMPLE01' } },
  listDevices: { query: { filter: 'serialNumber==C02*;pinned==true', sort: 'serialNumber:asc' } },
  diffRoutes: { query: { from: '0', to: '1' } },
  importDevices: {
    query: { mode: 'atomic' },
    text: `deviceId,instanceId,jamfComputerId,serialNumber,udid,pinned
9c0d1e2f-3a4b-4c5d-8e6f-708192a3b4c5,${instanceId},43,C02EXAMPLE02,,false
`,
  },
  exportDevices: { query: { filter: 'pinned==false' } },
  listHistory: { query: { filter: 'action==connection.*;recordedAt=ge=2026-11-01' } },
  rollBackRoutes: { query: { 'dry-run': 'true' }, body: { toVersion: 0, reason: 'placed by mistake' } },
  planMove: {
    body: { from: instanceId, to: otherInstanceId, percent: 10, shadow: true, reason: 'data centre closes' },
  },
  advanceMove: { body: { percent: 50, force: true, reason: 'compared by hand' } },
  pauseMove: { body: { reason: 'maintenance of the new instance' } },
  rollbackMove: { body: { reason: 'the new instance is slow' } },
  listReports: { query: { filter: 'state==failed;updatedAt=gt=2026-11-01T00:00:00Z' } },
  replayReports: { body: { filter: 'state==failed;reason==user-not-assigned' } },
  listHolds: { query: { filter: 'state==open' } },
  refuseHold: { body: { reason: 'the server was restored from the wrong backup' } },
  releaseHold: { body: { reason: 'these Macs were sold' } },
  approveApproval: { body: { reason: 'agreed with the customer' } },
  rejectApproval: { body: { reason: 'not before the maintenance window' } },
  createApiKey: {
    body: { name: 'helpdesk', role: 'viewer', tenants: [tenantId], expiresAt: '2099-12-31T00:00:00Z' },
  },
  createAlertTarget: {
    body: { name: 'on call', url: 'https://alerts.example.com/espalier', tenants: [tenantId], history: true },
  },
  changeAlertTarget: { body: { kinds: ['tenant-held', 'instance-unreachable'] } },
  assignOperator: { body: { tenants: [tenantId] } },
  migrateTenant: { body: { connectionType: 'manual' } },
  disconnectTenant: { query: { 'dry-run': 'true' }, body: { retract: true } },
  setRelay: { body: { to: 'https://new.example', until: '2099-12-31T00:00:00Z' } },
  erasePerson: { query: { force: 'true' }, body: { deviceIds: [exampleIds.deviceId] } },
} satisfies Readonly<Record<string, Example>>;

export const examples: Readonly<Record<string, Example>> = examplesInOrder;
