/**
 * One name's way to a certificate. A step asks the authority where the order stands and does what comes next; what the next
 * step needs is in the database before the authority hears of it, so that any process goes on from there after a crash. A
 * step never waits for the authority: it is called again.
 */

import { acmeLearntMs, acmeOrderMs, acmePollMs } from '../limits.ts';
import { SealBroken, type Sealer } from '../secrets/seal.ts';
import {
  type AcmeCertificate,
  accountKeyAssociation,
  certificateKeyAssociation,
  closeChallenge,
  keepAccount,
  keepCertificate,
  keepOrder,
  noteAccount,
  noteFailure,
  openChallenge,
  readAccount,
  waitForOrder,
} from '../store/acme.ts';
import type { Sql } from '../store/database.ts';
import type { ChallengeKind } from '../store/row-types.ts';
import type { Log } from '../telemetry/log.ts';
import { type Ca, type CaAccount, newKeyPem } from './ca.ts';
import { CaError, type CaFailure, describeFailure, readProblem } from './failure.ts';
import { type FailureBackoff, renewInSeconds, retryInSeconds } from './schedule.ts';

export interface OrderParts {
  readonly sql: Sql;
  readonly sealer: Sealer;
  readonly log: Log;
  readonly ca: Ca;
  readonly email: string | undefined;
  readonly kind: ChallengeKind;
  readonly backoff: FailureBackoff;
  /** The process ends: what it breaks off has not failed. */
  readonly signal: AbortSignal;
}

/** The account with the row's authority, registered if it has to be. */
async function openAccount({ directory }: AcmeCertificate, parts: OrderParts): Promise<CaAccount> {
  const { ca, email, log, sealer, sql } = parts;
  const associated = accountKeyAssociation(directory);
  const kept =
    (await readAccount(sql, directory)) ??
    (await keepAccount(sql, directory, await sealer.seal(await newKeyPem(), associated)));
  const isKnown = kept.accountUrl !== null && kept.email === (email ?? null);
  const key = await sealer.open(kept.keySealed, associated);
  const account = await ca.account(key, isKnown ? kept.accountUrl : null, email);
  if (!isKnown) {
    await noteAccount(sql, { directory, accountUrl: account.url, email: email ?? null });
    log.info('acme.registered', { directory, account: account.url });
  }
  return account;
}

type OpenOrder = AcmeCertificate & { readonly orderUrl: string; readonly orderKeySealed: string };

async function beginOrder(row: AcmeCertificate, account: CaAccount, parts: OrderParts): Promise<OpenOrder> {
  const { log, sealer, sql } = parts;
  const keySealed = await sealer.seal(await newKeyPem(), certificateKeyAssociation(row));
  const { url } = await account.newOrder(row.name);
  await keepOrder(sql, row, { url, keySealed });
  log.info('acme.ordered', { name: row.name, order: url });
  return { ...row, orderUrl: url, orderKeySealed: keySealed, orderAgeMs: 0 };
}

const failed = (detail: string): CaError => new CaError({ kind: 'unusable', detail });

/**
 * Has the name proved, where the authority does not take it as proved already. It asks any process. Each looks up an answer
 * to `http-01` when it is asked; a handshake waits for nothing, so the authority is told to begin when all have learnt it.
 */
async function prove(row: OpenOrder, account: CaAccount, { kind, sql }: OrderParts): Promise<void> {
  const { begin, challenge, status } = await account.authorization(row.orderUrl, kind);
  if (status !== 'pending') return;
  if (challenge === undefined) throw failed(`it offers no ${kind} for this name`);
  if (challenge.status !== 'pending') return;
  const { keyAuthorization, token } = challenge;
  const { directory, name } = row;
  const answer = { directory, name, kind, token, keyAuthorization };
  const openMs = await openChallenge(sql, answer, acmeOrderMs);
  if (kind === 'http-01' || openMs >= acmeLearntMs) await begin();
}

/** The problem for which the authority gave the order up. */
async function reasonOf(row: OpenOrder, account: CaAccount, { kind }: OrderParts): Promise<CaFailure> {
  const { error } = await account.authorization(row.orderUrl, kind);
  return { kind: 'refused', ...readProblem(error) };
}

const hasOrder = (row: AcmeCertificate): row is OpenOrder =>
  row.orderUrl !== null && row.orderKeySealed !== null;

/** True: there is a certificate; false: the authority is at work. */
async function goOn(row: OpenOrder, account: CaAccount, parts: OrderParts): Promise<boolean> {
  const { log, sealer, sql } = parts;
  const key = (): Promise<string> => sealer.open(row.orderKeySealed, certificateKeyAssociation(row));
  let { status } = await account.readOrder(row.orderUrl);
  if (status === 'pending') await prove(row, account, parts);
  if (status === 'ready') ({ status } = await account.finalize(row.orderUrl, row.name, await key()));
  if (status === 'invalid') throw new CaError(await reasonOf(row, account, parts));
  if (status !== 'valid') return false;
  const { chain, notAfter, notBefore } = await account.download(row.orderUrl, row.name, await key());
  const renewSeconds = renewInSeconds({ notBefore, notAfter }, Date.now());
  if (await keepCertificate(sql, row, { chain, notAfter, renewInSeconds: renewSeconds }))
    log.info('acme.issued', { name: row.name, notAfter, renewInSeconds: Math.round(renewSeconds) });
  await closeChallenge(sql, row);
  return true;
}

/** An order outlives what passes by itself: no answer, a fault of the authority's, and its request to come later. */
const passes = ({ kind, status = 0, type }: CaFailure): boolean =>
  kind === 'unreachable' || type === 'rateLimited' || status === 429 || status >= 500;

async function fail(row: AcmeCertificate, failure: CaFailure, parts: OrderParts): Promise<void> {
  const { backoff, log, sql } = parts;
  const againInSeconds = retryInSeconds(row.attempts + 1, failure.retryAfterSeconds, backoff);
  const error = describeFailure(failure);
  if (failure.type === 'accountDoesNotExist')
    await noteAccount(sql, { directory: row.directory, accountUrl: null, email: null });
  await noteFailure(sql, row, { error, againInSeconds, over: !passes(failure) });
  if (!passes(failure)) await closeChallenge(sql, row);
  log.warn('acme.failed', { name: row.name, error, againInSeconds: Math.round(againInSeconds) });
}

/** Throws what is no failure of the authority's or of a kept key. */
function failureOf(error: unknown): CaFailure {
  if (error instanceof CaError) return error.failure;
  if (error instanceof SealBroken) return { kind: 'sealed', detail: error.message };
  throw error;
}

/** Takes the next step for the name. False: the authority does not answer, and nothing else needs to be asked of it now. */
export async function advance(row: AcmeCertificate, parts: OrderParts): Promise<boolean> {
  const { signal, sql } = parts;
  try {
    if ((row.orderAgeMs ?? 0) > acmeOrderMs) throw failed('it did not end the order in time');
    const account = await openAccount(row, parts);
    const order = hasOrder(row) ? row : await beginOrder(row, account, parts);
    if (!(await goOn(order, account, parts)))
      await waitForOrder(sql, row, Math.max(acmePollMs / 1_000, account.retryAfter() ?? 0));
    return true;
  } catch (error) {
    if (signal.aborted) return false;
    const failure = failureOf(error);
    await fail(row, failure, parts);
    return failure.kind !== 'unreachable';
  }
}
