/**
 * The refusals of Entra's token endpoint, as data (domain/microsoft.md 1.8). Microsoft says that codes may
 * change: an unknown one falls back to the class of its OAuth `error` and HTTP status (1.7).
 */

/** The scope of the error: one tenant, our registration in the whole cloud, nobody for long, or one user. */
export type FailureScope = 'tenant' | 'registration' | 'transient' | 'user';
export type FailureOwner = 'configuration' | 'microsoft' | 'espalier' | 'caller';

/**
 * The action that Espalier takes. `require-consent`, `hold-tenant`, `retry-daily`, `quarantine-tenant`: hold the tenant's
 * delivery, keep its data. `other-credential`: try the next one, then alarm the operator. `alarm-operator`: stop
 * asking in this cloud. `back-off`: later, with jitter. `show-user`: nothing but tell.
 */
export type FailureAction =
  | 'require-consent'
  | 'hold-tenant'
  | 'retry-daily'
  | 'quarantine-tenant'
  | 'other-credential'
  | 'alarm-operator'
  | 'back-off'
  | 'show-user';

export interface TokenErrorKind {
  readonly scope: FailureScope;
  /** Identifier of the cause; part of the API, never renamed. */
  readonly cause: string;
  readonly action: FailureAction;
  /** Instruction for the person who has to act. */
  readonly remedy: string;
  readonly owner: FailureOwner;
}

const kind = (
  scope: FailureScope,
  cause: string,
  action: FailureAction,
  owner: FailureOwner,
  remedy: string,
): TokenErrorKind => ({ scope, cause, action, owner, remedy });

const consentRequired = kind(
  'tenant',
  'consent-required',
  'require-consent',
  'configuration',
  'The application has no consent in this tenant, or it was withdrawn: connect the tenant again and have an administrator consent.',
);
const consentDeclined = kind(
  'tenant',
  'consent-declined',
  'require-consent',
  'configuration',
  'An administrator declined the consent: connect the tenant again and accept.',
);
const adminConsentRequired = kind(
  'tenant',
  'admin-consent-required',
  'require-consent',
  'configuration',
  'Only an administrator of the tenant can give this consent: have a Global Administrator open the consent address.',
);
const resourceMissing = kind(
  'tenant',
  'intune-not-provisioned',
  'retry-daily',
  'configuration',
  'Intune is not set up or not licensed in this tenant, or the application asks for an API that is not there: check the Intune licence.',
);
const graphMissing = kind(
  'tenant',
  'graph-not-available',
  'retry-daily',
  'configuration',
  "Entra does not know Microsoft Graph as a resource in this tenant: check graph in the clouds file, and that the tenant's administrator has not removed or disabled Microsoft Graph under Enterprise applications.",
);
const tenantNotFound = kind(
  'tenant',
  'tenant-not-found',
  'quarantine-tenant',
  'configuration',
  'Entra knows no such tenant in this cloud: check the tenant id and the cloud.',
);
const wrongCloud = kind(
  'tenant',
  'wrong-cloud',
  'quarantine-tenant',
  'configuration',
  'The tenant lives in another national cloud: choose the right cloud for it.',
);
const unknownCloud = kind(
  'registration',
  'unknown-cloud',
  'alarm-operator',
  'configuration',
  'Entra does not know the authority used: check the clouds file.',
);
const badSecret = kind(
  'registration',
  'credential-invalid',
  'other-credential',
  'configuration',
  'The client secret is wrong for every tenant of this cloud: set the secret value, not its id.',
);
const expiredSecret = kind(
  'registration',
  'credential-expired',
  'other-credential',
  'configuration',
  'The client secret has expired for every tenant of this cloud: make a new one and set it.',
);
const unknownCertificate = kind(
  'registration',
  'certificate-unknown',
  'other-credential',
  'configuration',
  'Entra does not have the certificate that signed: upload it to the application, or set the one that is there.',
);
const invalidAssertion = kind(
  'registration',
  'assertion-invalid',
  'other-credential',
  'configuration',
  'The certificate assertion is invalid or outside its time range: check the clock of this machine first, then replace the certificate.',
);
const clockWrong = kind(
  'registration',
  'clock-wrong',
  'alarm-operator',
  'configuration',
  'The clock of this machine is wrong, so Entra takes the certificate assertion for expired or not yet valid: set the clock by NTP. The credential itself is not at fault.',
);
const assertionBug = kind(
  'registration',
  'assertion-malformed',
  'alarm-operator',
  'espalier',
  'Entra rejects the form of the certificate assertion: report this as a fault of Espalier.',
);
const credentialRefused = kind(
  'registration',
  'credential-refused',
  'other-credential',
  'configuration',
  'Entra refuses the credential of the application: check secret or certificate and the client id.',
);
const credentialMissing = kind(
  'registration',
  'credential-missing',
  'alarm-operator',
  'configuration',
  'The request had no credential that Entra accepts: the application must be confidential and have a credential.',
);
const applicationDisabled = kind(
  'tenant',
  'application-disabled',
  'hold-tenant',
  'configuration',
  'The application is disabled in this tenant: its administrator can enable sign-in for it under Enterprise applications.',
);
const assignmentRequired = kind(
  'tenant',
  'assignment-required',
  'hold-tenant',
  'configuration',
  'The tenant requires an assignment to the application: assign it, or switch the requirement off.',
);
const policyBlocked = kind(
  'tenant',
  'blocked-by-policy',
  'hold-tenant',
  'configuration',
  'A Conditional Access policy of the tenant blocks this: exclude the user registration application from the device compliance policy.',
);
const deviceNotCompliant = kind(
  'user',
  'device-not-compliant',
  'show-user',
  'caller',
  'The user’s device is not compliant or showed no registration: open the remediation page on it.',
);
const userNotInTenant = kind(
  'user',
  'user-not-in-tenant',
  'show-user',
  'caller',
  'The account does not belong to this tenant: sign in with another one.',
);
const userDisabled = kind(
  'user',
  'user-disabled',
  'show-user',
  'caller',
  'The account is disabled: sign in with another one.',
);
const codeSpent = kind(
  'user',
  'code-spent',
  'show-user',
  'caller',
  'The authorization code was used before, is too old, or belongs to another sign-in: sign in again.',
);
const redirectMismatch = kind(
  'registration',
  'redirect-uri-mismatch',
  'alarm-operator',
  'configuration',
  'Register the redirect address with the application: ESPALIER_PUBLIC_URL + /microsoft/consent, for operators ESPALIER_ADMIN_URL + /sign-in/callback.',
);
const singleTenantApplication = kind(
  'registration',
  'application-single-tenant',
  'alarm-operator',
  'configuration',
  'The application is registered for a single tenant: make it multi-tenant.',
);
const regionNotAllowed = kind(
  'registration',
  'region-not-allowed',
  'alarm-operator',
  'espalier',
  'A regional endpoint was asked: unset MSAL_FORCE_REGION, or report this as a fault of Espalier.',
);
const clientLoop = kind(
  'transient',
  'client-loop',
  'back-off',
  'espalier',
  'Entra saw the same request too often and waits a minute or more.',
);
const throttled = kind(
  'transient',
  'throttled',
  'back-off',
  'microsoft',
  'Entra asks to wait; nothing is to be done.',
);
const unavailable = kind(
  'transient',
  'entra-unavailable',
  'back-off',
  'microsoft',
  'Entra is in trouble for the moment; nothing is to be done.',
);
const refusedToken = kind(
  'transient',
  'token-refused',
  'back-off',
  'microsoft',
  "The service refuses the tokens that Entra issues for it: they are tried again, less and less often. If it stays, compare the application's permissions.",
);
const malformedRequest = kind(
  'registration',
  'request-malformed',
  'alarm-operator',
  'espalier',
  'Entra does not accept the scope or the form of the request: check intuneScope in the clouds file.',
);

const table: readonly (readonly [readonly number[], TokenErrorKind])[] = [
  [[700016, 7000229, 65001], consentRequired],
  [[65004], consentDeclined],
  [[65005, 650052, 650054, 650056, 650057, 500011], resourceMissing],
  [[90094, 90095], adminConsentRequired],
  [[90002], tenantNotFound],
  [[90038, 900382, 900432], wrongCloud],
  [[90051, 50049], unknownCloud],
  [[7000215], badSecret],
  [[7000222], expiredSecret],
  [[700027], unknownCertificate],
  [[50012, 50013, 500133, 50027], invalidAssertion],
  [[700024], clockWrong],
  [[700030, 50048], assertionBug],
  [[700025, 7000218, 900144], credentialMissing],
  [[7000112, 70001], applicationDisabled],
  [[50105], assignmentRequired],
  [[53003, 530032, 50131], policyBlocked],
  [[53000, 530003], deviceNotCompliant],
  [[50034, 50020, 51004], userNotInTenant],
  [[50057], userDisabled],
  [[54005, 70008, 70000, 700005, 501481, 50148], codeSpent],
  [[50011, 500112, 900971], redirectMismatch],
  [[50194], singleTenantApplication],
  [[100007], regionNotAllowed],
  [[50196], clientLoop],
  [[90055], throttled],
  [[50033, 90006, 90024, 90033, 90090, 90012, 50087], unavailable],
  [[70011, 28002, 700022, 9002313], malformedRequest],
];

/** AADSTS number to what it means here. */
export const tokenErrorKinds: ReadonlyMap<number, TokenErrorKind> = new Map(
  table.flatMap(([codes, meaning]) => codes.map((code) => [code, meaning] as const)),
);

/** OAuth `error` to its class, for codes that are not in the table (1.7). */
export const oauthErrorKinds: ReadonlyMap<string, TokenErrorKind> = new Map([
  ['invalid_client', credentialRefused],
  ['unauthorized_client', consentRequired],
  ['invalid_grant', consentRequired],
  ['consent_required', consentRequired],
  ['interaction_required', policyBlocked],
  ['access_denied', applicationDisabled],
  ['invalid_resource', resourceMissing],
  ['invalid_scope', malformedRequest],
  ['invalid_request', malformedRequest],
  ['unsupported_grant_type', malformedRequest],
  ['temporarily_unavailable', unavailable],
  ['server_error', unavailable],
]);

export const clockWrongKind = clockWrong;
export const graphMissingKind = graphMissing;
export const resourceMissingKind = resourceMissing;
export const refusedTokenKind = refusedToken;
export const throttledKind = throttled;
export const unavailableKind = unavailable;
