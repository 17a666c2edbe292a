import { randomUUID } from 'node:crypto';
import { deviceId, type TestWorld, tenantId, userId } from './simulated-microsoft.ts';

export interface CallAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape come here
  readonly body: any;
}

/** Calls to the doubles of a test world, with fresh tokens. */
export interface TestCalls {
  intune(method: string, path: string, body?: unknown): Promise<CallAnswer>;
  /** By the connector unless an application is named. */
  graph(path: string, options?: { clientId?: string; method?: string; token?: string }): Promise<CallAnswer>;
  provision(provisioned: 1 | 2): Promise<CallAnswer>;
  heartbeat(): Promise<CallAnswer>;
  /** Puts the entities as one message, lets every delay pass and gives the message's final state. */
  deliver(entities: readonly Record<string, unknown>[]): Promise<CallAnswer>;
  upload(entities: readonly Record<string, unknown>[]): Promise<CallAnswer>;
  partner(): Promise<Readonly<Record<string, unknown>>>;
  switched(section: 'consent' | 'entra' | 'graph' | 'discovery' | 'intune', change: unknown): Promise<void>;
}

export const entity = (
  type: number,
  at: string,
  members: Record<string, unknown>,
): Record<string, unknown> => ({
  EntityType: type,
  TenantId: tenantId,
  DeviceId: deviceId,
  UserId: userId,
  LastUpdateTime: at,
  ...members,
});

export const inventory = (at: string, members: Record<string, unknown> = {}): Record<string, unknown> =>
  entity(1, at, { DeviceManagementState: 'managed', DeviceName: 'Mac', EasIds: [], ...members });

export const verdict = (at: string, complianceStatus: string): Record<string, unknown> =>
  entity(4, at, { complianceStatus });

const tenantKey = `(guid'${tenantId}')?api-version=1.6`;

export function createTestCalls(world: TestWorld): TestCalls {
  const send = async (url: string, token: string, method: string, body: unknown): Promise<CallAnswer> => {
    const answer = await world.request(url, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return {
      status: answer.status,
      headers: Object.fromEntries(answer.headers),
      body: text === '' ? undefined : JSON.parse(text),
    };
  };
  const { intunePort } = world.cloud.cloudsFileEntry();
  const intune: TestCalls['intune'] = async (method, path, body) =>
    send(
      `https://127.0.0.1:${intunePort}/StatelessPartner${path}`,
      await world.token(world.intuneScope),
      method,
      body,
    );
  const message = (id: string): string =>
    `DeviceDataSyncService/DataUploadMessages(guid'${id}')?api-version=1.2`;
  const put = (id: string, entities: readonly Record<string, unknown>[]): Promise<CallAnswer> =>
    intune('PUT', message(id), {
      TenantId: tenantId,
      UploadTime: new Date().toISOString(),
      Content: JSON.stringify(entities),
    });
  return {
    intune,
    graph: async (path, { clientId, method = 'GET', token } = {}) =>
      send(
        path.startsWith('https:') ? path : `${world.cloud.origins.graph}/v1.0/${path}`,
        token ?? (await world.token(world.graphScope, clientId)),
        method,
        undefined,
      ),
    provision: (provisioned) =>
      intune('PUT', `TenantDataSyncService/PartnerTenants${tenantKey}`, {
        Provisioned: provisioned,
        PartnerEnrollmentUrl: `https://gateway.example/t/${tenantId}/enroll`,
        PartnerRemediationUrl: `https://gateway.example/t/${tenantId}/remediate`,
      }),
    heartbeat: () =>
      intune('PUT', `TenantDataSyncService/PartnerTenantHeartbeat${tenantKey}`, {
        Timestamp: new Date(world.clock.now()).toISOString(),
      }),
    upload: (entities) => put(randomUUID(), entities),
    deliver: async (entities) => {
      const id = randomUUID();
      await put(id, entities);
      world.clock.advance(1000);
      world.cloud.settle();
      world.clock.advance(1000);
      world.cloud.settle();
      return intune('GET', message(id));
    },
    partner: async () =>
      (await world.control('GET', `/tenants/${tenantId}/partner`)).body as Record<string, unknown>,
    switched: async (section, change) => {
      const answer = await world.control('PATCH', `/tenants/${tenantId}/${section}`, change);
      if (answer.status !== 200) throw new Error(JSON.stringify(answer.body));
    },
  };
}
