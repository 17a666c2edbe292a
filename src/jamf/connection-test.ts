import type { JamfFailure, JamfFailureKind, JamfResult } from './failure.ts';

export interface ConnectionTestStep {
  readonly name: 'token' | 'version' | 'inventory' | 'compliance';
  readonly ok: boolean;
  readonly detail: string;
  /** What an operator can do about it; absent when the step is ok. */
  readonly remedy?: string;
}

export interface ConnectionTestCalls {
  readonly token: () => Promise<JamfResult<object>>;
  readonly version: () => Promise<JamfResult<{ readonly version: string }>>;
  /** One computer of the inventory, if there is any. */
  readonly inventory: () => Promise<
    JamfResult<{ readonly inventoryVersion: number; readonly totalCount: number; readonly firstId?: string }>
  >;
  readonly compliance: (jamfComputerId: string) => Promise<JamfResult<object>>;
}

/** Tries in turn what the gateway needs of an instance; after a failed token the rest is not tried. */
export async function testConnection(calls: ConnectionTestCalls): Promise<readonly ConnectionTestStep[]> {
  const token = await calls.token();
  if (!token.ok) {
    const rest = (['version', 'inventory', 'compliance'] as const).map((name) => ({
      name,
      ok: false,
      detail: 'Not tried: there is no token.',
      remedy: 'Repair the token step first.',
    }));
    return [failed('token', token), ...rest];
  }
  const version = await calls.version();
  const inventory = await calls.inventory();
  // The privilege is checked before the computer is looked up, so that any id serves on an instance without computers.
  const firstId = inventory.ok ? inventory.firstId : undefined;
  const compliance = await calls.compliance(firstId ?? '1');
  const isPermitted = compliance.ok || compliance.failure === 'not-found';
  return [
    { name: 'token', ok: true, detail: 'A token was issued.' },
    version.ok
      ? { name: 'version', ok: true, detail: `Jamf Pro ${version.version}` }
      : failed('version', version),
    inventory.ok
      ? {
          name: 'inventory',
          ok: true,
          detail: `Inventory v${inventory.inventoryVersion}, ${inventory.totalCount} computers`,
        }
      : failed('inventory', inventory),
    isPermitted
      ? { name: 'compliance', ok: true, detail: 'Compliance information can be read.' }
      : failed('compliance', compliance),
  ];
}

function failed(name: ConnectionTestStep['name'], failure: JamfFailure): ConnectionTestStep {
  return {
    name,
    ok: false,
    detail: `${failure.failure}: ${failure.detail}`,
    remedy: remedyFor(name, failure.failure),
  };
}

const privileges: Readonly<Record<ConnectionTestStep['name'], string | undefined>> = {
  token: undefined,
  version: undefined,
  inventory: 'Read Computers',
  compliance: 'Read Device Compliance Information',
};

const remedies: Readonly<Record<JamfFailureKind, string>> = {
  'not-found': 'Check the URL of the instance; this version of Jamf Pro does not have the path.',
  unauthenticated:
    'Check the client id and secret in Jamf Pro under Settings, System, API roles and clients, and that the client is enabled.',
  forbidden: 'Give the role of the API client the privileges that the gateway needs.',
  unreachable: 'Check the URL, its DNS name, its certificate and the firewalls on the way.',
  timeout: 'The instance did not answer in time; check its health and the firewalls on the way.',
  'refused-address':
    'The URL leads to a private or special address; allow it with ESPALIER_UPSTREAM_ALLOW if that is meant.',
  overloaded: 'The instance is shedding load; try again later.',
  'invalid-answer':
    'Something other than Jamf Pro answered: check the URL, maintenance of the instance, and firewalls or content networks in front of it.',
  error: 'Jamf Pro answered with an error; look into its server log.',
};

/** What an operator can do about a call that failed. */
export function remedyFor(name: ConnectionTestStep['name'], failure: JamfFailureKind): string {
  const privilege = privileges[name];
  if (failure === 'forbidden' && privilege !== undefined) {
    return `Give the role of the API client the privilege "${privilege}"; it counts for tokens made afterwards.`;
  }
  return remedies[failure];
}
