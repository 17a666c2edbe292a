import { within } from '../deadline.ts';
import { instanceTestMs } from '../limits.ts';
import type { JamfFailure, JamfFailureKind, JamfResult } from './failure.ts';
import { neededPrivileges } from './privileges.ts';

export interface ConnectionTestStep {
  readonly name: 'token' | 'version' | 'inventory' | 'compliance';
  readonly ok: boolean;
  readonly detail: string;
  /** The operator's remedy; absent when the step is ok. */
  readonly remedy?: string;
  /** The person who has to act; absent when the step is ok. */
  readonly owner?: 'configuration' | 'instance';
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

export interface ConnectionTest {
  readonly steps: readonly ConnectionTestStep[];
  /** The version that the instance names. */
  readonly version?: string;
}

/** Every call of one test shares `testMs`: an instance whose answers drip must not hold whoever asked for the test. */
function createTimeLimit(testMs: number): <T>(call: () => Promise<JamfResult<T>>) => Promise<JamfResult<T>> {
  const startMs = performance.now();
  const over = (): JamfFailure => ({
    ok: false,
    failure: 'timeout',
    detail: `no answer within the ${testMs / 1_000} s that a test may take in all`,
  });
  return (call) => {
    const leftMs = testMs - (performance.now() - startMs);
    return leftMs > 0 ? within(call(), leftMs, over) : Promise.resolve(over());
  };
}

/** Tries in turn what the gateway needs of an instance; after a failed token the rest is not tried. */
export async function testConnection(
  calls: ConnectionTestCalls,
  testMs = instanceTestMs,
): Promise<ConnectionTest> {
  const inTime = createTimeLimit(testMs);
  const token = await inTime(calls.token);
  if (!token.ok) {
    const rest = (['version', 'inventory', 'compliance'] as const).map((name) => ({
      name,
      ok: false,
      detail: 'Not tried: there is no token.',
      remedy: 'Repair the token step first.',
    }));
    return { steps: [failed('token', token), ...rest] };
  }
  const version = await inTime(calls.version);
  const inventory = await inTime(calls.inventory);
  // The privilege is checked before the computer is looked up, so that any id serves on an instance without computers.
  const firstId = inventory.ok ? inventory.firstId : undefined;
  const compliance = await inTime(() => calls.compliance(firstId ?? '1'));
  const isPermitted = compliance.ok || compliance.failure === 'not-found';
  const steps: ConnectionTestStep[] = [
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
  return version.ok ? { steps, version: version.version } : { steps };
}

/** Failures that no server of the customer's can end. */
const ofConfiguration: ReadonlySet<JamfFailureKind> = new Set(['no-secret', 'refused-address']);

function failed(name: ConnectionTestStep['name'], failure: JamfFailure): ConnectionTestStep {
  return {
    name,
    ok: false,
    detail: `${failure.failure}: ${failure.detail}`,
    remedy: remedyFor(name, failure.failure),
    owner: ofConfiguration.has(failure.failure) ? 'configuration' : 'instance',
  };
}

const privileges: Readonly<Record<ConnectionTestStep['name'], string | undefined>> = {
  token: undefined,
  version: undefined,
  inventory: neededPrivileges.inventory.name,
  compliance: neededPrivileges.verdict.name,
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
  'no-secret':
    "Give the API client's secret anew, or mend what its reference names: a variable of the gateway's process or a file below ESPALIER_SECRETS_DIR.",
  error: 'Jamf Pro answered with an error; look into its server log.',
};

/** The operator's remedy for a call that failed. */
export function remedyFor(name: ConnectionTestStep['name'], failure: JamfFailureKind): string {
  const privilege = privileges[name];
  if (failure === 'forbidden' && privilege !== undefined) {
    return `Give the role of the API client the privilege "${privilege}"; it counts for tokens made afterwards.`;
  }
  return remedies[failure];
}
