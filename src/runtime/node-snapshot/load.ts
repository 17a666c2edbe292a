/**
 * Loads the snapshot: all of it, whole and this deployment's, or nothing with a cause. The parts take their records while
 * the files are opened one after the other, and serve none before the last one was good.
 */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PartRestore, SnapshotPart } from '../../snapshot-part.ts';
import { createTurns, type Work } from '../../untrusted/turns.ts';
import { ChunkBroken, chunkBytes, deriveKey, openChunk, sealBytes } from '../snapshot/chunks.ts';
import type { SnapshotKey } from '../snapshot/sealed-file.ts';
import {
  chunkPlace,
  type Manifest,
  manifestFile,
  openManifest,
  type SealedPart,
  type SealedSegment,
} from './manifest.ts';

export type SnapshotRefusal =
  /** There is none. */
  | 'absent'
  /** The file system does not give it. */
  | 'unreadable'
  /** Cut or altered anywhere, or it lacks files. */
  | 'damaged'
  /** Written in a form that this build does not know. */
  | 'another-format'
  /** Sealed by a key that ESPALIER_SECRETS_KEY does not name. */
  | 'another-key'
  /** It was written for another database than DATABASE_URL names. */
  | 'another-deployment'
  /** A build with other migrations, other parts or another form of a part wrote it. */
  | 'another-schema'
  | 'too-old'
  /** Dated in the future by more than clocks may differ. */
  | 'from-the-future';

export type SnapshotLoad =
  | { readonly loaded: true; readonly ageMs: number; readonly knownAt: number; readonly bytes: number }
  | {
      readonly loaded: false;
      readonly cause: SnapshotRefusal;
      readonly detail?: string;
      /** Of one that is too old; negative for one from the future. */
      readonly ageMs?: number;
    };

export interface LoadOptions {
  readonly folder: string;
  readonly keys: readonly SnapshotKey[];
  readonly deployment: string;
  readonly schema: number;
  readonly maxAgeMs: number;
  readonly maxAheadMs: number;
  /** A date. */
  readonly now: () => number;
}

/** Ends a load with its cause. */
class Refused extends Error {
  override readonly cause: SnapshotRefusal;
  readonly ageMs: number | undefined;
  constructor(cause: SnapshotRefusal, more: { readonly detail?: string; readonly ageMs?: number } = {}) {
    super(more.detail ?? cause);
    this.cause = cause;
    this.ageMs = more.ageMs;
  }
}

const lengthBytes = 4;
/** A writer that replaces the snapshot deletes the files that are being read: then the new one is read. */
const attempts = 3;

function ageOf({ knownAt }: Manifest, { maxAgeMs, maxAheadMs, now }: LoadOptions): number {
  const ageMs = now() - knownAt;
  if (ageMs < -maxAheadMs) throw new Refused('from-the-future', { ageMs });
  if (ageMs > maxAgeMs) throw new Refused('too-old', { ageMs });
  return Math.max(0, ageMs);
}

/** Opens the manifest. Throws `Refused` where it is not this deployment's and this build's, or its data are too old. */
async function readManifest(options: LoadOptions) {
  const opened = openManifest(await readFile(join(options.folder, manifestFile)), options.keys);
  if ('refused' in opened) throw new Refused(opened.refused);
  const { manifest } = opened;
  if (manifest.deployment !== options.deployment) throw new Refused('another-deployment');
  if (manifest.schema !== options.schema) throw new Refused('another-schema');
  return opened;
}

function checkParts(manifest: Manifest, parts: readonly SnapshotPart[]): void {
  const formsOf = (some: readonly Pick<SealedPart, 'name' | 'version'>[]): string =>
    some
      .map(({ name, version }) => `${name} ${version}`)
      .sort()
      .join(', ');
  if (formsOf(manifest.parts) !== formsOf(parts))
    throw new Refused('another-schema', { detail: formsOf(manifest.parts) });
}

/** Hands on the records that lie one after the other in the chunks of a file, cut anywhere. */
function readRecords(take: (record: Uint8Array) => void) {
  let left: Buffer = Buffer.alloc(0);
  return {
    push: (chunk: Buffer): void => {
      const bytes = left.length === 0 ? chunk : Buffer.concat([left, chunk]);
      let at = 0;
      while (bytes.length - at >= lengthBytes) {
        const end = at + lengthBytes + bytes.readUInt32LE(at);
        if (end > bytes.length) break;
        take(bytes.subarray(at + lengthBytes, end));
        at = end;
      }
      left = bytes.subarray(at);
    },
    finish: (): void => {
      if (left.length > 0) throw new Refused('damaged', { detail: 'a record is cut' });
    },
  };
}

interface Opening {
  readonly options: LoadOptions;
  readonly manifest: Manifest;
  readonly key: SnapshotKey;
  readonly work: Work;
}

async function readSegment(
  { key, manifest, options, work }: Opening,
  part: SealedPart,
  segment: SealedSegment,
  restore: PartRestore,
): Promise<void> {
  const file = await readFile(join(options.folder, segment.file));
  if (file.length !== segment.bytes) throw new Refused('damaged', { detail: 'a file has another length' });
  const secret = deriveKey(key.secret, Buffer.from(segment.generation, 'hex'));
  const records = readRecords((record) => restore.take(record));
  const step = chunkBytes + sealBytes;
  for (let number = 0; number < segment.chunks; number += 1) {
    const isLast = number + 1 === segment.chunks;
    const sealed = file.subarray(number * step, isLast ? file.length : (number + 1) * step);
    records.push(openChunk(secret, sealed, chunkPlace(manifest, part, segment, { number, isLast })));
    if (work.isOver()) await work.turn();
  }
  records.finish();
}

async function loadOnce(options: LoadOptions, parts: readonly SnapshotPart[]): Promise<SnapshotLoad> {
  const { key, manifest } = await readManifest(options);
  checkParts(manifest, parts);
  ageOf(manifest, options);
  const work = createTurns().work('snapshot');
  await work.turn();
  const restores = new Map(parts.map((part) => [part.name, part.restore()]));
  let bytes = 0;
  for (const part of manifest.parts) {
    const restore = restores.get(part.name);
    if (!restore) throw new Refused('another-schema', { detail: part.name });
    for (const segment of part.segments) {
      await readSegment({ options, manifest, key, work }, part, segment, restore);
      bytes += segment.bytes;
    }
  }
  const ageMs = ageOf(manifest, options);
  for (const restore of restores.values()) restore.finish(ageMs);
  return { loaded: true, ageMs, knownAt: manifest.knownAt, bytes };
}

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

function refusalOf(error: unknown): Extract<SnapshotLoad, { loaded: false }> {
  if (error instanceof Refused) {
    const { ageMs, cause, message } = error;
    return {
      loaded: false,
      cause,
      ...(message === cause ? {} : { detail: message }),
      ...(ageMs === undefined ? {} : { ageMs }),
    };
  }
  const detail = (error as Error).message;
  if (error instanceof ChunkBroken) return { loaded: false, cause: 'damaged', detail };
  // What a part cannot read although its seal is whole was written in another form.
  const cause = codeOf(error) === undefined ? 'another-format' : 'unreadable';
  return { loaded: false, cause, detail };
}

export async function loadSnapshot(
  options: LoadOptions,
  parts: readonly SnapshotPart[],
): Promise<SnapshotLoad> {
  for (let attempt = 1; ; attempt += 1)
    try {
      return await loadOnce(options, parts);
    } catch (error) {
      const isGone = codeOf(error) === 'ENOENT';
      if (isGone && (error as NodeJS.ErrnoException).path?.endsWith(manifestFile))
        return { loaded: false, cause: 'absent' };
      if (!isGone) return refusalOf(error);
      if (attempt === attempts) return { loaded: false, cause: 'damaged', detail: 'a file is missing' };
    }
}

/** What the manifest alone says of the snapshot: whether `loadSnapshot` would go on to its files. */
export async function lookAtSnapshot(
  options: LoadOptions,
): Promise<{ readonly ageMs: number } | Extract<SnapshotLoad, { loaded: false }>> {
  try {
    return { ageMs: ageOf((await readManifest(options)).manifest, options) };
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? { loaded: false, cause: 'absent' } : refusalOf(error);
  }
}
