/** The values that stand in the texts of the catalogue. */
export interface EntraErrorFacts {
  readonly appId: string;
  readonly appName: string;
  readonly tenantId: string;
  readonly tenantName: string;
  /** The other national cloud as Entra names it, or its host. */
  readonly otherCloud: string;
  /** Sign-in address of that cloud, if known. */
  readonly otherAuthority: string | undefined;
  readonly resource: string;
}

export interface EntraErrorEntry {
  /** OAuth code. */
  readonly error: string;
  /** HTTP status; default: 401 for `invalid_client`, 400 otherwise (domain/microsoft.md 1.7). */
  readonly status?: number;
  readonly suberror?: string;
  readonly retryAfterSeconds?: number;
  text(facts: EntraErrorFacts): string;
}

const entry = (
  error: string,
  text: string | ((facts: EntraErrorFacts) => string),
  more: Omit<EntraErrorEntry, 'error' | 'text'> = {},
): EntraErrorEntry => ({ error, text: typeof text === 'string' ? () => text : text, ...more });

const transient = (text: string, status = 503): EntraErrorEntry =>
  entry('temporarily_unavailable', text, { status });

const crossCloud = (facts: EntraErrorFacts): string =>
  `Confidential Client is not supported in Cross Cloud request. The tenant belongs to the National Cloud '${facts.otherCloud}'.`;

const notInTenant: readonly [number, EntraErrorEntry][] = [
  [
    700016,
    entry(
      'unauthorized_client',
      ({ appId, tenantName }) =>
        `Application with identifier '${appId}' was not found in the directory '${tenantName}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant.`,
    ),
  ],
  [
    7000229,
    entry(
      'invalid_client',
      ({ appId, tenantId }) =>
        `The client application ${appId} is missing service principal in the tenant ${tenantId}. See instructions here: https://go.microsoft.com/fwlink/?linkid=2225119`,
    ),
  ],
  [
    65001,
    entry(
      'invalid_grant',
      ({ appId, appName }) =>
        `The user or administrator has not consented to use the application with ID '${appId}' named '${appName}'.`,
      { suberror: 'consent_required' },
    ),
  ],
  [65004, entry('access_denied', 'The resource owner or authorization server denied the request.')],
  [
    90094,
    entry(
      'consent_required',
      ({ appName }) => `Admin consent is required for the permissions requested by '${appName}'.`,
    ),
  ],
  [90095, entry('consent_required', 'Admin consent is required: an approval request was created.')],
  [
    7000112,
    entry('unauthorized_client', ({ appId, appName }) => `Application '${appId}'(${appName}) is disabled.`),
  ],
  [70001, entry('unauthorized_client', ({ appId }) => `The application named ${appId} is disabled.`)],
  [
    50105,
    entry(
      'invalid_grant',
      ({ appId, appName }) =>
        `The administrator has configured the application ${appName} ('${appId}') to block users unless they are specifically granted access to it.`,
    ),
  ],
];

const resources: readonly [number, EntraErrorEntry][] = [
  [
    65005,
    entry(
      'invalid_client',
      ({ resource }) => `The application's required resource access list does not contain '${resource}'.`,
    ),
  ],
  [
    650052,
    entry(
      'invalid_client',
      ({ resource, tenantName }) =>
        `The app needs access to a service ('${resource}') that your organization '${tenantName}' has not subscribed to or enabled.`,
    ),
  ],
  [
    650054,
    entry(
      'invalid_client',
      ({ appId }) =>
        `The application '${appId}' asked for permissions to access a resource that has been removed or is no longer available.`,
    ),
  ],
  [
    650056,
    entry(
      'invalid_client',
      'Misconfigured application. The client has not listed any permissions in the requested permissions.',
    ),
  ],
  [
    650057,
    entry(
      'invalid_resource',
      ({ resource }) =>
        `Invalid resource. The client has requested access to a resource which is not listed: '${resource}'.`,
    ),
  ],
  [
    500011,
    entry(
      'invalid_resource',
      ({ resource, tenantName }) =>
        `The resource principal named ${resource} was not found in the tenant named ${tenantName}.`,
    ),
  ],
];

const clouds: readonly [number, EntraErrorEntry][] = [
  [
    90002,
    entry(
      'invalid_request',
      ({ tenantId }) =>
        `Tenant '${tenantId}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.`,
    ),
  ],
  [
    90038,
    entry(
      'invalid_request',
      ({ tenantId, otherCloud, otherAuthority }) =>
        `Tenant '${tenantId}' request is being redirected to the National Cloud '${otherCloud}'.${otherAuthority === undefined ? '' : ` Its authority is ${otherAuthority}.`}`,
    ),
  ],
  [900382, entry('invalid_request', crossCloud)],
  [900432, entry('invalid_request', crossCloud)],
  [90051, entry('invalid_request', 'The national cloud identifier contains an invalid cloud identifier.')],
  [50049, entry('invalid_request', 'Unknown or invalid instance.')],
];

const credentials: readonly [number, EntraErrorEntry][] = [
  [
    7000215,
    entry(
      'invalid_client',
      ({ appId }) =>
        `Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '${appId}'.`,
    ),
  ],
  [
    7000222,
    entry('invalid_client', ({ appId }) => `The provided client secret keys for app '${appId}' are expired.`),
  ],
  [
    700027,
    entry(
      'invalid_client',
      'The certificate with identifier used to sign the client assertion is not registered on application. [Reason - The key was not found.]',
    ),
  ],
  [700024, entry('invalid_client', 'Client assertion is not within its valid time range.')],
  [50012, entry('invalid_client', 'Authentication failed.')],
  [50013, entry('invalid_client', 'Assertion is invalid because of various reasons.')],
  [500133, entry('invalid_client', 'Assertion is not within its valid time range.')],
  [50027, entry('invalid_client', 'JWT token is invalid or malformed.')],
  [700030, entry('invalid_client', 'Invalid certificate - subject name in certificate is not authorized.')],
  [50048, entry('invalid_client', 'Subject mismatches Issuer claim in the client assertion.')],
  [
    700025,
    entry(
      'invalid_client',
      "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.",
    ),
  ],
  [
    7000218,
    entry(
      'invalid_client',
      "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
    ),
  ],
  [900144, entry('invalid_request', "The request body must contain the following parameter: 'scope'.")],
];

const policies: readonly [number, EntraErrorEntry][] = [
  [
    53003,
    entry('invalid_grant', 'Access has been blocked by Conditional Access policies.', {
      suberror: 'message_only',
    }),
  ],
  [530032, entry('invalid_grant', 'Tenant security policy blocks this request.')],
  [50131, entry('invalid_grant', 'Device is not in required device state.')],
  [53000, entry('invalid_grant', 'Device is not in required device state: compliant.')],
  [530003, entry('invalid_grant', 'Your device is required to be managed to access this resource.')],
  [
    50034,
    entry(
      'invalid_grant',
      ({ tenantName }) => `The user account does not exist in the ${tenantName} directory.`,
    ),
  ],
  [
    50020,
    entry(
      'invalid_grant',
      ({ tenantName, appId }) =>
        `User account from identity provider does not exist in tenant '${tenantName}' and cannot access the application '${appId}' in that tenant.`,
    ),
  ],
  [
    51004,
    entry(
      'invalid_grant',
      ({ tenantName }) => `The user account doesn't exist in the ${tenantName} directory.`,
    ),
  ],
];

const requests: readonly [number, EntraErrorEntry][] = [
  [50011, entry('invalid_request', 'The redirect URI specified in the request does not match.')],
  [900971, entry('invalid_request', 'No reply address provided.')],
  [
    50194,
    entry(
      'invalid_request',
      ({ appId }) => `Application '${appId}' is not configured as a multi-tenant application.`,
    ),
  ],
  [
    100007,
    entry(
      'unauthorized_client',
      'Microsoft Entra Regional only supports auth for managed identities or from Microsoft services.',
    ),
  ],
  [70011, entry('invalid_scope', "The provided value for the input parameter 'scope' is not valid.")],
  [
    28002,
    entry(
      'invalid_scope',
      'Provided value for the input parameter scope is not valid because it contains more than one resource.',
    ),
  ],
  [700022, entry('invalid_request', 'The scope contains more than one resource.')],
  [9002313, entry('invalid_request', 'Invalid request. Request is malformed or invalid.')],
];

/** A person's sign-in and the code that it ends with. */
const signIns: readonly [number, EntraErrorEntry][] = [
  [50057, entry('invalid_grant', 'The user account is disabled.')],
  [
    54005,
    entry(
      'invalid_grant',
      'OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token.',
    ),
  ],
  [
    70008,
    entry(
      'invalid_grant',
      'The provided authorization code or refresh token has expired due to inactivity. Send a new interactive authorization request for this user and resource.',
    ),
  ],
  [70000, entry('invalid_grant', 'Provided grant is invalid or malformed.')],
  [
    700005,
    entry(
      'invalid_grant',
      'Provided Authorization Code is intended to use against other tenant, thus rejected.',
    ),
  ],
  [
    501481,
    entry(
      'invalid_grant',
      'The Code_Verifier does not match the code_challenge supplied in the authorization request.',
    ),
  ],
  [
    50148,
    entry(
      'invalid_grant',
      'The code_verifier does not match the code_challenge supplied in the authorization request for PKCE.',
    ),
  ],
  [
    500112,
    entry(
      'invalid_grant',
      'The reply address does not match the reply address provided when requesting Authorization code.',
    ),
  ],
];

const passing: readonly [number, EntraErrorEntry][] = [
  [
    50196,
    entry(
      'invalid_grant',
      'The server terminated an operation because it encountered a client request loop.',
    ),
  ],
  [
    90055,
    entry('temporarily_unavailable', 'There are too many incoming requests for this tenant.', {
      status: 429,
      retryAfterSeconds: 60,
    }),
  ],
  [50033, transient('A transient error has occurred.')],
  [90006, transient('An external server returned a retryable error.')],
  [90024, transient('A transient error has occurred: request budget exceeded.')],
  [90033, transient('A transient error has occurred. Please try again.')],
  [90090, transient('Graph returned a retryable error.')],
  [90012, transient('The request has timed out.', 504)],
  [50087, transient('A transient error has occurred during single sign-out.')],
];

const catalogue: ReadonlyMap<number, EntraErrorEntry> = new Map(
  [notInTenant, resources, clouds, credentials, policies, requests, signIns, passing].flat(),
);

/** Every AADSTS code of domain/microsoft.md 1.8, with what Entra says beside it. */
export const entraCatalogue = (code: number): EntraErrorEntry | undefined => catalogue.get(code);

/** All of them. */
export const entraCodes = (): readonly number[] => [...catalogue.keys()];

export const isKnownEntraCode = (code: number): boolean => catalogue.has(code);

/** After these Entra shows a page: it does not trust the redirect address, or the person. */
export const pageOnlyCodes: ReadonlySet<number> = new Set([
  50011, 900971, 700016, 50020, 50034, 51004, 50194, 90002, 90038,
]);
