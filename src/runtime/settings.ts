import { groupPaths } from '../connection/subscriptions/notification-settings.ts';
import { type PassThroughEntry, parsePassThroughEntry } from '../forwarding/pass-through.ts';
import { defaultDatabaseConnections, minDatabaseConnections } from '../store/connection-budget.ts';
import { databaseUrlProblem } from '../store/database-url.ts';
import { type SubscribedResource, subscribable } from '../store/row-types.ts';

/**
 * Every environment variable that Espalier reads (contract section 3), declared once: the parser, the faults and
 * docs/settings.md come from this table.
 */

export interface Setting<T> {
  readonly name: string;
  readonly meaning: string;
  /** As the documentation shows the default. */
  readonly defaultText: string;
  readonly example: string;
  /** Masked by `espalier config`. */
  readonly secret?: boolean;
  /** A cloud suffix may follow the name (`…_USGOV`), an application being registered per cloud. */
  readonly perCloud?: boolean;
  /** Named in the contract and checked, but nothing uses it yet. */
  readonly reserved?: boolean;
  /** Undefined text is an absent variable. Throws `SettingFault`. */
  readonly parse: (text: string | undefined) => T;
}

export class SettingFault extends Error {
  override readonly name = 'SettingFault';
}

const fault = (message: string): never => {
  throw new SettingFault(message);
};

const maxDatabaseConnections = 1_000;

const optionalText = (text: string | undefined): string | undefined => (text === '' ? undefined : text);

const number =
  (fallback: number, low: number, high: number) =>
  (text: string | undefined): number => {
    if (text === undefined || text === '') return fallback;
    const value = Number(text);
    return Number.isFinite(value) && value >= low && value <= high
      ? value
      : fault(`'${text}' is not a number from ${low} to ${high}`);
  };

const choice =
  <const T extends readonly string[]>(fallback: T[number], ...values: T) =>
  (text: string | undefined): T[number] => {
    if (text === undefined || text === '') return fallback;
    return values.includes(text) ? text : fault(`'${text}' is none of ${values.join(', ')}`);
  };

const list = (text: string | undefined): readonly string[] =>
  (text ?? '')
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

const listen =
  (fallback: string) =>
  (text: string | undefined): ListenAddress => {
    const value = text === undefined || text === '' ? fallback : text;
    const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(value);
    const host = match?.[1] ?? match?.[2];
    const port = Number(match?.[3]);
    return host !== undefined && host !== '' && port <= 65_535
      ? { host, port }
      : fault(`'${value}' is not host:port`);
  };

const guid = (text: string | undefined): string | undefined => {
  if (text === undefined || text === '') return undefined;
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)
    ? text.toLowerCase()
    : fault(`'${text}' is not a GUID`);
};

const httpsUrl =
  (fallback: string) =>
  (text: string | undefined): string => {
    const value = text === undefined || text === '' ? fallback : text;
    const url = URL.canParse(value) ? new URL(value) : undefined;
    return url?.protocol === 'https:' && url.search === '' && url.hash === '' && url.username === ''
      ? value.replace(/\/+$/, '')
      : fault(`'${value}' is not an https URL without query`);
  };

const json = (text: string | undefined): unknown => {
  if (text === undefined || text === '') return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return fault(`'${text}' is not JSON`);
  }
};

const seconds = (
  name: string,
  fallback: number,
  low: number,
  high: number,
  meaning: string,
  more: { reserved?: boolean } = {},
): Setting<number> => ({
  name,
  meaning,
  defaultText: String(fallback),
  example: String(fallback),
  parse: number(fallback, low, high),
  ...more,
});

const text = (
  name: string,
  meaning: string,
  example: string,
  more: Partial<Setting<string | undefined>> = {},
): Setting<string | undefined> => ({
  name,
  meaning,
  defaultText: 'unset',
  example,
  parse: optionalText,
  ...more,
});

export const settings = {
  databaseUrl: text(
    'DATABASE_URL',
    'PostgreSQL 15 or newer; unset: an embedded one in the data directory',
    'postgres://espalier:…@db:5432/espalier',
    {
      secret: true,
      defaultText: 'unset: embedded',
      parse: (value) => {
        if (value === undefined || value === '') return undefined;
        const problem = databaseUrlProblem(value);
        return problem === undefined ? value : fault(problem);
      },
    },
  ),
  databaseConnections: {
    name: 'ESPALIER_DATABASE_CONNECTIONS',
    meaning: `connections of one process to the database, at most; ${minDatabaseConnections} at least`,
    defaultText: String(defaultDatabaseConnections),
    example: String(defaultDatabaseConnections),
    parse: (value) => {
      if (value === undefined || value === '') return defaultDatabaseConnections;
      const count = Number(value);
      return Number.isInteger(count) && count >= minDatabaseConnections && count <= maxDatabaseConnections
        ? count
        : fault(
            `'${value}' is not a whole number from ${minDatabaseConnections} to ${maxDatabaseConnections}`,
          );
    },
  } satisfies Setting<number>,
  dataDir: {
    name: 'ESPALIER_DATA_DIR',
    meaning: 'embedded database, development certificate, made keys',
    defaultText: '.espalier',
    example: '/var/lib/espalier',
    parse: (value) => optionalText(value) ?? '.espalier',
  } satisfies Setting<string>,
  publicUrl: {
    name: 'ESPALIER_PUBLIC_URL',
    meaning: 'base URL given to Microsoft and Jamf',
    defaultText: 'https://localhost:8443',
    example: 'https://gateway.example.com',
    parse: httpsUrl('https://localhost:8443'),
  } satisfies Setting<string>,
  dataListen: {
    name: 'ESPALIER_DATA_LISTEN',
    meaning: 'where Jamf Pro, Microsoft and browsers come in; port 0 picks a free one',
    defaultText: '0.0.0.0:8443',
    example: '0.0.0.0:8443',
    parse: listen('0.0.0.0:8443'),
  } satisfies Setting<ListenAddress>,
  adminListen: {
    name: 'ESPALIER_ADMIN_LISTEN',
    meaning: 'where operators come in',
    defaultText: '127.0.0.1:9443',
    example: '127.0.0.1:9443',
    parse: listen('127.0.0.1:9443'),
  } satisfies Setting<ListenAddress>,
  adminUrl: {
    name: 'ESPALIER_ADMIN_URL',
    meaning: "origin of the admin listener as operators' browsers see it; sign-in returns there",
    defaultText: 'https://localhost and the port of ESPALIER_ADMIN_LISTEN',
    example: 'https://espalier-admin.example.com',
    parse: (value) =>
      value === undefined || value === ''
        ? undefined
        : new URL(httpsUrl('')(value)).pathname === '/'
          ? new URL(value).origin
          : fault(`'${value}' has a path: the admin listener answers at the root of its origin`),
  } satisfies Setting<string | undefined>,
  opsListen: {
    name: 'ESPALIER_OPS_LISTEN',
    meaning: 'plain HTTP for probes and scrapers',
    defaultText: '127.0.0.1:9464',
    example: '127.0.0.1:9464',
    parse: listen('127.0.0.1:9464'),
  } satisfies Setting<ListenAddress>,
  tls: {
    name: 'ESPALIER_TLS',
    meaning: '`off` only where a load balancer terminates TLS',
    defaultText: 'on',
    example: 'on',
    parse: choice('on', 'on', 'off'),
  } satisfies Setting<'on' | 'off'>,
  connections: seconds(
    'ESPALIER_CONNECTIONS',
    10_000,
    1,
    1_000_000,
    'connections to one listener at a time; to make room those that never brought a request go first, then the one that is idle for longest, of the address that has most; never one with a request under way',
  ),
  connectionsPerAddress: seconds(
    'ESPALIER_CONNECTIONS_PER_ADDRESS',
    4_000,
    1,
    1_000_000,
    'the same from one address (IPv6: from one /64); hosted instances share addresses',
  ),
  fastLane: {
    name: 'ESPALIER_FAST_LANE',
    meaning:
      "`on`: device calls are answered before Node's HTTP server, past its streams where that is known to be safe; `public`: never past its streams; `off`: every request takes the ordinary way (docs/fast-lane.md)",
    defaultText: 'on',
    example: 'on',
    parse: choice('on', 'on', 'public', 'off'),
  } satisfies Setting<'on' | 'public' | 'off'>,
  tlsCertFile: text(
    'ESPALIER_TLS_CERT_FILE',
    'certificate chain of the data and admin listeners, PEM; reloaded when it changes',
    '/etc/espalier/tls.crt',
    {
      defaultText: 'self-signed, made in the data directory',
    },
  ),
  tlsKeyFile: text('ESPALIER_TLS_KEY_FILE', 'its key, PEM', '/etc/espalier/tls.key', {
    defaultText: 'self-signed, made in the data directory',
  }),
  clientCaFile: text(
    'ESPALIER_CLIENT_CA_FILE',
    "CA of the instances' client certificates (mTLS), PEM",
    '/etc/espalier/clients-ca.crt',
  ),
  cloudsFile: text('ESPALIER_CLOUDS_FILE', 'JSON that adds or overrides clouds', '/etc/espalier/clouds.json'),
  entraClientId: {
    ...text(
      'ESPALIER_ENTRA_CLIENT_ID',
      'the connector application; required to talk to Microsoft',
      '6fa3…-…',
      { perCloud: true },
    ),
    parse: guid,
  },
  entraCertFile: text(
    'ESPALIER_ENTRA_CERT_FILE',
    'its certificate, PEM (preferred); `…_NEXT` for rotation',
    '/etc/espalier/connector.crt',
    { perCloud: true },
  ),
  entraKeyFile: text('ESPALIER_ENTRA_KEY_FILE', "the certificate's key, PEM", '/etc/espalier/connector.key', {
    perCloud: true,
  }),
  entraClientSecret: text(
    'ESPALIER_ENTRA_CLIENT_SECRET',
    'its secret, where there is no certificate; `…_NEXT` for rotation',
    '…',
    { perCloud: true, secret: true },
  ),
  userAppClientId: {
    ...text('ESPALIER_USER_APP_CLIENT_ID', 'the user-registration application, second consent', 'b1d2…-…', {
      perCloud: true,
    }),
    parse: guid,
  },
  diagnosticClientId: {
    ...text(
      'ESPALIER_DIAGNOSTIC_CLIENT_ID',
      'optional third application that may read what the fixed two must not',
      'c0de…-…',
      { perCloud: true },
    ),
    parse: guid,
  },
  diagnosticCertFile: text(
    'ESPALIER_DIAGNOSTIC_CERT_FILE',
    'its certificate, PEM',
    '/etc/espalier/diagnostic.crt',
    { perCloud: true },
  ),
  diagnosticKeyFile: text(
    'ESPALIER_DIAGNOSTIC_KEY_FILE',
    "the certificate's key, PEM",
    '/etc/espalier/diagnostic.key',
    { perCloud: true },
  ),
  diagnosticClientSecret: text('ESPALIER_DIAGNOSTIC_CLIENT_SECRET', 'or its secret', '…', {
    perCloud: true,
    secret: true,
  }),
  audience: {
    name: 'ESPALIER_AUDIENCE',
    meaning: '`aud` that calls from the Microsoft side must carry; comma list',
    defaultText: "the connector's client id",
    example: 'api://espalier,6fa3…-…',
    parse: list,
  } satisfies Setting<readonly string[]>,
  secretsKey: {
    name: 'ESPALIER_SECRETS_KEY',
    meaning: '32 bytes base64 that seal instance secrets; comma list, the first seals, all open',
    defaultText: 'made in the data directory for the embedded database, else required',
    example: 'openssl rand -base64 32',
    secret: true,
    parse: (value) =>
      list(value).map((entry) => {
        const bytes = Buffer.from(entry, 'base64');
        return bytes.byteLength === 32
          ? new Uint8Array(bytes)
          : fault(`has an entry of ${bytes.byteLength} bytes, 32 are needed`);
      }),
  } satisfies Setting<readonly Uint8Array<ArrayBuffer>[]>,
  secretsDir: text(
    'ESPALIER_SECRETS_DIR',
    'the only directory that `secretRef: file:…` may read from; unset: no file',
    '/run/secrets',
  ),
  bootstrapKey: text(
    'ESPALIER_BOOTSTRAP_KEY',
    'admin API key that works until the first admin key is made',
    'esp_…',
    {
      secret: true,
      parse: (value) =>
        value === undefined || value === '' || value.length >= 16
          ? optionalText(value)
          : fault('is shorter than 16 characters'),
    },
  ),
  approvals: {
    name: 'ESPALIER_APPROVALS',
    meaning: '`on`: disconnects, moves and deletes of more than 100 devices wait for a second operator',
    defaultText: 'off',
    example: 'off',
    parse: choice('off', 'on', 'off'),
  } satisfies Setting<'on' | 'off'>,
  operatorTenants: {
    name: 'ESPALIER_OPERATOR_TENANTS',
    meaning: 'Entra tenants whose users may sign in as operators',
    defaultText: 'unset: nobody, only keys',
    example: '72f9…-…',
    parse: (value) => list(value).map((entry) => guid(entry) ?? fault('has an empty entry')),
  } satisfies Setting<readonly string[]>,
  operatorCloud: {
    name: 'ESPALIER_OPERATOR_CLOUD',
    meaning: 'cloud in which these tenants are (docs/sign-in.md)',
    defaultText: 'public',
    example: 'usgov',
    parse: (value) => optionalText(value) ?? 'public',
  } satisfies Setting<string>,
  operatorClientId: {
    ...text('ESPALIER_OPERATOR_CLIENT_ID', 'the application that operators sign in to', '0a17…-…', {
      perCloud: true,
      defaultText: "the connector's, with its credential",
    }),
    parse: guid,
  },
  operatorCertFile: text(
    'ESPALIER_OPERATOR_CERT_FILE',
    'its certificate, PEM (preferred); `…_NEXT` for rotation',
    '/etc/espalier/operators.crt',
    { perCloud: true },
  ),
  operatorKeyFile: text(
    'ESPALIER_OPERATOR_KEY_FILE',
    "the certificate's key, PEM",
    '/etc/espalier/operators.key',
    { perCloud: true },
  ),
  operatorClientSecret: text(
    'ESPALIER_OPERATOR_CLIENT_SECRET',
    'its secret, where there is no certificate; `…_NEXT` for rotation',
    '…',
    { perCloud: true, secret: true },
  ),
  operatorAudience: {
    name: 'ESPALIER_OPERATOR_AUDIENCE',
    meaning: "`aud` that operators' tokens on the admin API must carry; comma list",
    defaultText: "the operators' application: its client id, and api:// before it",
    example: 'api://espalier-operators',
    parse: list,
  } satisfies Setting<readonly string[]>,
  upstreamAllow: {
    name: 'ESPALIER_UPSTREAM_ALLOW',
    meaning: 'CIDRs and hosts that instance URLs may resolve to although private; comma list',
    defaultText: 'unset',
    example: '10.20.0.0/16,jamf.corp.example',
    parse: list,
  } satisfies Setting<readonly string[]>,
  logLevel: {
    name: 'ESPALIER_LOG_LEVEL',
    meaning: 'least level that is written',
    defaultText: 'info',
    example: 'debug',
    parse: choice('info', 'debug', 'info', 'warn', 'error'),
  } satisfies Setting<'debug' | 'info' | 'warn' | 'error'>,
  logFormat: {
    name: 'ESPALIER_LOG_FORMAT',
    meaning: '`json`, or `pretty` for people',
    defaultText: 'json (pretty on a terminal)',
    example: 'json',
    parse: (value) =>
      value === undefined || value === '' ? undefined : choice('json', 'json', 'pretty')(value),
  } satisfies Setting<'json' | 'pretty' | undefined>,
  migrate: {
    name: 'ESPALIER_MIGRATE',
    meaning: '`auto`: pending migrations run at start under an advisory lock; `off`',
    defaultText: 'auto',
    example: 'auto',
    parse: choice('auto', 'auto', 'off'),
  } satisfies Setting<'auto' | 'off'>,
  pollSeconds: seconds(
    'ESPALIER_POLL_SECONDS',
    900,
    0,
    86_400,
    'between two polls of an instance by report date; 0: none',
  ),
  reconcileSeconds: seconds(
    'ESPALIER_RECONCILE_SECONDS',
    86_400,
    0,
    604_800,
    'between two full reconciliations of an instance; 0: only when asked for',
  ),
  heartbeatSeconds: seconds(
    'ESPALIER_HEARTBEAT_SECONDS',
    3_600,
    1,
    43_200,
    'between two heartbeats of a tenant',
  ),
  uploadMaxDevices: {
    ...seconds('ESPALIER_UPLOAD_MAX_DEVICES', 1, 1, 50, 'devices in one upload, at most'),
  },
  uploadStatusSeconds: seconds(
    'ESPALIER_UPLOAD_STATUS_SECONDS',
    5,
    0.05,
    3_600,
    "until the first look at an upload's status",
  ),
  verifySample: seconds(
    'ESPALIER_VERIFY_SAMPLE',
    0.05,
    0,
    1,
    'share of completed uploads looked up in Entra',
  ),
  retryBaseSeconds: seconds('ESPALIER_RETRY_BASE_SECONDS', 2, 0.05, 3_600, 'first back-off of a failed try'),
  retryMaxSeconds: seconds('ESPALIER_RETRY_MAX_SECONDS', 300, 1, 86_400, 'longest back-off'),
  holdRecheckSeconds: seconds(
    'ESPALIER_HOLD_RECHECK_SECONDS',
    60,
    1,
    86_400,
    'between two looks at a held report',
  ),
  jamfConcurrency: seconds('ESPALIER_JAMF_CONCURRENCY', 5, 1, 50, 'requests to one instance at a time'),
  forwardTimeoutSeconds: seconds(
    'ESPALIER_FORWARD_TIMEOUT_SECONDS',
    10,
    0.1,
    300,
    'wait for an instance when a call is forwarded',
  ),
  microsoftTimeoutSeconds: seconds(
    'ESPALIER_MICROSOFT_TIMEOUT_SECONDS',
    30,
    0.1,
    300,
    'wait for a Microsoft service',
  ),
  routeHistoryDays: seconds(
    'ESPALIER_ROUTE_HISTORY_DAYS',
    400,
    0,
    36_500,
    'how long the history of routes is kept, for explain, diff and rollback; 0: for ever',
  ),
  historyDays: seconds(
    'ESPALIER_HISTORY_DAYS',
    730,
    0,
    36_500,
    'how long the history of what operators and the gateway do is kept; 0: for ever',
  ),
  routeCacheEntries: seconds(
    'ESPALIER_ROUTE_CACHE_ENTRIES',
    1_000_000,
    0,
    100_000_000,
    'routes kept in memory',
  ),
  routePreload: {
    name: 'ESPALIER_ROUTE_PRELOAD',
    meaning: '`auto`: all routes are read at start, in the background, where they fit into memory; `off`',
    defaultText: 'auto',
    example: 'auto',
    parse: choice('auto', 'auto', 'off'),
  } satisfies Setting<'auto' | 'off'>,
  jwksCooldownSeconds: seconds(
    'ESPALIER_JWKS_COOLDOWN_SECONDS',
    300,
    1,
    86_400,
    'between refreshes of keys for an unknown kid, per issuer',
  ),
  ratePerInstance: seconds(
    'ESPALIER_RATE_PER_INSTANCE',
    200,
    1,
    1_000_000,
    'requests per second from one instance, burst twice that',
  ),
  ratePerTenant: seconds(
    'ESPALIER_RATE_PER_TENANT',
    1_000,
    1,
    1_000_000,
    'device calls per second for one tenant, burst twice that',
  ),
  passThrough: {
    name: 'ESPALIER_PASS_THROUGH',
    meaning:
      'JSON list of `"GET /api/v1/…/{id}"` that may be forwarded as they are; `{id}` becomes the computer id (docs/forwarding.md)',
    defaultText: 'empty',
    example: '["GET /api/v1/computers-inventory/{id}"]',
    parse: (value) => {
      const parsed = json(value) ?? [];
      if (!Array.isArray(parsed)) return fault('is not a JSON list of "METHOD /path"');
      return parsed.map(
        (entry) =>
          (typeof entry === 'string' ? parsePassThroughEntry(entry) : undefined) ??
          fault(`has ${JSON.stringify(entry)}, which is not "METHOD /path" of plain words and {id}`),
      );
    },
  } satisfies Setting<readonly PassThroughEntry[]>,
  partnerApiVersions: {
    name: 'ESPALIER_PARTNER_API_VERSIONS',
    meaning: 'JSON object, api-version per Intune partner resource',
    defaultText: '1.6, DataUploadMessages 1.2',
    example: '{"DataUploadMessages":"1.2"}',
    parse: optionalText,
  } satisfies Setting<string | undefined>,
  intuneVocabulary: {
    name: 'ESPALIER_INTUNE_VOCABULARY',
    meaning: 'JSON, words and entity types of conditional-access mode that the sources leave open',
    defaultText: 'built in',
    example: '{"complianceEntityType":2,"sip":{"ENABLED":"ENABLED"}}',
    parse: optionalText,
  } satisfies Setting<string | undefined>,
  intuneContent: {
    name: 'ESPALIER_INTUNE_CONTENT',
    meaning: 'form of `Content` in an upload: `array`, `string`, or by the api-version',
    defaultText: 'auto',
    example: 'auto',
    parse: choice('auto', 'auto', 'array', 'string'),
  } satisfies Setting<'auto' | 'array' | 'string'>,
  expectedPermissions: {
    name: 'ESPALIER_EXPECTED_PERMISSIONS',
    meaning:
      'JSON, the permissions that the applications must hold per mode, where they differ from the default',
    defaultText: 'the fixed sets',
    example: '{"device-compliance":{"connector":{"application":["graph:Directory.Read.All"]}}}',
    parse: optionalText,
  } satisfies Setting<string | undefined>,
  notificationResources: {
    name: 'ESPALIER_NOTIFICATION_RESOURCES',
    meaning:
      "what of a tenant's directory Graph is asked to notify of, where the diagnostic application may: `groups`, `users`, `devices`; `none`",
    defaultText: 'groups,users,devices',
    example: 'groups,users',
    parse: (value) => {
      const names = list(value);
      if (names.length === 0) return subscribable;
      if (names.length === 1 && names[0] === 'none') return [];
      const unknown = names.find((name) => !subscribable.some((one) => one === name));
      return unknown === undefined
        ? subscribable.filter((one) => names.includes(one))
        : fault(`'${unknown}' is none of ${subscribable.join(', ')}`);
    },
  } satisfies Setting<readonly SubscribedResource[]>,
  notificationMinutes: seconds(
    'ESPALIER_NOTIFICATION_MINUTES',
    41_700,
    45,
    43_200,
    "lifetime that is asked for a Graph subscription, an hour below Graph's limit for clocks that differ; it is renewed before it ends",
  ),
  notificationGroupPath: {
    name: 'ESPALIER_NOTIFICATION_GROUP_PATH',
    meaning: "what Graph is asked to watch for the tenant's group: that group, or all `groups`",
    defaultText: 'groups/{id}',
    example: 'groups',
    parse: choice('groups/{id}', ...groupPaths),
  } satisfies Setting<(typeof groupPaths)[number]>,
  landingDeviceParams: {
    name: 'ESPALIER_LANDING_DEVICE_PARAMS',
    meaning: 'query names that may hold the device id on landing pages, compared without case',
    defaultText: 'deviceId,device_id,aadDeviceId,mdmDeviceId',
    example: 'deviceId',
    parse: (value) => {
      const names = list(value);
      return names.length > 0 ? names : ['deviceId', 'device_id', 'aadDeviceId', 'mdmDeviceId'];
    },
  } satisfies Setting<readonly string[]>,
  landingPaths: {
    name: 'ESPALIER_LANDING_PATHS',
    meaning:
      "JSON, where an instance's own pages for registration and enrolment are, and what opens Self Service on a Mac",
    defaultText: '/DeviceRegistration.html, /enroll, no link to Self Service',
    example: '{"enrolment":"/enroll","selfService":"jamfselfservice://"}',
    parse: optionalText,
  } satisfies Setting<string | undefined>,
  snapshotMaxAgeSeconds: seconds(
    'ESPALIER_SNAPSHOT_MAX_AGE_SECONDS',
    86_400,
    60,
    2_592_000,
    'how old what device calls and landing pages are answered from may be while the database is away',
  ),
} as const;

export type Settings = { readonly [K in keyof typeof settings]: ReturnType<(typeof settings)[K]['parse']> };
