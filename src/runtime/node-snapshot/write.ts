/**
 * Writes the snapshot: new files for the segments that changed, then the manifest in place of the old one, then the files
 * go that nothing names any more. A process that is killed at any point leaves the old snapshot or the new one.
 */

import { randomBytes } from 'node:crypto';
import { chmod, type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { SnapshotPart, SnapshotSegment } from '../../snapshot-part.ts';
import { createTurns, type Work } from '../../untrusted/turns.ts';
import { chunkBytes, deriveKey, generationBytes, sealChunk } from '../snapshot/chunks.ts';
import type { SnapshotKey } from '../snapshot/sealed-file.ts';
import {
  chunkPlace,
  type Manifest,
  manifestFile,
  type SealedPart,
  type SealedSegment,
  sealManifest,
} from './manifest.ts';

export interface WriterOptions {
  readonly folder: string;
  readonly key: SnapshotKey;
  readonly deployment: string;
  readonly schema: number;
}

export interface Written {
  /** Bytes of the whole snapshot, and of what this write added. */
  readonly bytes: number;
  readonly newBytes: number;
  readonly segments: number;
  readonly newSegments: number;
}

export interface SnapshotWriter {
  /** `knownAt`: the date at which what the parts hold was last known to be current. Throws the signal's reason, and what the file system says. */
  write(parts: readonly SnapshotPart[], knownAt: number, signal: AbortSignal): Promise<Written>;
}

/** A segment as it was written last. */
interface Kept {
  readonly stamp: string | undefined;
  readonly sealed: SealedSegment;
}

/** A write under way. */
interface Writing {
  readonly options: WriterOptions;
  readonly generation: string;
  readonly key: Uint8Array;
  readonly work: Work;
  readonly signal: AbortSignal;
}

const suffix = '.sealed';
const lengthBytes = 4;

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function rest({ signal, work }: Writing): Promise<void> {
  signal.throwIfAborted();
  if (work.isOver()) await work.turn();
}

/** Cuts records into chunks, each before it the length in four bytes, and seals them into the file. */
function createChunkFile(
  handle: FileHandle,
  key: Uint8Array,
  placeOf: (number: number, isLast: boolean) => Uint8Array,
) {
  const plain = Buffer.allocUnsafe(chunkBytes);
  let filled = 0;
  let chunks = 0;
  let bytes = 0;
  const flush = async (isLast: boolean): Promise<void> => {
    const sealed = sealChunk(key, plain.subarray(0, filled), placeOf(chunks, isLast));
    filled = 0;
    chunks += 1;
    bytes += sealed.length;
    await handle.writeFile(sealed);
  };
  const append = async (data: Uint8Array): Promise<void> => {
    for (let at = 0; at < data.length; ) {
      // Only when more is to come is it known that this chunk is not the last.
      if (filled === chunkBytes) await flush(false);
      const share = data.subarray(at, at + chunkBytes - filled);
      plain.set(share, filled);
      filled += share.length;
      at += share.length;
    }
  };
  const length = Buffer.allocUnsafe(lengthBytes);
  return {
    add: async (record: Uint8Array): Promise<void> => {
      length.writeUInt32LE(record.length);
      await append(length);
      await append(record);
    },
    finish: async () => {
      await flush(true);
      await handle.sync();
      return { chunks, bytes };
    },
  };
}

async function writeSegment(
  writing: Writing,
  part: SnapshotPart,
  segment: SnapshotSegment,
  file: string,
): Promise<SealedSegment> {
  const { generation, key, options } = writing;
  const handle = await open(join(options.folder, file), 'wx', 0o600);
  try {
    const { name } = segment;
    const chunks = createChunkFile(handle, key, (number, isLast) =>
      chunkPlace(options, part, { name, generation }, { number, isLast }),
    );
    await writing.work.turn();
    for (const record of segment.records()) {
      await chunks.add(record);
      await rest(writing);
    }
    return { name, file, generation, ...(await chunks.finish()) };
  } finally {
    await handle.close();
  }
}

/** After this the snapshot is the new one. */
async function replaceManifest({ folder, key }: WriterOptions, manifest: Manifest): Promise<void> {
  const path = join(folder, manifestFile);
  const handle = await open(`${path}.new`, 'w', 0o600);
  try {
    await handle.writeFile(sealManifest(manifest, key));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(`${path}.new`, path);
}

async function removeFiles(folder: string, isUnused: (file: string) => boolean): Promise<void> {
  for (const file of await readdir(folder))
    if (file.endsWith(suffix) && file !== manifestFile && isUnused(file))
      await rm(join(folder, file), { force: true });
}

export async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  // It may be there already, made by hand or out of a backup.
  await chmod(folder, 0o700);
}

export function createSnapshotWriter(options: WriterOptions): SnapshotWriter {
  const { deployment, folder, schema } = options;
  /** By part and segment; only what this process wrote itself, so its key is this process's first. */
  let kept = new Map<string, Kept>();

  const writeParts = async (writing: Writing, parts: readonly SnapshotPart[]) => {
    const there = new Set(await readdir(folder));
    const next = new Map<string, Kept>();
    const sealedParts: SealedPart[] = [];
    let newBytes = 0;
    let newSegments = 0;
    for (const part of parts) {
      const segments: SealedSegment[] = [];
      for (const segment of part.segments()) {
        const place = `${part.name}/${segment.name}`;
        const { stamp } = segment;
        const before = kept.get(place);
        // Somebody may have deleted files meanwhile.
        const isSame = stamp !== undefined && before?.stamp === stamp && there.has(before.sealed.file);
        const file = `${writing.generation}-${newSegments}${suffix}`;
        const sealed = isSame ? before.sealed : await writeSegment(writing, part, segment, file);
        newSegments += isSame ? 0 : 1;
        newBytes += isSame ? 0 : sealed.bytes;
        segments.push(sealed);
        next.set(place, { stamp, sealed });
        await rest(writing);
      }
      sealedParts.push({ name: part.name, version: part.version, segments });
    }
    return { next, parts: sealedParts, newBytes, newSegments };
  };

  return {
    write: async (parts, knownAt, signal) => {
      await makeFolder(folder);
      const salt = randomBytes(generationBytes);
      const generation = salt.toString('hex');
      const key = deriveKey(options.key.secret, salt);
      const work = createTurns().work('snapshot');
      let found: Awaited<ReturnType<typeof writeParts>>;
      try {
        found = await writeParts({ options, generation, key, work, signal }, parts);
        await syncFolder(folder);
        await replaceManifest(options, { deployment, schema, generation, knownAt, parts: found.parts });
      } catch (error) {
        await removeFiles(folder, (file) => file.startsWith(generation));
        throw error;
      }
      kept = found.next;
      // The old files go when a crash of the machine cannot bring back the manifest that names them.
      await syncFolder(folder);
      const named = new Map([...kept.values()].map(({ sealed }) => [sealed.file, sealed.bytes]));
      await removeFiles(folder, (file) => !named.has(file));
      const bytes = [...named.values()].reduce((sum, one) => sum + one, 0);
      return { bytes, newBytes: found.newBytes, segments: named.size, newSegments: found.newSegments };
    },
  };
}
