import { randomBytes, randomUUID } from 'node:crypto';
import { errors, jwtVerify, SignJWT } from 'jose';
import type { Clock } from '../clock.ts';
import type { Random } from '../random.ts';
import { type ApiRole, gatewayRoles, type Privilege } from './privileges.ts';

/** The rights of a live token. Privileges are those at the time of issue (domain/jamf.md 1.3, "Rules"). */
export interface Grant {
  readonly tokenId: string;
  readonly kind: 'client' | 'user';
  /** Client id, or user name. */
  readonly subject: string;
  readonly privileges: ReadonlySet<Privilege>;
}

export interface ApiClient {
  readonly clientId: string;
  clientSecret: string;
  displayName: string;
  enabled: boolean;
  lifetimeSeconds: number;
  roles: readonly ApiRole[];
}

/** Differences between servers of different ages; the control API switches them. */
export interface TokenVariants {
  /** RFC 6749 allows both; which one real servers use is unverified (domain/jamf.md 1.1). */
  wrongSecretStatus: 401 | 400;
  /** Body of the 401 after `invalidate-token` (domain/jamf.md 9, item 3). */
  revokedTokenAnswer: 'empty-errors' | 'invalid-token';
}

export type Verdict =
  | { readonly kind: 'live'; readonly grant: Grant }
  | { readonly kind: 'revoked' }
  | { readonly kind: 'refused'; readonly reason: string };

export type ClientTokenAnswer =
  | { readonly kind: 'issued'; readonly token: string; readonly scope: string; readonly expiresIn: number }
  | { readonly kind: 'refused'; readonly status: 400 | 401; readonly error: string; readonly reason: string };

export interface UserToken {
  readonly token: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

export interface Tokens {
  readonly variants: TokenVariants;
  readonly clients: ReadonlyMap<string, ApiClient>;
  /** The one local account, for `auth/token` with Basic. */
  readonly user: { readonly username: string; readonly password: string };
  addClient(client: Partial<ApiClient>): ApiClient;
  /** Makes a new secret; tokens already issued live on. Undefined when there is no such client. */
  rotateSecret(clientId: string): string | undefined;
  issueToClient(form: URLSearchParams): Promise<ClientTokenAnswer>;
  /** Undefined when name or password is wrong. */
  issueToUser(username: string, password: string): Promise<UserToken | undefined>;
  /** A new token for this user token, which dies; undefined for an API client's token. */
  keepAlive(grant: Grant): Promise<UserToken | undefined>;
  invalidate(grant: Grant): void;
  verify(token: string): Promise<Verdict>;
}

export interface TokensOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** The instance's URL, known once its host listens. */
  readonly issuer: () => string;
  readonly tokenLifetimeSeconds: number;
  readonly clientId?: string;
  readonly clientSecret?: string;
  readonly user?: { readonly username: string; readonly password: string };
}

// Default of user tokens (domain/jamf.md 1.2).
const userTokenLifetimeSeconds = 30 * 60;

const allPrivileges = (roles: readonly ApiRole[]): ReadonlySet<Privilege> =>
  new Set(roles.flatMap((role) => role.privileges));

/** Exactly one value; RFC 6749 3.2 forbids repeated parameters. */
function single(form: URLSearchParams, name: string): string | undefined {
  const values = form.getAll(name);
  return values.length === 1 && values[0] !== '' ? values[0] : undefined;
}

/** Picks the roles that `scope` asks for; undefined when the client lacks one of them. */
function narrow(roles: readonly ApiRole[], scope: string | undefined): readonly ApiRole[] | undefined {
  if (scope === undefined) return roles;
  const asked = scope.split(' ').filter((part) => part !== '');
  const picked = asked.map((part) => roles.find((role) => `api-role:${role.id}` === part));
  return picked.every((role) => role !== undefined) ? picked : undefined;
}

function makeClient(options: TokensOptions, given: Partial<ApiClient>): ApiClient {
  return {
    clientId: given.clientId ?? options.random.guid(),
    clientSecret: given.clientSecret ?? makeSecret(options.random),
    displayName: given.displayName ?? 'Gateway',
    enabled: given.enabled ?? true,
    lifetimeSeconds: given.lifetimeSeconds ?? options.tokenLifetimeSeconds,
    roles: given.roles ?? gatewayRoles,
  };
}

const makeSecret = (random: Random): string => `${random.guid()}${random.guid()}`.replaceAll('-', '');

function ledger(options: TokensOptions) {
  const key = randomBytes(64);
  // Grants by token id; a token outlives its client's change of secret, roles or state, so they are copied.
  const grants = new Map<string, { grant: Grant; expiresAt: number }>();
  // Tokens to the letter as they were signed here: what is equal to one of them needs no second look at its signature.
  const signed = new Map<string, { tokenId: string; issuer: string; validFrom: number; expiresAt: number }>();
  const revoked = new Set<string>();

  const forgetExpired = (nowMs: number): void => {
    for (const [tokenId, entry] of grants) {
      if (entry.expiresAt >= nowMs) continue;
      grants.delete(tokenId);
      revoked.delete(tokenId);
    }
    for (const [token, entry] of signed) if (entry.expiresAt < nowMs) signed.delete(token);
  };

  const sign = async (
    algorithm: 'HS256' | 'HS512',
    grant: Grant,
    lifetimeSeconds: number,
    claims: Record<string, unknown>,
  ): Promise<UserToken> => {
    const nowMs = options.clock.now();
    forgetExpired(nowMs);
    const iat = Math.floor(nowMs / 1000);
    const expiresAt = (iat + lifetimeSeconds) * 1000;
    const token = await new SignJWT({ ...claims, 'token-uuid': grant.tokenId })
      .setProtectedHeader({ alg: algorithm })
      .setSubject(grant.subject)
      .setIssuer(options.issuer())
      .setIssuedAt(iat)
      .setNotBefore(iat)
      .setExpirationTime(iat + lifetimeSeconds)
      .sign(key);
    grants.set(grant.tokenId, { grant, expiresAt });
    const { tokenId } = grant;
    signed.set(token, { tokenId, issuer: options.issuer(), validFrom: iat * 1000, expiresAt });
    return { token, expiresAt };
  };

  const verdictOn = (tokenId: string): Verdict => {
    if (revoked.has(tokenId)) return { kind: 'revoked' };
    const entry = grants.get(tokenId);
    return entry ? { kind: 'live', grant: entry.grant } : { kind: 'refused', reason: 'unknown token' };
  };

  const verify = async (token: string): Promise<Verdict> => {
    const known = signed.get(token);
    const nowMs = options.clock.now();
    if (known?.issuer === options.issuer() && known.validFrom <= nowMs && nowMs < known.expiresAt)
      return verdictOn(known.tokenId);
    try {
      const { payload } = await jwtVerify(token, key, {
        algorithms: ['HS256', 'HS512'],
        issuer: options.issuer(),
        currentDate: new Date(nowMs),
      });
      return verdictOn(String(payload['token-uuid']));
    } catch (error) {
      if (error instanceof errors.JOSEError) return { kind: 'refused', reason: error.code };
      throw error;
    }
  };

  return { sign, verify, revoke: (tokenId: string): unknown => revoked.add(tokenId) };
}

type Ledger = ReturnType<typeof ledger>;

const refuse = (status: 400 | 401, error: string, reason: string): ClientTokenAnswer => ({
  kind: 'refused',
  status,
  error,
  reason,
});

/** The client credentials grant of RFC 6749 4.4, with credentials in the form. */
async function issueToClient(
  form: URLSearchParams,
  clients: ReadonlyMap<string, ApiClient>,
  variants: TokenVariants,
  book: Ledger,
): Promise<ClientTokenAnswer> {
  const grantType = single(form, 'grant_type');
  if (grantType === undefined) return refuse(400, 'invalid_request', 'grant_type must be given once');
  if (grantType !== 'client_credentials') return refuse(400, 'unsupported_grant_type', grantType);
  const clientId = single(form, 'client_id');
  const secret = single(form, 'client_secret');
  if (clientId === undefined || secret === undefined)
    return refuse(400, 'invalid_request', 'client_id and client_secret must be given once');
  const client = clients.get(clientId);
  if (!client?.enabled || client.clientSecret !== secret)
    return refuse(variants.wrongSecretStatus, 'invalid_client', 'client authentication failed');
  if (form.getAll('scope').length > 1) return refuse(400, 'invalid_request', 'scope is given twice');
  const roles = narrow(client.roles, single(form, 'scope'));
  if (!roles) return refuse(400, 'invalid_scope', 'the client lacks a role asked for');
  const scope = roles.map((role) => `api-role:${role.id}`);
  const { token } = await book.sign(
    'HS256',
    { tokenId: randomUUID(), kind: 'client', subject: clientId, privileges: allPrivileges(roles) },
    client.lifetimeSeconds,
    {
      aud: clientId,
      'subject-type': 'REGISTERED_CLIENT_ID',
      'authentication-type': 'CLIENT_CREDENTIALS',
      scope,
    },
  );
  // Real servers report one second less than the lifetime (domain/jamf.md 1.2).
  return { kind: 'issued', token, scope: scope.join(' '), expiresIn: client.lifetimeSeconds - 1 };
}

/** Tokens of one instance, domain/jamf.md 1.1 to 1.3: HS256 for API clients, HS512 for users. */
export function createTokens(options: TokensOptions): Tokens {
  const { random } = options;
  const book = ledger(options);
  const clients = new Map<string, ApiClient>();
  const user = options.user ?? { username: 'gateway', password: makeSecret(random) };
  const variants: TokenVariants = { wrongSecretStatus: 401, revokedTokenAnswer: 'empty-errors' };

  const addClient: Tokens['addClient'] = (given) => {
    const client = makeClient(options, given);
    clients.set(client.clientId, client);
    return client;
  };
  addClient({ clientId: options.clientId, clientSecret: options.clientSecret });

  const userToken = (): Promise<UserToken> =>
    book.sign(
      'HS512',
      {
        tokenId: randomUUID(),
        kind: 'user',
        subject: user.username,
        privileges: allPrivileges(gatewayRoles),
      },
      userTokenLifetimeSeconds,
      { 'authenticated-app': 'GENERIC', 'authentication-type': 'JSS', 'subject-type': 'JSS_USER_ID' },
    );

  return {
    variants,
    clients,
    user,
    addClient,
    rotateSecret: (clientId) => {
      const client = clients.get(clientId);
      if (client) client.clientSecret = makeSecret(random);
      return client?.clientSecret;
    },
    issueToClient: (form) => issueToClient(form, clients, variants, book),
    issueToUser: async (username, password) =>
      username === user.username && password === user.password ? userToken() : undefined,
    keepAlive: async (grant) => {
      if (grant.kind === 'client') return undefined;
      book.revoke(grant.tokenId);
      return userToken();
    },
    invalidate: (grant) => {
      book.revoke(grant.tokenId);
    },
    verify: book.verify,
  };
}
