/**
 * The manifest says which sealed files make up the snapshot. It is replaced as a whole, so there is the old snapshot or the
 * new one; the files that it names are never written again. Before its seal stand, in the clear, the form of the file, the
 * id of the secrets key and the generation.
 */

import { ChunkBroken, deriveKey, generationBytes, openChunk, sealChunk } from './chunks.ts';

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

/** A secrets key with its id, which is a hash and no secret (secrets/seal.ts). */
export interface SnapshotKey {
  readonly id: string;
  readonly secret: Uint8Array;
}

export const manifestFile = 'manifest.sealed';
/** The last digit is the form of all files. */
const magic = Buffer.from('ESPSNAP1');
const keyIdBytes = 8;
const headerBytes = magic.length + keyIdBytes + generationBytes;

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

export function sealManifest(manifest: Manifest, key: SnapshotKey): Buffer {
  const generation = Buffer.from(manifest.generation, 'hex');
  const header = Buffer.concat([
    magic,
    Buffer.from(key.id.padEnd(keyIdBytes).slice(0, keyIdBytes)),
    generation,
  ]);
  const sealed = sealChunk(deriveKey(key.secret, generation), Buffer.from(JSON.stringify(manifest)), header);
  return Buffer.concat([header, sealed]);
}

export type OpenedManifest =
  | { readonly manifest: Manifest; readonly key: SnapshotKey }
  | { readonly refused: 'another-format' | 'another-key' | 'damaged' };

export function openManifest(file: Uint8Array, keys: readonly SnapshotKey[]): OpenedManifest {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  if (bytes.length < headerBytes) return { refused: 'damaged' };
  const form = magic.length - 1;
  if (!bytes.subarray(0, form).equals(magic.subarray(0, form))) return { refused: 'damaged' };
  if (bytes[form] !== magic[form]) return { refused: 'another-format' };
  const header = bytes.subarray(0, headerBytes);
  const id = header.subarray(magic.length, magic.length + keyIdBytes).toString('latin1');
  const key = keys.find((one) => one.id === id);
  if (!key) return { refused: 'another-key' };
  try {
    const secret = deriveKey(key.secret, header.subarray(headerBytes - generationBytes));
    const plain = openChunk(secret, bytes.subarray(headerBytes), header);
    return { manifest: JSON.parse(plain.toString()) as Manifest, key };
  } catch (error) {
    if (error instanceof ChunkBroken) return { refused: 'damaged' };
    throw error;
  }
}
