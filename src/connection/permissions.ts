import type { GraphFailure, RefusedHost } from '../graph/call.ts';
import { type GrantsResult, readGrants } from '../graph/grants.ts';
import { newId } from '../ids.ts';
import { type Send, sendFor } from '../outbound/port.ts';
import type { Hold } from '../store/row-types.ts';
import type { Tenant } from '../store/tenants/tenant.ts';
import type { ConnectionAccess } from './access.ts';
import {
  comparePermissions,
  defaultExpectedPermissions,
  type ExpectedPermissions,
  grantedPermissions,
  type PermissionApplication,
  type PermissionMode,
  permissionTexts,
} from './expected-permissions.ts';

/** Permission drift of both applications, as the tenant's own directory tells it (mission M13). */

export interface CheckPermissions {
  readonly tenant: Pick<Tenant, 'tenantId' | 'cloud'> & { readonly mode: PermissionMode };
  /** Those that are configured, with their client ids in the tenant's cloud. */
  readonly applications: readonly { readonly app: PermissionApplication; readonly clientId: string }[];
  readonly access: Pick<ConnectionAccess, 'token'>;
  readonly send: Send;
  readonly cloud: { readonly graph: string };
  readonly expected?: ExpectedPermissions;
  readonly timeoutMs: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** `unread`: nothing is known about the grants, the three sets are empty and `problem` says why. */
export type ApplicationState = 'enabled' | 'disabled' | 'absent' | 'unread';

/** One application as the contract shows it (section 11); the sets are texts in alphabetical order. */
export interface CheckedApplication {
  readonly app: PermissionApplication;
  readonly clientId: string;
  readonly state: ApplicationState;
  readonly expected: readonly string[];
  readonly granted: readonly string[];
  readonly missing: readonly string[];
  readonly extra: readonly string[];
  /** Reason why the application does not work or could not be checked; absent when only the sets speak. */
  readonly problem?: Omit<Hold, 'since'>;
}

export interface PermissionsReport {
  /** ISO 8601. */
  readonly checkedAt: string;
  /** True when every application was read, is enabled and holds exactly what it must. */
  readonly ok: boolean;
  readonly applications: readonly CheckedApplication[];
}

type Problem = Omit<Hold, 'since'>;
type Read = GrantsResult | { readonly ok: false; readonly problem: Problem };

const problem = (cause: string, detail: string, remedy: string, owner: string): Problem => ({
  cause,
  detail,
  remedy,
  owner,
});

function problemOfGraph(failure: GraphFailure | RefusedHost): Problem {
  const { detail } = failure;
  switch (failure.failure) {
    case 'forbidden':
      return problem(
        'permission-missing',
        `The connector may not read the directory: ${detail}`,
        'The connector lacks Directory.Read.All: consent again, and check again two minutes later.',
        'configuration',
      );
    case 'refused-host':
      return problem(
        'graph-refused-host',
        `Graph pointed to ${failure.host}; no token was sent there.`,
        'Look at what is between Espalier and Graph.',
        'configuration',
      );
    case 'unauthenticated':
    case 'throttled':
    case 'unreachable':
    case 'not-found':
    case 'error':
      return problem(`graph-${failure.failure}`, detail, 'Passes by itself; check again later.', 'microsoft');
  }
}

/** Reads with the connector's token: it may read the directory, the other application's may not. */
async function read(options: CheckPermissions, appId: string): Promise<Read> {
  const { access, cloud, send, tenant, timeoutMs } = options;
  const attempt = async (fresh: boolean): Promise<Read> => {
    const token = await access.token(tenant, 'graph', { fresh });
    if (!token.ok) {
      const { cause, detail, owner, remedy } = token;
      return { ok: false, problem: problem(cause, detail, remedy, owner) };
    }
    const { accessToken } = token;
    const call = { send: sendFor(tenant.tenantId, send), clientRequestId: newId(), timeoutMs };
    return readGrants({ ...call, cloud, accessToken, appId });
  };
  const first = await attempt(false);
  // A token may be refused now and then, or be older than its consent (domain/microsoft.md 1.5, 3): once more.
  const again =
    !first.ok && 'failure' in first && (first.failure === 'unauthenticated' || first.failure === 'forbidden');
  return again ? attempt(true) : first;
}

const absent = (app: PermissionApplication): Problem =>
  problem(
    'consent-required',
    `The ${app} application is not in the tenant's directory: nobody consented, or it was deleted.`,
    'Connect the tenant again: an administrator consents to both applications.',
    'configuration',
  );

const disabled = (app: PermissionApplication, byMicrosoft: boolean): Problem =>
  byMicrosoft
    ? problem(
        'application-disabled',
        `Microsoft disabled the ${app} application.`,
        'Ask Microsoft support why; the owner of the registration is told in Entra.',
        'microsoft',
      )
    : problem(
        'application-disabled',
        `The ${app} application is disabled in the tenant.`,
        'In Entra, under Enterprise applications, allow users to sign in to it.',
        'configuration',
      );

const byName = (texts: readonly string[]): readonly string[] => [...texts].sort();

function stateOf(
  app: PermissionApplication,
  found: Read,
): { readonly state: ApplicationState; readonly problem?: Problem } {
  if (!found.ok) {
    return { state: 'unread', problem: 'problem' in found ? found.problem : problemOfGraph(found) };
  }
  if (!found.found) return { state: 'absent', problem: absent(app) };
  if (found.disabledByMicrosoft || !found.accountEnabled) {
    return { state: 'disabled', problem: disabled(app, found.disabledByMicrosoft) };
  }
  return { state: 'enabled' };
}

async function checkOne(
  options: CheckPermissions,
  { app, clientId }: CheckPermissions['applications'][number],
): Promise<CheckedApplication> {
  const wanted = (options.expected ?? defaultExpectedPermissions)[options.tenant.mode][app];
  const found = await read(options, clientId);
  const granted = found.ok && found.found ? grantedPermissions(found) : [];
  const { missing, extra } = found.ok ? comparePermissions(granted, wanted) : { missing: [], extra: [] };
  const text = permissionTexts([...wanted.expected, ...granted]);
  return {
    app,
    clientId,
    expected: byName(wanted.expected.map(text)),
    granted: byName(granted.map(text)),
    missing: byName(missing.map(text)),
    extra: byName(extra.map(text)),
    ...stateOf(app, found),
  };
}

/**
 * Compares what the applications hold in the tenant with what they must (domain/microsoft.md 2.3; contract section
 * 11, `permissions`). Run it after consent, daily, and on any 401 or 403. Never throws for what Microsoft answers.
 */
export async function checkPermissions(options: CheckPermissions): Promise<PermissionsReport> {
  const applications: CheckedApplication[] = [];
  for (const application of options.applications) applications.push(await checkOne(options, application));
  return {
    checkedAt: new Date(options.now()).toISOString(),
    ok: applications.every(
      ({ extra, missing, state }) => state === 'enabled' && missing.length === 0 && extra.length === 0,
    ),
    applications,
  };
}
