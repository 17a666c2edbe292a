import { randomBytes } from 'node:crypto';
import type { FeedPosition } from '../../../store/change-feed.ts';
import type { TenantScope } from '../../../store/tenant-scope.ts';
import { generationBytes } from '../../snapshot/chunks.ts';
import { type OpenedFile, openFile, type Sealing, sealFile } from '../../snapshot/sealed-file.ts';

/**
 * The sealed snapshot in a bucket of R2. Each shard has an index, which is replaced as a whole and names the objects that are
 * part of the snapshot; those are never written again. Names hold no id: they are drawn at random. What an object belongs to
 * is part of its seal, so one that stands under another name or is another deployment's does not open.
 */

/** Part of the binding of a bucket that is used. */
export interface Bucket {
  get(name: string): Promise<{ arrayBuffer(): Promise<ArrayBuffer> } | null>;
  put(name: string, bytes: Uint8Array): Promise<unknown>;
  delete(names: string[]): Promise<void>;
  list(options: { prefix: string; cursor?: string }): Promise<{
    readonly objects: readonly { readonly key: string }[];
    readonly truncated: boolean;
    readonly cursor?: string;
  }>;
}

export interface SheetEntry {
  readonly name: string;
  /** Digest of the sheet's text: a sheet that did not change is not written again. */
  readonly digest: string;
  /** Its routes have objects of their own. */
  readonly isLarge: boolean;
  /** The tenant's cloud. */
  readonly cloud: string;
  /** The digest of Entra's keys for it, and the date at which they were fetched. */
  readonly keys?: { readonly digest: string; readonly fetchedAt: number } | undefined;
  /** The date at which they were last asked for, also in vain. */
  readonly keysAskedAt?: number;
}

export interface ShardIndex {
  /** Date at which the data were last known to be current, in milliseconds: the snapshot's age counts from here. */
  readonly knownAt: number;
  /** Where the writer was in the change feed then. */
  readonly position: FeedPosition;
  /** By tenant. */
  readonly sheets: Readonly<Record<string, SheetEntry>>;
  /** The object of each set of keys, by its digest: most tenants have the same. */
  readonly keySets: Readonly<Record<string, string>>;
}

export type IndexRefusal =
  | Extract<OpenedFile, { refused: string }>['refused']
  /** There is none yet. */
  | 'absent'
  /** It was written for another database or public address. */
  | 'another-deployment'
  /** A build with other migrations wrote it. */
  | 'another-schema';

export type FoundIndex =
  | {
      readonly index: ShardIndex;
      /** It was sealed with the key that seals now. */
      readonly isKeyCurrent: boolean;
    }
  | { readonly refused: IndexRefusal };

export interface Vault {
  readIndex(scope: TenantScope): Promise<FoundIndex>;
  writeIndex(scope: TenantScope, index: ShardIndex): Promise<void>;
  /** Throws `ObjectBroken` for what is not there, or not as it was written. */
  read(name: string): Promise<Uint8Array>;
  /** Gives the object's name. */
  write(scope: TenantScope, plain: Uint8Array): Promise<string>;
  remove(names: readonly string[]): Promise<void>;
  /** Names of a page of the shard's objects, without the index, and where the next page begins. */
  list(
    scope: TenantScope,
    cursor: string | undefined,
  ): Promise<{ readonly names: readonly string[]; readonly next: string | undefined }>;
  /** The same of what shards of another number left. */
  listOthers(of: number, cursor: string | undefined): ReturnType<Vault['list']>;
}

export class ObjectBroken extends Error {
  override readonly name = 'ObjectBroken';
}

export interface VaultOptions extends Sealing {
  readonly bucket: Bucket;
}

/** The last digit is the version. */
const indexForm = 'ESPSIDX1';
const objectForm = 'ESPSOBJ1';
const root = 'v1/';
const removedAtOnce = 1_000;

const folderOf = ({ of, shard }: TenantScope): string => `${root}${of}/${shard}/`;
const indexName = (scope: TenantScope): string => `${folderOf(scope)}index`;

interface SealedIndex extends ShardIndex, Pick<VaultOptions, 'deployment' | 'schema'> {}

export function createVault({ bucket, deployment, keys, schema }: VaultOptions): Vault {
  const [key] = keys;
  if (key === undefined) throw new Error('a snapshot needs a key');
  const placeOf = (name: string): string => JSON.stringify([deployment, schema, name]);
  const bytesOf = async (name: string): Promise<Uint8Array | undefined> => {
    const found = await bucket.get(name);
    return found === null ? undefined : new Uint8Array(await found.arrayBuffer());
  };
  const listUnder = async (prefix: string, cursor: string | undefined) => {
    const page = await bucket.list({ prefix, ...(cursor === undefined ? {} : { cursor }) });
    return { names: page.objects.map((one) => one.key), next: page.truncated ? page.cursor : undefined };
  };
  return {
    readIndex: async (scope) => {
      const name = indexName(scope);
      const bytes = await bytesOf(name);
      if (bytes === undefined) return { refused: 'absent' };
      const opened = openFile(bytes, keys, { form: indexForm, place: name });
      if ('refused' in opened) return opened;
      const index = JSON.parse(opened.plain.toString()) as SealedIndex;
      if (index.deployment !== deployment) return { refused: 'another-deployment' };
      if (index.schema !== schema) return { refused: 'another-schema' };
      return { index, isKeyCurrent: opened.key.id === key.id };
    },
    writeIndex: async (scope, index) => {
      const name = indexName(scope);
      const sealed: SealedIndex = { ...index, deployment, schema };
      const generation = randomBytes(generationBytes);
      const plain = Buffer.from(JSON.stringify(sealed));
      await bucket.put(name, sealFile(plain, { form: indexForm, place: name, key, generation }));
    },
    read: async (name) => {
      const bytes = await bytesOf(name);
      if (bytes === undefined) throw new ObjectBroken('an object is missing');
      const opened = openFile(bytes, keys, { form: objectForm, place: placeOf(name) });
      if ('refused' in opened) throw new ObjectBroken(`an object does not open: ${opened.refused}`);
      return opened.plain;
    },
    write: async (scope, plain) => {
      const generation = randomBytes(generationBytes);
      const name = `${folderOf(scope)}${generation.toString('hex')}`;
      await bucket.put(name, sealFile(plain, { form: objectForm, place: placeOf(name), key, generation }));
      return name;
    },
    remove: async (names) => {
      for (let at = 0; at < names.length; at += removedAtOnce)
        await bucket.delete(names.slice(at, at + removedAtOnce));
    },
    list: async (scope, cursor) => {
      const { names, next } = await listUnder(folderOf(scope), cursor);
      return { names: names.filter((name) => name !== indexName(scope)), next };
    },
    listOthers: async (of, cursor) => {
      const { names, next } = await listUnder(root, cursor);
      return { names: names.filter((name) => !name.startsWith(`${root}${of}/`)), next };
    },
  };
}
