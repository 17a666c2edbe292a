import { createBoundedCache } from '../bounded-cache.ts';
import type { Cloud } from '../entra/clouds.ts';
import type { TokenFailure } from '../entra/errors.ts';
import type { Application, TokenBroker, TokenResource } from '../entra/tokens.ts';
import { type DiscoveryFailure, discoverIntune, type IntuneServices } from '../graph/discovery.ts';
import { newId } from '../ids.ts';
import { createJoining, type Sharing } from '../joining.ts';
import { discoveryCacheMs } from '../limits.ts';
import { type Send, sendFor } from '../outbound/port.ts';
import type { AccessFailure, Tenant } from '../store/tenants/tenant.ts';
import type { Log } from '../telemetry/log.ts';
import { provisionedStates } from './state.ts';

/** A tenant's way to its Microsoft services: tokens, and where its Intune is. */

export interface ConnectionAccess {
  /** Returns the token and address for an upload, for a tenant that is connected and not paused. */
  intune(tenant: Tenant): Promise<{ ok: true; accessToken: string; deviceService: string } | AccessFailure>;
  /** A token that may read devices; `canSeeCompliance` false means that isCompliant will read null. */
  graph(
    tenant: Tenant,
  ): Promise<{ ok: true; accessToken: string; canSeeCompliance: boolean } | AccessFailure>;
  /**
   * The service refused the token, or its address does not answer, or says that it is not the one (`moved`): the next
   * call takes fresh ones.
   */
  invalidate(tenant: Tenant, what: 'token' | 'address' | 'moved'): void;
  token(
    tenant: Pick<Tenant, 'tenantId' | 'cloud'>,
    resource: TokenResource,
    more?: { application?: Application; fresh?: boolean },
  ): Promise<{ ok: true; accessToken: string; roles: readonly string[] } | AccessFailure>;
  /** The tenant's partner services; `fresh` looks again. */
  services(tenant: Tenant, fresh?: boolean): Promise<{ ok: true; services: IntuneServices } | AccessFailure>;
}

export interface AccessOptions {
  readonly send: Send;
  readonly broker: TokenBroker;
  readonly clouds: ReadonlyMap<string, Cloud>;
  readonly hasDiagnostic: (cloud: string) => boolean;
  readonly timeoutMs: number;
  /** Interval after which a lasting failure is checked again. */
  readonly holdRecheckSeconds: number;
  readonly log: Log;
  readonly now: () => number;
  readonly sharing: Sharing;
}

/** A failing discovery is not repeated faster than this per tenant, unless what is held is looked at more often. */
const rediscoverEveryMs = 30_000;
/**
 * An address that does not answer is looked up again, once: where discovery gives the same one, Intune is in trouble and
 * has not moved. While it goes on not answering, another look this often finds a move during the trouble.
 */
const silentRediscoverEveryMs = 600_000;

const hold = (cause: string, detail: string, remedy: string, owner: string): AccessFailure => ({
  ok: false,
  kind: 'hold',
  cause,
  detail,
  remedy,
  owner,
});

const unknownCloud = ({ cloud }: Pick<Tenant, 'cloud'>): AccessFailure =>
  hold('cloud-unknown', `There is no cloud ${cloud}.`, 'Add it to ESPALIER_CLOUDS_FILE.', 'configuration');

export function accessFailureOfToken(failure: TokenFailure): AccessFailure {
  const detail = failure.description ?? `Entra gave no token (${failure.cause}).`;
  const passes = failure.scope === 'transient';
  const cloud =
    failure.suggestedCloud === undefined
      ? ''
      : ` Entra says the tenant lives in the cloud ${failure.suggestedCloud}.`;
  return {
    ok: false,
    kind: passes ? 'retry' : 'hold',
    cause: failure.cause,
    detail: `${detail}${cloud}`,
    remedy: failure.remedy,
    owner: failure.owner,
    ...(failure.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: failure.retryAfterSeconds }),
  };
}

function accessFailureOfDiscovery(failure: DiscoveryFailure): AccessFailure {
  const { detail } = failure;
  const retry = (cause: string, retryAfterSeconds?: number): AccessFailure => ({
    ok: false,
    kind: 'retry',
    cause,
    detail,
    remedy: 'Passes by itself.',
    owner: 'microsoft',
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });
  switch (failure.failure) {
    case 'no-intune':
      return hold(
        'no-intune',
        detail,
        'The tenant has no Intune, or its licence ended: add one.',
        'configuration',
      );
    case 'partner-service-missing':
      return hold(
        'partner-service-missing',
        detail,
        'Intune is there, but without its partner services: ask Microsoft support.',
        'microsoft',
      );
    case 'refused-host':
      return hold(
        'discovery-refused-host',
        `${detail} No token was sent there.`,
        "If the host is Microsoft's, add it to the cloud's intuneHosts; if not, the directory was tampered with.",
        'configuration',
      );
    case 'forbidden':
      return hold(
        'permission-missing',
        detail,
        'The connector lacks Directory.Read.All: consent again.',
        'configuration',
      );
    case 'unauthenticated':
      return retry('graph-unauthenticated');
    case 'throttled':
      return retry('graph-throttled', failure.retryAfterSeconds);
    case 'unreachable':
    case 'error':
      return retry('graph-unavailable', failure.retryAfterSeconds);
  }
}

interface Discovered {
  readonly services?: IntuneServices;
  readonly failure?: AccessFailure;
  /** No token: nothing was discovered, and nothing is to be remembered. */
  readonly fromToken?: boolean;
  readonly at: number;
  /** The address was found wanting: it is looked up again, and serves until that succeeds. */
  readonly doubted?: boolean;
}

const sameServices = (a: IntuneServices | undefined, b: IntuneServices | undefined): boolean =>
  a?.device === b?.device && a?.tenant === b?.tenant;

/**
 * Decides when a tenant's address may be doubted again. A found move ends the episode: the new address has a fresh
 * start, and calls that were under way to the old one, which fail for a while yet, say nothing of it.
 */
function createDoubts(now: () => number) {
  const checkedAt = createBoundedCache<string, number>(20_000);
  const movedAt = createBoundedCache<string, number>(20_000);
  return {
    mayCheck: (tenantId: string, why: 'address' | 'moved'): boolean => {
      if (now() - (movedAt.get(tenantId) ?? Number.NEGATIVE_INFINITY) < rediscoverEveryMs) return false;
      const ageMs = now() - (checkedAt.get(tenantId) ?? Number.NEGATIVE_INFINITY);
      if (ageMs < (why === 'moved' ? rediscoverEveryMs : silentRediscoverEveryMs)) return false;
      checkedAt.set(tenantId, now());
      return true;
    },
    moved: (tenantId: string): void => {
      checkedAt.delete(tenantId);
      movedAt.set(tenantId, now());
    },
    /** Nothing was found out: not in a hurry again, but before the episode is over. */
    inVain: (tenantId: string): void => {
      checkedAt.set(tenantId, now() - silentRediscoverEveryMs + rediscoverEveryMs);
    },
  };
}

/** Discovery per tenant, kept for a day, joined by those who ask at the time, and not repeated in a hurry while it fails. */
function createDiscovery(options: AccessOptions, token: ConnectionAccess['token']) {
  const { clouds, holdRecheckSeconds, log, now, send, timeoutMs } = options;
  const failureKeptMs = Math.min(rediscoverEveryMs, holdRecheckSeconds * 1_000);
  const known = createBoundedCache<string, Discovered>(20_000);
  const doubts = createDoubts(now);
  const underWay = createJoining<Discovered>(options.sharing);

  const discover = async (tenant: Tenant, cloud: Cloud): Promise<Discovered> => {
    const graph = await token(tenant, 'graph');
    if (!graph.ok) return { failure: graph, fromToken: true, at: now() };
    const { accessToken } = graph;
    const call = { send: sendFor(tenant.tenantId, send), clientRequestId: newId(), timeoutMs };
    const found = await discoverIntune({ ...call, cloud, accessToken });
    if (found.ok) return { services: found.services, at: now() };
    log.warn('discovery.failed', { tenantId: tenant.tenantId, ...found });
    return { failure: accessFailureOfDiscovery(found), at: now() };
  };

  /** Remembers what was found; what is known already serves on while checking again fails for the moment. */
  const keep = (tenantId: string, last: Discovered | undefined, result: Discovered): Discovered => {
    if (result.services) {
      if (last?.doubted && !sameServices(last.services, result.services)) {
        doubts.moved(tenantId);
        log.info('discovery.moved', { tenantId, device: result.services.device });
      }
      known.set(tenantId, result);
    } else if (last?.services && result.failure?.kind === 'retry') {
      known.set(tenantId, { ...last, doubted: false });
      doubts.inVain(tenantId);
      return last;
      // A passing failure is asked again with the caller's own back-off; only a lasting one is remembered.
    } else if (result.failure?.kind === 'hold' && !result.fromToken) known.set(tenantId, result);
    return result;
  };

  return {
    find: async (
      tenant: Tenant,
      fresh: boolean,
    ): Promise<{ ok: true; services: IntuneServices } | AccessFailure> => {
      const { tenantId } = tenant;
      const cloud = clouds.get(tenant.cloud);
      if (!cloud) return unknownCloud(tenant);
      const last = known.get(tenantId);
      const age = now() - (last?.at ?? 0);
      if (!fresh && last?.services && !last.doubted && age < discoveryCacheMs) {
        return { ok: true, services: last.services };
      }
      if (!fresh && last?.failure && age < failureKeptMs) return last.failure;
      const found = await underWay.once(tenantId, () => discover(tenant, cloud));
      const kept = keep(tenantId, last, found);
      const result = fresh ? found : kept;
      if (result.services) return { ok: true, services: result.services };
      return (
        result.failure ?? hold('discovery-empty', 'Discovery found nothing.', 'Look at the log.', 'espalier')
      );
    },
    /** The address stopped answering: looked up again once per episode, however many calls fail meanwhile. */
    doubt: (tenantId: string, why: 'address' | 'moved'): void => {
      const last = known.get(tenantId);
      if (last?.services && doubts.mayCheck(tenantId, why)) known.set(tenantId, { ...last, doubted: true });
    },
  };
}

/**
 * A cloud is left alone after Entra refused our own registration there, until held tenants are checked again. Where
 * that is soon, a fault that lasts is looked at less and less often, up to so many times that, but at least once a
 * minute.
 */
const longestFaultPeriods = 4;
const longestFaultMs = 60_000;

/**
 * A fault of our registration is every tenant's of that cloud (domain/microsoft.md 1.8, scope G): one alarm, and
 * no hammering with a credential that is refused.
 */
function createRegistrationFaults({ holdRecheckSeconds, log, now }: AccessOptions) {
  const recheckMs = holdRecheckSeconds * 1_000;
  const longestMs = Math.max(recheckMs, Math.min(recheckMs * longestFaultPeriods, longestFaultMs));
  const faults = new Map<
    string,
    { readonly failure: AccessFailure; sinceMs: number; waitMs: number; checking: boolean }
  >();
  return {
    of: (registration: string, fresh: boolean): AccessFailure | undefined => {
      const fault = faults.get(registration);
      if (!fault || fresh) return undefined;
      const heldMs = now() - fault.sinceMs;
      // The clock may jump, but nobody is held for longer than was meant.
      if (heldMs >= 0 && heldMs < fault.waitMs) return fault.failure;
      // This caller looks for all of them: every tenant of the cloud waits for the same registration.
      fault.sinceMs = now();
      fault.checking = true;
      return undefined;
    },
    note: (registration: string, failure: AccessFailure): void => {
      const known = faults.get(registration);
      // Callers who asked before the fault was known are refused one after the other: those are no further looks.
      const waitMs = known?.checking ? Math.min(known.waitMs * 2, longestMs) : (known?.waitMs ?? recheckMs);
      faults.set(registration, { failure, sinceMs: now(), waitMs, checking: false });
      if (known?.failure.cause === failure.cause) return;
      const { cause, detail, owner, remedy } = failure;
      log.error('registration.fault', { registration, cause, detail, remedy, owner });
    },
    /** A look found out nothing of the registration, but that a tenant has a fault of its own, or Entra does not answer. */
    unknown: (registration: string): void => {
      const fault = faults.get(registration);
      if (!fault?.checking) return;
      fault.checking = false;
      fault.sinceMs = Number.NEGATIVE_INFINITY;
    },
    clear: (registration: string): void => {
      if (faults.delete(registration)) log.info('registration.fault-over', { registration });
    },
  };
}

export function createAccess(options: AccessOptions): ConnectionAccess {
  const { broker, clouds, hasDiagnostic } = options;
  const faults = createRegistrationFaults(options);
  const token: ConnectionAccess['token'] = async (tenant, resource, more = {}) => {
    const cloud = clouds.get(tenant.cloud);
    if (!cloud) return unknownCloud(tenant);
    // Each application has faults of its own: the optional third one's must not stop the connector.
    const registration = `${cloud.name} ${more.application ?? 'connector'}`;
    const fault = faults.of(registration, more.fresh === true);
    if (fault) return fault;
    const result = await broker.token({ cloud, tenantId: tenant.tenantId, resource, ...more });
    if (result.ok) {
      faults.clear(registration);
      return result;
    }
    const failure = accessFailureOfToken(result.failure);
    if (result.failure.scope === 'registration') faults.note(registration, failure);
    else faults.unknown(registration);
    return failure;
  };
  const discovery = createDiscovery(options, token);
  const notConnected = (tenant: Tenant): AccessFailure | undefined => {
    if (tenant.paused) return hold('paused', 'Delivery is paused.', 'Resume the tenant.', 'configuration');
    if (provisionedStates.includes(tenant.connectionState)) return undefined;
    return hold(
      tenant.connectionState === 'terminated' ? 'terminated' : 'not-connected',
      `The connection is ${tenant.connectionState}.`,
      tenant.connectionState === 'disabled' ? 'Enable the tenant.' : 'Connect and confirm the tenant.',
      'configuration',
    );
  };
  return {
    token,
    services: (tenant, fresh = false) => discovery.find(tenant, fresh),
    intune: async (tenant) => {
      const closed = notConnected(tenant);
      if (closed) return closed;
      const found = await discovery.find(tenant, false);
      if (!found.ok) return found;
      const granted = await token(tenant, 'intune');
      return granted.ok
        ? { ok: true, accessToken: granted.accessToken, deviceService: found.services.device }
        : granted;
    },
    graph: async (tenant) => {
      const diagnostic = hasDiagnostic(tenant.cloud);
      const granted = await token(tenant, 'graph', { application: diagnostic ? 'diagnostic' : 'connector' });
      if (!granted.ok) return granted;
      const canSeeCompliance = granted.roles.includes('DeviceManagementManagedDevices.Read.All');
      return { ok: true, accessToken: granted.accessToken, canSeeCompliance };
    },
    invalidate: (tenant, what) => {
      const cloud = clouds.get(tenant.cloud);
      if (what === 'token' && cloud) broker.forget(cloud, tenant.tenantId, 'keep-young');
      else if (what !== 'token') discovery.doubt(tenant.tenantId, what);
    },
  };
}

/** A refused token or a silent address is not used again: the next call takes fresh ones. */
export function recordIntuneError(
  access: ConnectionAccess,
  tenant: Tenant,
  error: { readonly outcome: string; readonly transport?: string },
): void {
  const { outcome, transport } = error;
  if (outcome === 'unauthenticated' || outcome === 'forbidden') access.invalidate(tenant, 'token');
  else if (outcome === 'not-found') access.invalidate(tenant, 'moved');
  else if (outcome === 'unavailable' || transport !== undefined) access.invalidate(tenant, 'address');
}
