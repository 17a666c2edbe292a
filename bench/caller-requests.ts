import type { CallerRequest } from './callers.ts';
import type { ConnectedTenant } from './cloud-scene.ts';
import { deviceIdOf } from './fleet.ts';
import type { PushRecipe } from './push-bodies.ts';

/** Every kind of request that can come of a tenant's side, of its operators, or of a stranger. */

export type Kind =
  | 'calls'
  | 'webhooks'
  | 'webhooks of 500 computers'
  | 'pushes'
  | 'large pushes'
  | 'pushes of 1 MiB kept'
  | 'calls to an instance that hangs'
  | 'lists'
  | 'exports'
  | 'pages'
  | 'no token'
  | 'bad tokens';

export const isOfOperators = (kind: Kind): boolean => kind === 'lists' || kind === 'exports';

/** Devices of a tenant that are called, and that ordinary webhooks and single pushes are about. */
const usualDevices = 500;
const computersOfLargeWebhook = 500;
/** Where connections need devices of their own there are so many of the noisy tenant. */
export const noisyDevices = 8_000;
export const quietDevices = usualDevices;
const forgedTokens = 500;

export interface Side {
  readonly tenant: ConnectedTenant;
  /** Entra issued it to an application that may call the tenant's devices. */
  readonly token: string;
  /** The device whose instance answers nothing. */
  readonly hangingDevice: string;
  /** Keys of its operators. */
  readonly operatorKeys: readonly string[];
}

export interface Asked {
  readonly kind: Kind;
  readonly connections: number;
  /** Operators that take turns; default: one. */
  readonly operators?: number;
}

const authorized = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });
const listed = <T>(length: number, of: (at: number) => T): T[] => Array.from({ length }, (_, at) => of(at));

/** As many tokens of one header and other claims, with a signature that belongs to none of them. */
function forge(token: string): string[] {
  const [header = '', payload = ''] = token.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
  const signature = Buffer.alloc(256, 1).toString('base64url');
  return listed(forgedTokens, (nth) => {
    const other = Buffer.from(JSON.stringify({ ...claims, uti: `forged-${nth}` })).toString('base64url');
    return `${header}.${other}.${signature}`;
  });
}

function call({ tenant }: Side, device: string, headers: Record<string, string>): CallerRequest {
  return { method: 'GET', path: `/t/${tenant.tenantId}/devices/${device}/compliance`, headers };
}

const checkIn = (computer: number): string =>
  `{"webhook":{"id":1,"name":"n","webhookEvent":"ComputerCheckIn"},"event":{"computer":{"jssID":${computer}},"trigger":"x"}}`;

const groupChange = (computers: readonly number[]): string =>
  `{"webhook":{"id":1,"name":"n","webhookEvent":"SmartGroupComputerMembershipChange"},"event":{"name":"g","smartGroup":true,"jssid":9,"computer":true,"groupAddedDevicesIds":[${computers}]}}`;

function webhook({ tenant }: Side, text: string): CallerRequest {
  return {
    method: 'POST',
    path: `/jamf/${tenant.instanceId}/webhooks`,
    headers: { 'content-type': 'application/json', 'x-api-key': tenant.key },
    body: { text },
  };
}

function push({ tenant }: Side, recipe: Omit<PushRecipe, 'tenant'>): CallerRequest {
  return {
    method: 'POST',
    path: `/jamf/${tenant.instanceId}/inventory`,
    headers: {
      'content-type': 'application/x-ndjson',
      'x-api-key': tenant.key,
      ...(recipe.form === 'plain' ? {} : { 'content-encoding': 'gzip' }),
    },
    body: { push: { ...recipe, tenant: tenant.number } },
  };
}

/** As many a page as may be asked for. */
const listPaths = (tenantId: string): string[] => [
  `/api/v1/tenants/${tenantId}/devices?page-size=2000`,
  '/api/v1/reports?page-size=2000',
];

export function requestsOf(side: Side, { connections, kind, operators = 1 }: Asked): CallerRequest[] {
  const { hangingDevice, operatorKeys, tenant, token } = side;
  const { devices, number, tenantId } = tenant;
  const first = deviceIdOf(number, 0);
  const asOperators = (paths: readonly string[]): CallerRequest[] =>
    operatorKeys
      .slice(0, operators)
      .flatMap((key) => paths.map((path) => ({ method: 'GET', path, headers: authorized(key) })));
  switch (kind) {
    case 'calls':
      return listed(usualDevices, (device) => call(side, deviceIdOf(number, device), authorized(token)));
    case 'calls to an instance that hangs':
      return [call(side, hangingDevice, authorized(token))];
    case 'no token':
      return [call(side, first, {})];
    case 'bad tokens':
      return forge(token).map((forged) => call(side, first, authorized(forged)));
    case 'webhooks':
      return listed(usualDevices, (device) => webhook(side, checkIn(device + 1)));
    case 'webhooks of 500 computers': {
      const from = (nth: number): number => (nth * computersOfLargeWebhook) % devices;
      return listed(connections, (nth) =>
        webhook(side, groupChange(listed(computersOfLargeWebhook, (at) => from(nth) + at + 1))),
      );
    }
    case 'pushes':
      return listed(usualDevices, (firstDevice) => push(side, { firstDevice, records: 1, form: 'plain' }));
    case 'large pushes': {
      const records = Math.min(1_000, Math.floor(devices / connections));
      return listed(connections, (nth) =>
        push(side, { firstDevice: nth * records, records, form: 'packed' }),
      );
    }
    case 'pushes of 1 MiB kept':
      return listed(connections, (firstDevice) =>
        push(side, { firstDevice, records: 1, form: 'packed wide' }),
      );
    case 'pages':
      return [{ method: 'GET', path: `/t/${tenantId}/enroll?deviceId=${first}`, headers: {} }];
    case 'lists':
      return asOperators(listPaths(tenantId));
    case 'exports':
      return asOperators([`/api/v1/tenants/${tenantId}/devices/export`]);
  }
}
