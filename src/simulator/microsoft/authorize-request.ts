import type { RegisteredApplication } from './applications.ts';
import type { CloudContext } from './context.ts';
import { type EntraFailure, type EntraResult, refuse, requireTenant, succeed } from './entra-error.ts';

/** A request to the authorize endpoint, read as strictly as the gateway must not rely on. */
export interface AuthorizeRequest {
  readonly application: RegisteredApplication;
  readonly redirectUri: string;
  /** A tenant's id; undefined: the accounts of any organisation. */
  readonly tenantId: string | undefined;
  readonly state: string;
  readonly nonce: string;
  readonly scopes: readonly string[];
  readonly codeChallenge: string;
}

/** `redirectTo`: the refusal goes back to the application; without one Entra does not trust the address. */
export type AuthorizeResult =
  | { readonly ok: true; readonly request: AuthorizeRequest }
  | {
      readonly ok: false;
      readonly failure: EntraFailure;
      readonly redirectTo?: { readonly uri: string; readonly state: string | undefined };
    };

const missing = (name: string): EntraResult<never> =>
  refuse('invalid_request', 900144, `The request body must contain the following parameter: '${name}'.`);

/** Finds the application and an address that is registered with it, to the letter: a refusal may be sent there only. */
function findApplication(
  cloud: CloudContext,
  query: URLSearchParams,
): EntraResult<Pick<AuthorizeRequest, 'application' | 'redirectUri'>> {
  const clientId = query.get('client_id');
  if (!clientId) return missing('client_id');
  const application = cloud.applications.get(clientId);
  if (!application) {
    return refuse(
      'unauthorized_client',
      700016,
      `Application with identifier '${clientId}' was not found in the directory.`,
    );
  }
  const redirectUri = query.get('redirect_uri');
  // Entra takes the only registered one then; a careful client names it.
  if (!redirectUri) return refuse('invalid_request', 900971, 'No reply address provided.');
  return application.redirectUris.includes(redirectUri)
    ? succeed({ application, redirectUri })
    : refuse(
        'invalid_request',
        50011,
        `The redirect URI '${redirectUri}' specified in the request does not match the redirect URIs configured for the application '${clientId}'. Make sure the redirect URI sent in the request matches one added to your application in the Azure portal. Navigate to https://aka.ms/redirectUriMismatchError to learn more about how to troubleshoot this error.`,
      );
}

const malformed: EntraFailure = {
  error: 'invalid_request',
  code: 9002313,
  message: 'Invalid request. Request is malformed or invalid.',
};

const promptValues = ['none', 'login', 'consent', 'select_account'];

/** The fault in the rest of it. */
function faultOf(query: URLSearchParams): EntraResult<never> | undefined {
  for (const name of ['response_type', 'scope', 'state', 'nonce']) {
    if (!query.get(name)) return missing(name);
  }
  const responseType = query.get('response_type');
  if (responseType !== 'code') {
    return refuse(
      'unsupported_response_type',
      700054,
      `response_type '${responseType}' is not enabled for the application.`,
    );
  }
  // The others are real and not simulated: nobody here asks for them.
  const mode = query.get('response_mode') ?? 'query';
  if (mode !== 'query') {
    return refuse(
      'invalid_request',
      70007,
      `'${mode}' is not a supported value of 'response_mode' when requesting a token.`,
    );
  }
  if (!(query.get('scope') ?? '').split(' ').includes('openid')) {
    return refuse(
      'invalid_scope',
      70011,
      "The provided request must include a 'scope' input parameter with 'openid'.",
    );
  }
  if (!query.get('code_challenge')) {
    return refuse(
      'invalid_request',
      9002325,
      'Proof Key for Code Exchange is required for cross-origin authorization code redemption.',
    );
  }
  if (
    query.get('code_challenge_method') !== 'S256' ||
    !/^[\w-]{43}$/.test(query.get('code_challenge') ?? '')
  ) {
    return { ok: false, failure: malformed };
  }
  const prompt = query.get('prompt');
  if (prompt !== null && !promptValues.includes(prompt)) {
    return refuse('invalid_request', 90023, `Unsupported 'prompt' value.`);
  }
  return prompt === 'none'
    ? refuse('login_required', 50058, 'A silent sign-in request was sent but no user is signed in.')
    : undefined;
}

const once = [
  ...['client_id', 'redirect_uri', 'response_type', 'response_mode', 'scope', 'state', 'nonce'],
  ...['code_challenge', 'code_challenge_method', 'prompt'],
];

export function readAuthorizeRequest(
  cloud: CloudContext,
  query: URLSearchParams,
  asked: string,
): AuthorizeResult {
  if (once.some((name) => query.getAll(name).length > 1)) {
    return { ok: false, failure: malformed };
  }
  const found = findApplication(cloud, query);
  if (!found.ok) return found;
  let tenantId: string | undefined;
  if (asked !== 'organizations') {
    // `common` and `consumers` admit personal accounts, which no operator has; they are not simulated.
    const tenant = requireTenant(cloud, asked);
    if (!tenant.ok) return tenant;
    tenantId = tenant.value.tenantId;
  }
  const { application, redirectUri } = found.value;
  const fault = faultOf(query);
  const state = query.get('state') ?? undefined;
  if (fault && !fault.ok) return { ...fault, redirectTo: { uri: redirectUri, state } };
  return {
    ok: true,
    request: {
      application,
      redirectUri,
      tenantId,
      state: state ?? '',
      nonce: query.get('nonce') ?? '',
      scopes: (query.get('scope') ?? '').split(' ').filter((scope) => scope !== ''),
      codeChallenge: query.get('code_challenge') ?? '',
    },
  };
}
