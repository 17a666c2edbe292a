import { createHash } from 'node:crypto';
import { refreshEveryMs } from '../../../entra/keys.ts';
import type { VerificationKey } from '../../../entra/rsa-key.ts';
import { bucketKeySetsAtOnce, bucketKeySetsMs, bucketWritesAtOnce } from '../../../limits.ts';
import type { TenantScope } from '../../../store/tenant-scope.ts';
import type { SheetEntry, Vault } from './vault.ts';

/** Keys of one cloud, as they are in the bucket. */
export interface SealedKeySet {
  readonly cloud: string;
  readonly keys: readonly VerificationKey[];
}

export type FetchKeys = (cloud: string, tenantId: string) => Promise<readonly VerificationKey[] | undefined>;

export const decodeKeySet = (bytes: Uint8Array): SealedKeySet =>
  JSON.parse(new TextDecoder().decode(bytes)) as SealedKeySet;

export interface KeySetRenewal {
  readonly vault: Vault;
  readonly scope: TenantScope;
  readonly fetchKeys: FetchKeys;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** A date, in milliseconds. */
  readonly date: () => number;
}

export interface KeptSets {
  readonly sheets: Map<string, SheetEntry>;
  /** By digest. */
  readonly keySets: Map<string, string>;
}

/** Some tenants whose keys are to be fetched, those first that were asked for longest ago: who fails does not keep the others. */
function dueOf({ sheets }: KeptSets, beforeMs: number): readonly string[] {
  const due = [...sheets].filter(([, { keys }]) => (keys?.fetchedAt ?? 0) <= beforeMs);
  due.sort(([, a], [, b]) => (a.keysAskedAt ?? 0) - (b.keysAskedAt ?? 0));
  // A look at each in an hour, whatever their number.
  const some = Math.max(bucketKeySetsAtOnce, Math.ceil(sheets.size / bucketKeySetsAtOnce));
  return due.slice(0, some).map(([tenantId]) => tenantId);
}

/**
 * Fetches keys of Entra that are due. Those that cannot be fetched stay as they were, with their date. Returns the objects
 * that no tenant needs any more.
 */
export async function renewKeySets(into: KeptSets, renewal: KeySetRenewal): Promise<readonly string[]> {
  const { date, fetchKeys, now, scope, vault } = renewal;
  const untilMs = now() + bucketKeySetsMs;
  const renew = async (tenantId: string): Promise<void> => {
    const entry = into.sheets.get(tenantId);
    if (entry === undefined) return;
    const { cloud } = entry;
    const fetchedAt = date();
    into.sheets.set(tenantId, { ...entry, keysAskedAt: fetchedAt });
    const keys = await fetchKeys(cloud, tenantId);
    if (keys === undefined) return;
    const plain = Buffer.from(JSON.stringify({ cloud, keys } satisfies SealedKeySet));
    const digest = createHash('sha256').update(plain).digest('base64url');
    if (!into.keySets.has(digest)) into.keySets.set(digest, await vault.write(scope, plain));
    into.sheets.set(tenantId, { ...entry, keys: { digest, fetchedAt }, keysAskedAt: fetchedAt });
  };
  const due = dueOf(into, date() - refreshEveryMs);
  for (let at = 0; at < due.length && now() < untilMs; at += bucketWritesAtOnce)
    await Promise.all(due.slice(at, at + bucketWritesAtOnce).map(renew));
  const needed = new Set([...into.sheets.values()].map(({ keys }) => keys?.digest));
  const unneeded = [...into.keySets].filter(([digest]) => !needed.has(digest));
  for (const [digest] of unneeded) into.keySets.delete(digest);
  return unneeded.map(([, name]) => name);
}
