import { resealBatch, resealUnopenedLogged } from '../limits.ts';
import { type Sealer, sealingKeyId } from '../secrets/seal.ts';
import { acmeKeyAssociation, readSealedAcmeKeys, resealAcmeKey, type SealedAcmeKey } from '../store/acme.ts';
import { readSealedTargets, resealTarget, targetAssociation } from '../store/alerts/targets.ts';
import { columns, pick } from '../store/columns.ts';
import type { Queries, Sql } from '../store/database.ts';
import { resealSecrets, secretAssociation } from '../store/instances/secret.ts';
import { instances } from '../store/schema.ts';
import { applicationAssociation, resealApplications } from '../store/tenants/application.ts';
import type { Log } from '../telemetry/log.ts';

/**
 * After ESPALIER_SECRETS_KEY got a new first key: what an older one sealed is sealed anew, batch after batch, by any number
 * of processes at once. A row is written only while it still holds the text that was opened, so that a secret which an
 * operator changes meanwhile stays; its `version` stays too, because nothing changed that anybody could see. What lives
 * a day at most (kept answers, approvals, sign-ins) is left to end by itself: docs/secrets.md.
 */

interface SealedRow {
  readonly tenantId: string;
  /** Null: the tenant's own application. */
  readonly instanceId: string | null;
  readonly sealed: string;
}

interface Place {
  readonly tenantId: string;
  readonly instanceId: string;
}

/** Sorts before every id. */
const nil = '00000000-0000-0000-0000-000000000000';
const first: Place = { tenantId: nil, instanceId: nil };

/** Rows that the first key did not seal, in the order of their ids; a tenant's own application comes as the nil instance. */
async function sealedOtherwise(sql: Queries, sealer: Sealer, after: Place): Promise<SealedRow[]> {
  const prefix = `v1.${sealer.keyIds[0] ?? ''}.`;
  return sql<SealedRow[]>`
    select ${columns(sql, pick(instances, 'tenantId'))}, nullif(instance_id, ${nil}::uuid) as "instanceId", sealed from (
      select tenant_id, instance_id, api_secret_sealed as sealed from instances
      union all
      select tenant_id, ${nil}::uuid, application->>'sealed' from tenants
    ) all_sealed
    where sealed is not null and not starts_with(sealed, ${prefix})
      and (tenant_id, instance_id) > (${after.tenantId}::uuid, ${after.instanceId}::uuid)
    order by tenant_id, instance_id limit ${resealBatch}`;
}

const associationOf = ({ instanceId, tenantId }: Omit<SealedRow, 'sealed'>): string =>
  instanceId === null ? applicationAssociation(tenantId) : secretAssociation({ tenantId, instanceId });

interface Resealed extends SealedRow {
  readonly anew: string;
}

/** One statement for each table, so that the feed's notifications of a batch are one. How many rows were written. */
async function write(sql: Sql, rows: readonly Resealed[]): Promise<number> {
  const ofTenants = rows.filter((row) => row.instanceId === null);
  const ofInstances = rows.flatMap(({ instanceId, ...row }) =>
    instanceId === null ? [] : [{ ...row, instanceId }],
  );
  return (await resealSecrets(sql, ofInstances)) + (await resealApplications(sql, ofTenants));
}

export interface ResealOptions {
  readonly sql: Sql;
  readonly sealer: Sealer;
  readonly log: Log;
}

/**
 * Makes what a process calls again and again: each call is one batch at most. True while there may be more, so that
 * the caller comes again soon.
 */
export function createReseal({ log, sealer, sql }: ResealOptions): () => Promise<boolean> {
  let after = first;
  /** Counts of the present pass, which takes several batches. */
  let resealed = 0;
  let notOpened = 0;
  /** A secret that does not open is reported once for each text, not in each pass. */
  const reported = new Set<string>();

  const tell = (sealed: string, what: object): void => {
    if (reported.has(sealed) || reported.size >= resealUnopenedLogged) return;
    reported.add(sealed);
    log.error('secrets.not-opened', {
      ...what,
      sealedBy: sealingKeyId(sealed) ?? 'nothing known',
      remedy: 'Put the key that sealed it back into ESPALIER_SECRETS_KEY, or give the secret again.',
    });
  };
  const anewFor = async (sealed: string, associated: string, what: object): Promise<string | undefined> => {
    try {
      return await sealer.seal(await sealer.open(sealed, associated), associated);
    } catch {
      tell(sealed, what);
      return undefined;
    }
  };
  const anew = async (row: SealedRow): Promise<Resealed | undefined> => {
    const { instanceId, sealed, tenantId } = row;
    const what = { tenantId, ...(instanceId === null ? { of: 'application' } : { instanceId }) };
    const made = await anewFor(sealed, associationOf(row), what);
    return made === undefined ? undefined : { ...row, anew: made };
  };
  /** Keys of certificates are few, and all looked at when a pass ends. */
  const resealAcme = async (): Promise<void> => {
    for (const row of await readSealedAcmeKeys(sql)) {
      if (sealingKeyId(row.sealed) === sealer.keyIds[0]) continue;
      const { directory, name, of, sealed } = row;
      const made = await anewFor(sealed, acmeKeyAssociation(row), { of: `acme ${of}`, directory, name });
      if (made === undefined) notOpened += 1;
      else resealed += await resealAcmeKey(sql, row, made);
    }
  };
  /** So are the addresses of targets of alerts. */
  const resealTargets = async (): Promise<void> => {
    for (const row of await readSealedTargets(sql)) {
      const { sealed, targetId } = row;
      if (sealingKeyId(sealed) === sealer.keyIds[0]) continue;
      const made = await anewFor(sealed, targetAssociation(targetId), { of: 'alert target', targetId });
      if (made === undefined) notOpened += 1;
      else resealed += await resealTarget(sql, row, made);
    }
  };
  return async () => {
    if (sealer.keyIds.length === 0) return false;
    const rows = await sealedOtherwise(sql, sealer, after);
    const opened = (await Promise.all(rows.map(anew))).filter((row) => row !== undefined);
    resealed += await write(sql, opened);
    notOpened += rows.length - opened.length;
    const last = rows.at(-1);
    if (last !== undefined && rows.length === resealBatch) {
      after = { tenantId: last.tenantId, instanceId: last.instanceId ?? nil };
      return true;
    }
    after = first;
    await resealAcme();
    await resealTargets();
    if (resealed > 0) log.info('secrets.resealed', { resealed, notOpened });
    resealed = 0;
    notOpened = 0;
    return false;
  };
}

/** Counts the sealed secrets by key; a value that is not sealed counts for the key ''. */
export async function countSealed(sql: Queries): Promise<ReadonlyMap<string, number>> {
  const rows = await sql<{ key: string; count: number }[]>`
    select case when starts_with(sealed, 'v1.') then split_part(sealed, '.', 2) else '' end as key, count(*) as count
    from (
      select api_secret_sealed as sealed from instances union all select application->>'sealed' from tenants
      union all select key_sealed from acme_accounts union all select key_sealed from acme_certificates
      union all select order_key_sealed from acme_certificates union all select sealed from alert_targets
    ) all_sealed
    where sealed is not null group by 1`;
  return new Map(rows.map(({ count, key }) => [key, count]));
}

export interface SealedCounts {
  /** Sealed by the first key. */
  readonly current: number;
  /** Sealed by another configured key: it has to stay. */
  readonly old: number;
  /** Sealed by no configured key. */
  readonly unknown: number;
}

export function sumSealed(byKey: ReadonlyMap<string, number>, keyIds: readonly string[]): SealedCounts {
  const sum = { current: 0, old: 0, unknown: 0 };
  for (const [key, count] of byKey) {
    const at = keyIds.indexOf(key);
    sum[at === 0 ? 'current' : at > 0 ? 'old' : 'unknown'] += count;
  }
  return sum;
}

const describeRow = ({ instanceId, tenantId }: SealedRow): string =>
  instanceId === null ? `tenant ${tenantId}'s application` : `instance ${instanceId} of tenant ${tenantId}`;

const describeAcmeKey = ({ directory, name, of }: SealedAcmeKey): string =>
  of === 'account' ? `the ACME account at ${directory}` : `the ${of} for ${name}`;

/** Names the kept secrets that no configured key opens, or that were sealed for another row. For `doctor`: it opens them all. */
export async function findUnopened(sql: Queries, sealer: Sealer): Promise<readonly string[]> {
  const rows = await sql<SealedRow[]>`
    select ${columns(sql, pick(instances, 'tenantId', 'instanceId'))}, api_secret_sealed as sealed from instances
    where api_secret_sealed is not null
    union all
    select tenant_id, null, application->>'sealed' from tenants where application->>'sealed' is not null
    order by 1, 2`;
  const [acmeKeys, targets] = await Promise.all([readSealedAcmeKeys(sql), readSealedTargets(sql)]);
  const all = [
    ...rows.map((row) => [row.sealed, associationOf(row), describeRow(row)] as const),
    ...acmeKeys.map((key) => [key.sealed, acmeKeyAssociation(key), describeAcmeKey(key)] as const),
    ...targets.map(
      ({ sealed, targetId }) =>
        [sealed, targetAssociation(targetId), `the alert target ${targetId}`] as const,
    ),
  ];
  const unopened: string[] = [];
  for (const [sealed, associated, what] of all) {
    try {
      await sealer.open(sealed, associated);
    } catch {
      unopened.push(what);
    }
  }
  return unopened;
}
