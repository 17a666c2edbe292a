import type { Sharing } from '../joining.ts';
import { hashKey, looksLikeKey } from '../secrets/keys.ts';
import type { Sha256 } from '../secrets/sha256.ts';
import { columns, pick, type Row } from './columns.ts';
import type { Confirmations } from './confirmations.ts';
import { createCredentialLookup, createUseRecorder, type UseRecording } from './credentials.ts';
import type { Queries, Sql } from './database.ts';
import { isFenced } from './placements.ts';
import { query } from './query.ts';
import { instanceKeys, instances } from './schema.ts';

/** The owner of a key of the data listener. */
export interface KeyHolder {
  readonly tenantId: string;
  readonly instanceId: string;
  /** Set where the tenant has left this deployment, or is leaving it: nothing may be taken for it. */
  readonly hasLeft?: true;
}

export type NewInstanceKey = typeof instanceKeys.$inferInsert;

export async function insertInstanceKey(tx: Queries, key: NewInstanceKey): Promise<void> {
  await query(tx).insert(instanceKeys).values(key);
}

const removedShape = pick(instanceKeys, 'name', 'expiresAt');

/** Undefined when the instance has no such key. */
export async function removeInstanceKey(
  tx: Queries,
  { instanceId, tenantId }: KeyHolder,
  keyId: string,
): Promise<Row<typeof removedShape> | undefined> {
  const [row] = await tx<Row<typeof removedShape>[]>`
    delete from instance_keys
    where tenant_id = ${tenantId} and instance_id = ${instanceId} and key_id = ${keyId}
    returning ${columns(tx, removedShape)}`;
  return row;
}

export interface InstanceKeys {
  /** The owner of a live key; undefined for any other text. */
  instanceOfKey(key: string): Promise<KeyHolder | undefined>;
  /** The instance this client certificate is bound to. */
  instanceOfCertificate(instanceId: string, sha256: string): Promise<KeyHolder | undefined>;
  /** The owner of these credentials when the database was last asked, who may be marked and is not let in by it. */
  rememberedInstance(
    instanceId: string,
    given: { readonly key?: string | undefined; readonly certificate?: string | undefined },
  ): Promise<KeyHolder | undefined>;
  /** Keys or certificates were changed in this process. */
  forgetAll(): void;
}

export interface InstanceKeysOptions extends UseRecording {
  readonly hash?: Sha256;
  readonly sharing: Sharing;
  readonly confirmations?: Confirmations | undefined;
}

const liveShape = pick(instanceKeys, 'keyHash', 'tenantId', 'instanceId', 'keyId', 'expiresAt');
type LiveKey = Row<typeof liveShape> & { readonly fenced: boolean };
const holder = (tenantId: string, instanceId: string, fenced: boolean): KeyHolder => ({
  ...{ tenantId, instanceId },
  ...(fenced ? { hasLeft: true } : {}),
});
const holderOf = (key: LiveKey | undefined): KeyHolder | undefined =>
  key && holder(key.tenantId, key.instanceId, key.fenced);

const boundShape = pick(instances, 'tenantId', 'instanceId', 'clientCertificateSha256');

export function createInstanceKeys(sql: Sql, options: InstanceKeysOptions): InstanceKeys {
  const { confirmations, hash = hashKey, sharing } = options;
  const confirmed = confirmations && { by: confirmations, tenantOf: ({ tenantId }: KeyHolder) => tenantId };
  const keys = createCredentialLookup<LiveKey>({
    ...{ confirmed, sharing },
    endsAtMs: ({ expiresAt }) => expiresAt?.getTime(),
    read: async (hashes) => {
      const rows = await sql<LiveKey[]>`
        select ${columns(sql, liveShape)}, ${isFenced(sql, sql`instance_keys.tenant_id`)} as fenced from instance_keys
        where key_hash = any(${hashes}) and (expires_at is null or expires_at > now())`;
      return new Map(rows.map((row) => [row.keyHash, row]));
    },
  });
  /** Certificates are looked up by instance and fingerprint, since the caller names both. */
  const certificates = createCredentialLookup<KeyHolder>({
    ...{ confirmed, sharing },
    read: async (bindings) => {
      const parts = bindings.map((binding) => binding.split('/'));
      const rows = await sql<(Row<typeof boundShape> & { fenced: boolean })[]>`
        select ${columns(sql, boundShape)}, ${isFenced(sql, sql`instances.tenant_id`)} as fenced from instances where (instance_id, client_certificate_sha256) in (
          select * from unnest(${parts.map(([instanceId = '']) => instanceId)}::uuid[],
                               ${parts.map(([, sha256 = '']) => sha256)}::text[]))`;
      return new Map(
        rows.map(({ clientCertificateSha256: sha256, fenced, instanceId, tenantId }) => [
          `${instanceId}/${sha256}`,
          holder(tenantId, instanceId, fenced),
        ]),
      );
    },
  });
  const recordUse = createUseRecorder(
    ({ instanceId, keyId, tenantId }: LiveKey) => sql`update instance_keys set last_used_at = now()
      where tenant_id = ${tenantId} and instance_id = ${instanceId} and key_id = ${keyId}`,
    options,
  );
  return {
    instanceOfKey: async (key) => {
      if (!looksLikeKey(key)) return undefined;
      const found = await keys.find(await hash(key));
      if (found !== undefined) recordUse(found);
      return holderOf(found);
    },
    instanceOfCertificate: (instanceId, sha256) => certificates.find(`${instanceId}/${sha256}`),
    rememberedInstance: async (instanceId, { certificate, key }) => {
      if (key === undefined)
        return certificate === undefined
          ? undefined
          : certificates.remembered(`${instanceId}/${certificate}`);
      const owner = looksLikeKey(key) ? holderOf(keys.remembered(await hash(key))) : undefined;
      return owner?.instanceId === instanceId ? owner : undefined;
    },
    forgetAll: () => {
      keys.forgetAll();
      certificates.forgetAll();
    },
  };
}
