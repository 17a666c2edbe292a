import type { Context, Hono } from 'hono';
import { decideLanding, type LandingKind } from '../forwarding/landing.ts';
import type { LandingDirectory } from '../forwarding/landing-directory.ts';
import type { LandingPaths } from '../forwarding/landing-paths.ts';
import { parseGuid } from '../ids.ts';
import { landingDevices, landingParametersLogged, smallBodyBytes, storeRetrySeconds } from '../limits.ts';
import { retryAfterOf } from '../problems.ts';
import { isStoreUnavailable } from '../store/database.ts';
import type { TenantDirectory } from '../store/tenants/tenant.ts';
import type { Log } from '../telemetry/log.ts';
import { sourceKey } from './attempts.ts';
import { chooserPage, type PlainPage, pageHeaders, plainPage, statePage } from './landing-pages.ts';
import { type Language, languageOf, languageParameter } from './language.ts';
import type { ListenerEnv, RequestFacts } from './listener.ts';
import { byLink, type LanguageSwitch } from './page-layout.ts';
import type { RateLimit } from './rate.ts';
import type { PassOn } from './relay.ts';

/**
 * `GET /t/{tenantId}/enroll` and `/remediate`: a person's browser, sent by Microsoft. Nobody has signed in, so whatever
 * the address says is a stranger's: it chooses among what the tenant's operators wrote, and none of it is shown. The link
 * to the other language carries the device ids that were read, written anew, so that it leads to the same Mac.
 */
export interface LandingOptions {
  readonly directory: LandingDirectory;
  readonly paths: LandingPaths;
  /** ESPALIER_LANDING_DEVICE_PARAMS. */
  readonly deviceParams: readonly string[];
  /** Its own, not that of device calls: strangers must not use that up. */
  readonly rate: RateLimit;
  readonly facts: Pick<RequestFacts, 'remoteAddress'>;
  readonly tenants: Pick<TenantDirectory, 'tenant'>;
  readonly passOn: PassOn;
  readonly log: Log;
}

type Read = (query: URLSearchParams) => readonly string[];

/** The device ids in a query, each once, in the order in which they stand there. */
const createReadDevices = (names: readonly string[]): Read => {
  const known = new Set(names.map((name) => name.toLowerCase()));
  return (query) => {
    const found = new Set<string>();
    for (const [name, value] of query) {
      const deviceId = known.has(name.toLowerCase()) ? parseGuid(value.trim()) : undefined;
      if (deviceId !== undefined && found.size < landingDevices) found.add(deviceId);
    }
    return [...found];
  };
};

/**
 * The parameters that Microsoft adds are not documented (domain/microsoft.md 7): each new name is logged once, never a
 * value, so that an operator can find the one for ESPALIER_LANDING_DEVICE_PARAMS.
 */
function createNameLog(log: Log): (kind: LandingKind, query: URLSearchParams) => void {
  const noted = new Set<string>();
  return (kind, query) => {
    for (const name of query.keys()) {
      if (noted.size >= landingParametersLogged) return;
      if (noted.has(name) || name === languageParameter || !/^[A-Za-z0-9_.-]{1,64}$/.test(name)) continue;
      noted.add(name);
      log.info('landing.parameter', { page: kind, name });
    }
  };
}

const languageOfRequest = (c: Context<ListenerEnv>): Language =>
  languageOf(new URL(c.req.url).searchParams, c.req.header('accept-language'));

const switchOf = (deviceParams: readonly string[], deviceIds: readonly string[]): LanguageSwitch => {
  const [name = 'deviceId'] = deviceParams;
  const named = deviceIds.map((deviceId) => [name, deviceId]);
  return byLink((language) => `?${new URLSearchParams([...named, [languageParameter, language]])}`);
};

const plainStatus = { denied: 403, closed: 503, unknown: 404, unavailable: 503, busy: 429 } as const;

function plain(
  c: Context<ListenerEnv>,
  which: PlainPage,
  toLanguage: LanguageSwitch,
  retryAfterSeconds?: number,
): Response | Promise<Response> {
  const language = languageOfRequest(c);
  const headers = pageHeaders(language);
  const status = plainStatus[which];
  const retryAfter = retryAfterOf(status, retryAfterSeconds);
  if (retryAfter !== undefined) headers['retry-after'] = retryAfter;
  return c.html(plainPage(language, which, toLanguage), status, headers);
}

interface Parts extends LandingOptions {
  readonly logNames: ReturnType<typeof createNameLog>;
}

interface Visit {
  readonly kind: LandingKind;
  readonly deviceIds: readonly string[];
  readonly toLanguage: LanguageSwitch;
}

async function land(
  c: Context<ListenerEnv>,
  { directory, facts: { remoteAddress }, logNames, passOn, paths, rate, tenants }: Parts,
  { deviceIds, kind, toLanguage }: Visit,
): Promise<Response> {
  const tenantId = parseGuid(c.req.param('tenantId'));
  if (tenantId === undefined) return plain(c, 'unknown', toLanguage);
  // All that may be invented shares one bound: each such id costs a look into the database. One address leaves half to others.
  const source = sourceKey(remoteAddress(c));
  const waitSeconds = rate.take(directory.hasMet(tenantId) ? tenantId : 'not met', source);
  if (waitSeconds !== undefined) return plain(c, 'busy', toLanguage, waitSeconds);
  const facts = await directory.facts(tenantId, deviceIds);
  if (!facts) return plain(c, 'unknown', toLanguage);
  const relay = (await tenants.tenant(tenantId))?.relay;
  if (relay) return passOn(c, { tenantId, relay, from: 'stranger', bodyBytes: smallBodyBytes });
  logNames(kind, new URL(c.req.url).searchParams);
  const decided = decideLanding({ kind, ...facts, paths });
  const language = languageOfRequest(c);
  const headers = pageHeaders(language);
  switch (decided.answer) {
    case 'redirect':
      return c.body(null, 302, { ...headers, location: decided.url });
    case 'chooser':
      return c.html(chooserPage(language, decided.targets, toLanguage), 200, headers);
    case 'state': {
      const { state, target } = decided;
      const page = statePage(language, { state, target, selfService: paths.selfService }, toLanguage);
      return c.html(page, 200, headers);
    }
    case 'denied':
    case 'closed':
      return plain(c, decided.answer, toLanguage);
  }
}

export function addLandingRoutes(app: Hono<ListenerEnv>, options: LandingOptions): void {
  const parts: Parts = { ...options, logNames: createNameLog(options.log) };
  const readDevices = createReadDevices(options.deviceParams);
  for (const kind of ['enroll', 'remediate'] as const) {
    app.get(`/t/:tenantId/${kind}`, async (c) => {
      const deviceIds = readDevices(new URL(c.req.url).searchParams);
      const toLanguage = switchOf(options.deviceParams, deviceIds);
      try {
        return await land(c, parts, { kind, deviceIds, toLanguage });
      } catch (error) {
        if (!isStoreUnavailable(error)) throw error;
        options.log.warn('store.unavailable', { requestId: c.get('requestId'), error });
        // A person reads this: a page, not problem+json.
        return plain(c, 'unavailable', toLanguage, storeRetrySeconds);
      }
    });
  }
}
