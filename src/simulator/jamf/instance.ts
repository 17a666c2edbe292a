import { Hono } from 'hono';
import type { Clock } from '../clock.ts';
import type { Faults } from '../faults.ts';
import { type Host, type HostEnv, type Load, startHost } from '../host.ts';
import type { Journal } from '../journal.ts';
import type { Random } from '../random.ts';
import { requireToken } from './access.ts';
import { classicError, type JamfEnv, noSuchPath } from './answers.ts';
import { type Compliance, complianceRoutes, createCompliance } from './compliance.ts';
import { groupRoutes } from './group-routes.ts';
import { createGroups, type Groups } from './groups.ts';
import { type CloudInformation, commercialCloud, identityRoutes, openRoutes } from './identity-routes.ts';
import { type Computers, createComputers } from './inventory.ts';
import { inventoryRoutes } from './inventory-routes.ts';
import { announceGroups, createMacTraffic, type MacTraffic } from './mac-traffic.ts';
import { personRoutes } from './person-routes.ts';
import { openTokenRoutes, tokenRoutes } from './token-routes.ts';
import { createTokens, type Tokens } from './tokens.ts';
import { serverEvent } from './webhook-events.ts';
import { webhookRoutes } from './webhook-routes.ts';
import { createWebhooks, type Webhooks } from './webhooks.ts';

export interface JamfInstanceOptions {
  /** Names it in the journal and the faults, `jamf:<name>`. */
  readonly name: string;
  readonly world: { readonly clock: Clock; readonly faults: Faults; readonly journal: Journal };
  readonly certificate: { readonly certificatePem: string; readonly keyPem: string };
  /** 0, the default, picks a free one. */
  readonly port?: number;
  readonly random: Random;
  /** Version as `jamf-pro-version` gives it; decides which inventory versions exist. */
  readonly version?: string;
  /** Short by default so that expiry is exercised (domain/jamf.md 9, item 2). */
  readonly tokenLifetimeSeconds?: number;
  /** All paths work below it too, `/jss`; the instance's URL then ends with it. */
  readonly contextPath?: string;
  readonly clientId?: string;
  readonly clientSecret?: string;
  readonly user?: { readonly username: string; readonly password: string };
  readonly cloud?: Partial<CloudInformation>;
  /** Certificates (PEM) to trust when posting webhooks, besides the public ones. */
  readonly webhookTrustPem?: string;
}

export interface JamfInstance {
  readonly name: string;
  /** `https://localhost:<port>` */
  readonly origin: string;
  /** The origin with the context path: the base URL to give to a client, and the `iss` of tokens. */
  readonly url: string;
  readonly port: number;
  /** The API client with the gateway's least privileges. */
  readonly clientId: string;
  readonly tokens: Tokens;
  readonly computers: Computers;
  readonly groups: Groups;
  readonly compliance: Compliance;
  readonly webhooks: Webhooks;
  readonly macs: MacTraffic;
  /** Jamf asks for at most 5 requests at a time (domain/jamf.md 1.5): whether callers keep to it. */
  readonly load: Load;
  version(): string;
  /** An upgrade or a downgrade: paths of other versions come or go. */
  setVersion(version: string): void;
  /** Shows this certificate to whoever connects from now on. */
  present(certificate: { readonly certificatePem: string; readonly keyPem: string }): void;
  /** Fires JSSShutdown and JSSStartup; nothing is lost. */
  restart(): void;
  /** Fires JSSShutdown, then stops; deliveries get a moment, the rest is dropped. */
  close(): Promise<void>;
}

const defaultVersion = '11.30.1-t1784555528405';
const defaultTokenLifetimeSeconds = 60;
// A receiver that hangs must not hold up the end of a test for its whole read timeout.
const closeGraceMs = 500;

interface Parts extends Pick<JamfInstance, 'tokens' | 'computers' | 'groups' | 'compliance' | 'webhooks'> {
  readonly name: string;
  readonly cloud: CloudInformation;
  readonly version: () => string;
  readonly url: () => string;
}

/** Everything the server answers, at the root. */
function jamfApp(parts: Parts): Hono<JamfEnv> {
  const { tokens, computers, groups, compliance, webhooks } = parts;
  const app = new Hono<JamfEnv>();
  app.route('/', openTokenRoutes(tokens));
  app.route('/', openRoutes(parts));
  app.route('/', personRoutes(parts));
  app.use('/api/*', requireToken(tokens));
  app.use('/JSSResource/*', requireToken(tokens));
  app.route('/', tokenRoutes(tokens));
  app.route('/', identityRoutes(parts));
  const context = () => ({ version: parts.version(), groups: groups.list() });
  app.route('/', inventoryRoutes({ computers, context }));
  app.route('/', complianceRoutes({ computers, compliance }));
  const onChange = announceGroups.bind(undefined, webhooks);
  app.route('/', groupRoutes({ computers, groups, onChange }));
  app.route('/', webhookRoutes(webhooks));
  app.all('/api/*', noSuchPath);
  app.all('*', () => classicError(404, 'The server has not found anything matching the request URI'));
  return app;
}

/** The server's paths below the context path, where there is one, and at the root. */
function mounted(app: Hono<JamfEnv>, contextPath: string): Hono<HostEnv> {
  const outer = new Hono<HostEnv>();
  if (contextPath !== '') outer.route(contextPath, app);
  outer.route('/', app);
  return outer;
}

/**
 * Starts one simulated Jamf Pro server with its own issuer, computer ids from 1, groups and webhooks
 * (domain/jamf.md 9). Rejects when the port is taken.
 */
export async function startJamfInstance(options: JamfInstanceOptions): Promise<JamfInstance> {
  const { name, random, world } = options;
  const contextPath = options.contextPath ?? '';
  let version = options.version ?? defaultVersion;
  let host: Host | undefined;
  const url = (): string => `${host?.origin ?? ''}${contextPath}`;

  const tokens = createTokens({
    clock: world.clock,
    random,
    issuer: url,
    tokenLifetimeSeconds: options.tokenLifetimeSeconds ?? defaultTokenLifetimeSeconds,
    clientId: options.clientId,
    clientSecret: options.clientSecret,
    user: options.user,
  });
  const [clientId = ''] = tokens.clients.keys();
  const computers = createComputers({ clock: world.clock, random });
  const groups = createGroups();
  const compliance = createCompliance({ clock: world.clock, groups });
  const webhooks = createWebhooks({ clock: world.clock, random, trustPem: options.webhookTrustPem });
  const macs = createMacTraffic({ computers, groups, compliance, webhooks });
  const cloud = { ...commercialCloud, ...options.cloud };
  const parts = { tokens, computers, groups, compliance, webhooks };
  const app = jamfApp({ ...parts, name, cloud, url, version: () => version });

  const started = await startHost({
    service: `jamf:${name}`,
    app: mounted(app, contextPath),
    tenantOf: () => undefined,
    certificate: options.certificate,
    port: options.port ?? 0,
    world,
  });
  host = started;

  return {
    name,
    origin: started.origin,
    url: url(),
    port: started.port,
    clientId,
    ...parts,
    macs,
    load: started.load,
    version: () => version,
    setVersion: (next) => {
      version = next;
    },
    present: started.present,
    restart: () => {
      webhooks.fire('JSSShutdown', serverEvent(name, url()));
      webhooks.fire('JSSStartup', serverEvent(name, url()));
    },
    close: async () => {
      webhooks.fire('JSSShutdown', serverEvent(name, url()));
      let timer: NodeJS.Timeout | undefined;
      const grace = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, closeGraceMs);
      });
      await Promise.race([webhooks.settled(), grace]);
      clearTimeout(timer);
      await webhooks.close();
      await started.close();
    },
  };
}
