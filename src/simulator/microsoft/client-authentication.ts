import { timingSafeEqual } from 'node:crypto';
import type { RegisteredApplication } from './applications.ts';
import { checkAssertion } from './assertion.ts';
import type { CloudContext } from './context.ts';
import { type EntraResult, refuse, succeed } from './entra-error.ts';

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** The kind of credential: 1 a secret, 2 a certificate, as `appidacr` and `azpacr` say it. */
export type ClientAuthentication = 1 | 2;

export interface ClientCredential {
  readonly clientId: string;
  readonly secret: string | undefined;
  readonly assertion: string | undefined;
}

/** Reads the credential from HTTP Basic or the form; both are accepted (domain/microsoft.md 1.2). */
export function readCredential(
  authorization: string | undefined,
  form: URLSearchParams,
): EntraResult<ClientCredential> {
  const malformed = refuse('invalid_request', 9002313, 'Invalid request. Request is malformed or invalid.');
  const missing = refuse(
    'invalid_request',
    900144,
    "The request body must contain the following parameter: 'client_id'.",
  );
  if (authorization !== undefined) {
    const encoded = /^Basic ([A-Za-z0-9+/]+=*)$/i.exec(authorization)?.[1];
    const [id, secret, ...rest] = Buffer.from(encoded ?? '', 'base64')
      .toString('utf8')
      .split(':');
    if (!id || secret === undefined || rest.length > 0) return malformed;
    try {
      const clientId = decodeURIComponent(id).toLowerCase();
      const named = form.get('client_id');
      if (named !== null && named.toLowerCase() !== clientId) return malformed;
      return succeed({ clientId, secret: decodeURIComponent(secret), assertion: undefined });
    } catch (error) {
      if (error instanceof URIError) return malformed;
      throw error;
    }
  }
  const clientId = form.get('client_id');
  if (!clientId) return missing;
  const assertion = form.get('client_assertion') ?? undefined;
  if (assertion !== undefined && form.get('client_assertion_type') !== assertionType) return malformed;
  const secret = form.get('client_secret') ?? undefined;
  return succeed({ clientId: clientId.toLowerCase(), secret, assertion });
}

function checkSecret(
  presented: string,
  application: RegisteredApplication,
  nowMs: number,
): EntraResult<ClientAuthentication> {
  const bytes = Buffer.from(presented);
  const known = application.secrets.find((secret) => {
    const expected = Buffer.from(secret.value);
    return expected.length === bytes.length && timingSafeEqual(expected, bytes);
  });
  if (!known) {
    return refuse(
      'invalid_client',
      7000215,
      `Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '${application.appId}'.`,
    );
  }
  if (known.expiresAt !== undefined && Date.parse(known.expiresAt) <= nowMs) {
    return refuse(
      'invalid_client',
      7000222,
      `The provided client secret keys for app '${application.appId}' are expired.`,
    );
  }
  return succeed(1);
}

/** Authenticates clients of one cloud, remembering the assertions already used. */
export function createClientAuthenticator(
  cloud: CloudContext,
): (
  credential: ClientCredential,
  application: RegisteredApplication,
  tenantId: string,
) => EntraResult<ClientAuthentication> {
  const used = new Set<string>();
  return (credential, application, tenantId) => {
    if (credential.assertion !== undefined) {
      const checked = checkAssertion(credential.assertion, application, {
        audience: `${cloud.addresses.entra}/${tenantId}/oauth2/v2.0/token`,
        nowMs: cloud.callerNow(),
      });
      if (!checked.ok) return checked;
      const key = `${application.appId} ${checked.value}`;
      if (used.has(key) && cloud.settings.assertionReplay === 'refuse') {
        return refuse('invalid_client', 50013, 'Assertion is invalid: its jti has been used before.');
      }
      used.add(key);
      return succeed(2);
    }
    if (credential.secret !== undefined) {
      return checkSecret(credential.secret, application, cloud.world.clock.now());
    }
    return refuse(
      'invalid_client',
      7000218,
      "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
    );
  };
}
