import { desc, eq, sql as raw } from 'drizzle-orm';
import { hashKey } from '../secrets/keys.ts';
import type { Queries } from './database.ts';
import { query } from './query.ts';
import { consents } from './schema.ts';

/** Consents that were asked of a tenant's administrator, by the single-use state that was given out for each. */

export type ConsentApplication = 'connector' | 'user-registration';

/** Result of a consent page at Microsoft. */
export type ConsentResult = 'granted' | 'declined' | 'other-tenant' | 'unproven' | 'incomplete';

export async function insertConsent(
  sql: Queries,
  consent: {
    readonly tenantId: string;
    readonly state: string;
    readonly application: ConsentApplication;
    readonly expiresAt: Date;
  },
): Promise<void> {
  const { state, ...values } = consent;
  await query(sql)
    .insert(consents)
    .values({ ...values, stateHash: await hashKey(state) });
}

/** States given out before are void, and so is what was consented to. */
export async function removeConsents(sql: Queries, tenantId: string): Promise<void> {
  await sql`delete from consents where tenant_id = ${tenantId}`;
}

/** Uses the state up and returns what it was given out for; undefined when it was not live. */
export async function takeConsent(
  sql: Queries,
  tenantId: string,
  state: string,
): Promise<ConsentApplication | undefined> {
  const [row] = await sql<{ application: ConsentApplication }[]>`
    update consents set used_at = now()
    where tenant_id = ${tenantId} and state_hash = ${await hashKey(state)} and used_at is null and expires_at > now()
    returning application`;
  return row?.application;
}

/** Notes that the tenant agreed to this application and returns all that it agreed to. */
export async function grantConsent(
  tx: Queries,
  tenantId: string,
  application: ConsentApplication,
): Promise<ConsentApplication[]> {
  await tx`
    update consents set outcome = 'granted', detail = null
    where tenant_id = ${tenantId} and application = ${application} and used_at is not null`;
  const given = await tx<{ application: ConsentApplication }[]>`
    select distinct application from consents where tenant_id = ${tenantId} and outcome = 'granted'`;
  return given.map((row) => row.application);
}

/** Notes what came of a state that was taken, with Microsoft's words where it said something. */
export async function recordConsentResult(
  sql: Queries,
  { tenantId, state }: { readonly tenantId: string; readonly state: string },
  result: Exclude<ConsentResult, 'granted'>,
  detail: string | undefined,
): Promise<void> {
  await sql`
    update consents set outcome = ${result}, detail = ${detail ?? null}
    where tenant_id = ${tenantId} and state_hash = ${await hashKey(state)} and used_at is not null`;
}

/** Result of a consent state that was used before; undefined where none is recorded. */
export async function readConsentResult(
  sql: Queries,
  tenantId: string,
  state: string,
): Promise<{ application: ConsentApplication; result: ConsentResult; detail: string | null } | undefined> {
  const [row] = await sql<
    { application: ConsentApplication; result: ConsentResult; detail: string | null }[]
  >`
    select application, outcome as result, detail from consents
    where tenant_id = ${tenantId} and state_hash = ${await hashKey(state)} and outcome is not null`;
  return row;
}

const consentsListed = 100;

export interface AskedConsent {
  readonly application: ConsentApplication;
  readonly expiresAt: Date;
  readonly usedAt: Date | null;
  readonly result: ConsentResult | null;
  readonly detail: string | null;
}

/** The ways in which a consent was asked for since the last connect, newest first; no more than a page needs. */
export async function listConsents(sql: Queries, tenantId: string): Promise<AskedConsent[]> {
  const { application, detail, expiresAt, outcome, usedAt } = consents;
  const rows = await query(sql)
    .select({ application, detail, expiresAt, result: outcome, usedAt })
    .from(consents)
    .where(eq(consents.tenantId, tenantId))
    .orderBy(desc(raw`coalesce(${usedAt}, ${expiresAt})`))
    .limit(consentsListed);
  return rows as AskedConsent[];
}
