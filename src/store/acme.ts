import { columns, omit, pick, type Row } from './columns.ts';
import type { Queries, Sql } from './database.ts';
import type { ChallengeKind } from './row-types.ts';
import { acmeAccounts, acmeCertificates, acmeChallenges } from './schema.ts';

/**
 * What all processes of a deployment share of its certificates by ACME: the account with each authority, a row for each
 * name, and the answers to open challenges. Keys are sealed for their row. Tenants have no part in any of it.
 */

const accountShape = omit(acmeAccounts, 'createdAt');
export type AcmeAccount = Row<typeof accountShape>;

const certificateShape = omit(acmeCertificates, 'wantedAt', 'orderedAt');
export type AcmeCertificate = Row<typeof certificateShape> & {
  /** Null: there is no order. */
  readonly orderAgeMs: number | null;
};

/** What names a row of `acme_certificates`. */
export type AcmeName = Pick<AcmeCertificate, 'directory' | 'name'>;

/** Contexts that the keys are sealed for. An order's key becomes that of the certificate, so the two share one. */
export const accountKeyAssociation = (directory: string): string => `acme_accounts/${directory}/key`;
export const certificateKeyAssociation = ({ directory, name }: AcmeName): string =>
  `acme_certificates/${directory}/${name}/key`;

/** Keeps this key unless there is one, and gives the account that there is then. */
export async function keepAccount(sql: Sql, directory: string, keySealed: string): Promise<AcmeAccount> {
  await sql`
    insert into acme_accounts (directory, key_sealed) values (${directory}, ${keySealed}) on conflict do nothing`;
  const account = await readAccount(sql, directory);
  if (account === undefined) throw new Error('an account that was just kept is gone');
  return account;
}

export async function readAccount(sql: Sql, directory: string): Promise<AcmeAccount | undefined> {
  const [row] = await sql<AcmeAccount[]>`
    select ${columns(sql, accountShape)} from acme_accounts where directory = ${directory}`;
  return row;
}

/** `accountUrl` null: the authority does not know the key any more, and is told of it anew. */
export const noteAccount = (
  sql: Sql,
  { accountUrl, directory, email }: Pick<AcmeAccount, 'accountUrl' | 'directory' | 'email'>,
) => sql`
  update acme_accounts set account_url = ${accountUrl}, email = ${email} where directory = ${directory}`;

/** Rows for the names of the settings; new ones are due at once. Those that nobody wanted for long go once they are of no use. */
export async function wantNames(
  sql: Sql,
  directory: string,
  names: readonly string[],
  forgetAfterMs: number,
): Promise<void> {
  await sql`
    insert into acme_certificates (directory, name) select ${directory}, unnest(${[...names]}::text[])
    on conflict (directory, name) do update set wanted_at = now()`;
  await sql`
    delete from acme_certificates
    where wanted_at < now() - ${forgetAfterMs} * interval '1 millisecond' and (not_after is null or not_after < now())`;
  await sql`delete from acme_challenges where expires_at < now()`;
}

/** The names whose time has come, the longest waiting first. */
export const readDue = (
  sql: Sql,
  directory: string,
  names: readonly string[],
): Promise<AcmeCertificate[]> => sql<AcmeCertificate[]>`
  select ${columns(sql, certificateShape)},
    (extract(epoch from now() - ordered_at) * 1000)::float8 as "orderAgeMs"
  from acme_certificates
  where directory = ${directory} and name = any(${[...names]}::text[]) and next_try_at <= now()
  order by next_try_at, name`;

/** Undefined: it is not due any more, another process was here meanwhile. */
export async function readStillDue(
  sql: Sql,
  { directory, name }: AcmeName,
): Promise<AcmeCertificate | undefined> {
  const [row] = await readDue(sql, directory, [name]);
  return row;
}

/** The order is kept before anything is done with it, so that whoever goes on after a crash finds it. */
export const keepOrder = (
  sql: Sql,
  { directory, name }: AcmeName,
  order: { readonly url: string; readonly keySealed: string },
) => sql`
  update acme_certificates
  set order_url = ${order.url}, order_key_sealed = ${order.keySealed}, ordered_at = now()
  where directory = ${directory} and name = ${name}`;

/** The order goes on, and is looked at again so much later. */
export const waitForOrder = (sql: Sql, { directory, name }: AcmeName, seconds: number) => sql`
  update acme_certificates set next_try_at = now() + ${seconds} * interval '1 second'
  where directory = ${directory} and name = ${name}`;

export interface IssuedCertificate {
  readonly chain: string;
  readonly notAfter: Date;
  /** Seconds until it is renewed. */
  readonly renewInSeconds: number;
}

/** The order has become a certificate, whose key was the order's. False: another process was here first. */
export async function keepCertificate(
  sql: Sql,
  row: AcmeCertificate,
  { chain, notAfter, renewInSeconds }: IssuedCertificate,
): Promise<boolean> {
  const { count } = await sql`
    update acme_certificates set
      chain = ${chain}, key_sealed = order_key_sealed, issued_at = now(), not_after = ${notAfter},
      order_url = null, order_key_sealed = null, ordered_at = null,
      attempts = 0, last_error = null, last_error_at = null,
      next_try_at = now() + ${renewInSeconds} * interval '1 second'
    where directory = ${row.directory} and name = ${row.name} and order_url = ${row.orderUrl}`;
  return count > 0;
}

/** A try failed: what there is stays, and the next try comes so much later. `over`: the order is of no use any more. */
export const noteFailure = (
  sql: Sql,
  { directory, name }: AcmeName,
  failure: { readonly error: string; readonly againInSeconds: number; readonly over: boolean },
) => sql`
  update acme_certificates set
    attempts = attempts + 1, last_error = ${failure.error}, last_error_at = now(),
    next_try_at = now() + ${failure.againInSeconds} * interval '1 second',
    order_url = case when ${failure.over} then null else order_url end,
    order_key_sealed = case when ${failure.over} then null else order_key_sealed end,
    ordered_at = case when ${failure.over} then null else ordered_at end
  where directory = ${directory} and name = ${name}`;

const challengeShape = omit(acmeChallenges, 'openedAt', 'expiresAt');
export type AcmeChallenge = Row<typeof challengeShape>;

/**
 * Every process answers this one from now on, in the place of the name's last one. Gives for how many milliseconds it has
 * been open: 0 for a new one.
 */
export async function openChallenge(
  sql: Sql,
  { directory, keyAuthorization, kind, name, token }: AcmeChallenge,
  lifeMs: number,
): Promise<number> {
  const [row] = await sql<{ openMs: number }[]>`
    insert into acme_challenges as c (directory, name, kind, token, key_authorization, expires_at)
    values (${directory}, ${name}, ${kind}, ${token}, ${keyAuthorization}, now() + ${lifeMs} * interval '1 millisecond')
    on conflict (directory, name) do update set kind = excluded.kind, token = excluded.token,
      key_authorization = excluded.key_authorization, expires_at = excluded.expires_at,
      opened_at = case when c.token = excluded.token then c.opened_at else now() end
    returning (extract(epoch from now() - opened_at) * 1000)::float8 as "openMs"`;
  return row?.openMs ?? 0;
}

export const closeChallenge = (sql: Sql, { directory, name }: AcmeName) => sql`
  delete from acme_challenges where directory = ${directory} and name = ${name}`;

/** At most one for each name. */
export const readChallenges = (sql: Sql, kind: ChallengeKind): Promise<AcmeChallenge[]> => sql<
  AcmeChallenge[]
>`
  select ${columns(sql, challengeShape)} from acme_challenges where kind = ${kind} and expires_at > now()`;

const issuedShape = pick(acmeCertificates, 'directory', 'name', 'chain', 'keySealed', 'issuedAt', 'notAfter');
type NonNullRow<R> = { readonly [Name in keyof R]: NonNullable<R[Name]> };
export type IssuedName = NonNullRow<Row<typeof issuedShape>> & {
  /** The certificate has ended. */
  readonly isOver: boolean;
};

/** Certificates for these names from every authority that was ever asked. */
export const readIssued = (sql: Sql, names: readonly string[]): Promise<IssuedName[]> => sql<IssuedName[]>`
  select ${columns(sql, issuedShape)}, not_after < now() as "isOver" from acme_certificates
  where name = any(${[...names]}::text[]) and chain is not null
  order by name, directory`;

/** Changes when one of these names gets a certificate, when one ends, and when its key is sealed anew. */
export async function readIssuedStamp(sql: Sql, names: readonly string[]): Promise<string> {
  const [row] = await sql<{ stamp: string | null }[]>`
    select string_agg(concat_ws(' ', directory, name, issued_at, not_after < now(), split_part(key_sealed, '.', 2)), ', '
      order by directory, name) as stamp
    from acme_certificates where name = any(${[...names]}::text[]) and chain is not null`;
  return row?.stamp ?? '';
}

const stateShape = pick(
  acmeCertificates,
  'name',
  'attempts',
  'nextTryAt',
  'notAfter',
  'lastError',
  'lastErrorAt',
);
export type AcmeNameState = Row<typeof stateShape> & {
  readonly nextTryInSeconds: number;
  /** Null: none was issued yet. */
  readonly expiresInSeconds: number | null;
};

/** How far the names of the settings are with the authority that is set. */
export const readNameStates = (
  sql: Queries,
  { directory, names }: { readonly directory: string; readonly names: readonly string[] },
): Promise<AcmeNameState[]> => sql<AcmeNameState[]>`
  select ${columns(sql, stateShape)}, extract(epoch from next_try_at - now())::float8 as "nextTryInSeconds",
    extract(epoch from not_after - now())::float8 as "expiresInSeconds"
  from acme_certificates where directory = ${directory} and name = any(${[...names]}::text[]) order by name`;

/** A sealed key of these tables, and where it stands. */
export interface SealedAcmeKey extends AcmeName {
  readonly of: 'account' | 'certificate' | 'order';
  readonly sealed: string;
}

/** An account's row has the empty name. */
export const readSealedAcmeKeys = (sql: Queries): Promise<SealedAcmeKey[]> => sql<SealedAcmeKey[]>`
  select 'account' as of, directory, '' as name, key_sealed as sealed from acme_accounts
  union all
  select 'certificate', directory, name, key_sealed from acme_certificates where key_sealed is not null
  union all
  select 'order', directory, name, order_key_sealed from acme_certificates where order_key_sealed is not null
  order by 1, 2, 3`;

export const acmeKeyAssociation = (key: AcmeName & Pick<SealedAcmeKey, 'of'>): string =>
  key.of === 'account' ? accountKeyAssociation(key.directory) : certificateKeyAssociation(key);

/** Replaces a sealed key where the row still holds the text that was opened; says how many. */
export async function resealAcmeKey(
  sql: Queries,
  { directory, name, of, sealed }: SealedAcmeKey,
  anew: string,
): Promise<number> {
  const { count } =
    of === 'account'
      ? await sql`
          update acme_accounts set key_sealed = ${anew} where directory = ${directory} and key_sealed = ${sealed}`
      : await sql`
          update acme_certificates set
            key_sealed = case when key_sealed = ${sealed} then ${anew} else key_sealed end,
            order_key_sealed = case when order_key_sealed = ${sealed} then ${anew} else order_key_sealed end
          where directory = ${directory} and name = ${name} and ${sealed} in (key_sealed, order_key_sealed)`;
  return count;
}
