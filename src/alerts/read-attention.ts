/**
 * Reads what needs a person: of some tenants, and of the gateway itself. The overview shows it to operators, and alerts are
 * made of it.
 */

import { attentionOfKind, credentialWarnMs } from '../limits.ts';
import { readNameStates } from '../store/acme.ts';
import type { Sql } from '../store/database.ts';
import type { Attention } from './attention.ts';
import {
  readExpiringApiKeys,
  readExpiringInstanceKeys,
  readFailed,
  readFailingTargets,
  readInstances,
  readMassChanges,
  readTenants,
  readWaitingApprovals,
  type Scope,
} from './attention-rows.ts';
import {
  ofAcmeName,
  ofApiKey,
  ofApproval,
  ofCertificate,
  ofFailed,
  ofFailingTarget,
  ofInstance,
  ofInstanceKey,
  ofMassChange,
  ofTenant,
} from './attention-words.ts';
import type { ExpiringCertificate } from './expiring-certificate.ts';

export interface TenantsAttention {
  readonly attention: readonly Attention[];
  /** There is more of some kind than is read at once. */
  readonly isCut: boolean;
}

/** What needs a person in these tenants; a scope that names the nil id has what belongs to no tenant. */
export async function readTenantsAttention(sql: Sql, scope: Scope): Promise<TenantsAttention> {
  const [tenants, instances, failed, keys, approvals, massChanges] = await Promise.all([
    readTenants(sql, scope),
    readInstances(sql, scope),
    readFailed(sql, scope),
    readExpiringInstanceKeys(sql, scope),
    readWaitingApprovals(sql, scope),
    readMassChanges(sql, scope),
  ]);
  return {
    attention: [
      ...tenants.flatMap(ofTenant),
      ...instances.map(ofInstance),
      ...failed.map(ofFailed),
      ...keys.map(ofInstanceKey),
      ...approvals.map(ofApproval),
      ...massChanges.map(ofMassChange),
    ],
    isCut: [tenants, instances, failed, keys, approvals, massChanges].some(
      ({ length }) => length >= attentionOfKind,
    ),
  };
}

/** Operators' keys that are about to run out. */
export const readApiKeysAttention = async (sql: Sql): Promise<readonly Attention[]> =>
  (await readExpiringApiKeys(sql)).map(ofApiKey);

/** Targets of alerts that do not take them. */
export const readTargetsAttention = async (sql: Sql, scope: Scope): Promise<readonly Attention[]> =>
  (await readFailingTargets(sql, scope)).map(ofFailingTarget);

/** Authority and names of certificates by ACME; undefined: none comes so. */
export type AcmeNames = { readonly directory: string; readonly names: readonly string[] } | undefined;

/** Certificates by ACME that the last try did not bring. */
export const readAcmeAttention = async (sql: Sql, acme: AcmeNames): Promise<readonly Attention[]> =>
  acme === undefined
    ? []
    : (await readNameStates(sql, acme)).filter(({ lastError }) => lastError !== null).map(ofAcmeName);

/** The gateway's own certificates that are about to run out, as far as this process has them. */
export const certificatesAttention = (
  certificateExpiry: () => readonly ExpiringCertificate[],
): readonly Attention[] =>
  certificateExpiry()
    .filter(({ seconds }) => seconds * 1_000 < credentialWarnMs)
    .map((one) => ofCertificate(one, new Date(Date.now() + one.seconds * 1_000)));
