/**
 * The manifest says which sealed files make up the snapshot. It is replaced as a whole, so there is the old snapshot or the
 * new one; the files that it names are never written again.
 */

import { type OpenedFile, openFile, type SnapshotKey, sealFile } from '../snapshot/sealed-file.ts';

/** A file of sealed chunks. */
export interface SealedSegment {
  readonly name: string;
  readonly file: string;
  /** Generation in which it was written, in hexadecimal digits. */
  readonly generation: string;
  readonly chunks: number;
  /** Length of the file. */
  readonly bytes: number;
}

export interface SealedPart {
  readonly name: string;
  readonly version: number;
  readonly segments: readonly SealedSegment[];
}

export interface Manifest {
  readonly deployment: string;
  /** Newest migration of the build that wrote it. */
  readonly schema: number;
  readonly generation: string;
  /** Date at which the data were last known to be current, in milliseconds: the snapshot's age counts from here. */
  readonly knownAt: number;
  readonly parts: readonly SealedPart[];
}

export const manifestFile = 'manifest.sealed';
/** The last digit is the form of all files. */
const form = 'ESPSNAP1';

/** Everything that a chunk of a segment's file is bound to. */
export function chunkPlace(
  manifest: Pick<Manifest, 'deployment' | 'schema'>,
  part: Pick<SealedPart, 'name' | 'version'>,
  segment: Pick<SealedSegment, 'name' | 'generation'>,
  chunk: { readonly number: number; readonly isLast: boolean },
): Uint8Array {
  const { deployment, schema } = manifest;
  const place = [deployment, schema, segment.generation, part.name, part.version, segment.name];
  return Buffer.from(JSON.stringify([...place, chunk.number, chunk.isLast ? 'last' : 'more']));
}

export const sealManifest = (manifest: Manifest, key: SnapshotKey): Buffer =>
  sealFile(Buffer.from(JSON.stringify(manifest)), {
    form,
    key,
    generation: Buffer.from(manifest.generation, 'hex'),
  });

export type OpenedManifest =
  | { readonly manifest: Manifest; readonly key: SnapshotKey }
  | Extract<OpenedFile, { refused: string }>;

export function openManifest(file: Uint8Array, keys: readonly SnapshotKey[]): OpenedManifest {
  const opened = openFile(file, keys, { form });
  if ('refused' in opened) return opened;
  return { manifest: JSON.parse(opened.plain.toString()) as Manifest, key: opened.key };
}
