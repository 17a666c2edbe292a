/**
 * A file that is sealed as a whole. Before its seal stand, in the clear, the form of the file, the id of the secrets key and
 * the generation, by which it is opened; they are part of what is sealed.
 */

import { ChunkBroken, deriveKey, generationBytes, openChunk, sealChunk } from './chunks.ts';

/** A secrets key with its id, which is a hash and no secret (secrets/seal.ts). */
export interface SnapshotKey {
  readonly id: string;
  readonly secret: Uint8Array;
}

/** With what, and as whose, a deployment seals several of them. */
export interface Sealing {
  /** The first seals, all open. */
  readonly keys: readonly SnapshotKey[];
  readonly deployment: string;
  /** Newest migration of this build. */
  readonly schema: number;
}

export interface FilePlace {
  /** Eight characters. The last one is the version: a file with another one is of another build, and not damaged. */
  readonly form: string;
  /** What the file belongs to, where it is not told by what is in it. */
  readonly place?: string;
}

const formBytes = 8;
const keyIdBytes = 8;
const headerBytes = formBytes + keyIdBytes + generationBytes;

const associatedOf = (header: Uint8Array, { place = '' }: FilePlace): Buffer =>
  Buffer.concat([header, Buffer.from(place)]);

/** `generation` is random, and the salt of the file's key. */
export function sealFile(
  plain: Uint8Array,
  { generation, key, ...file }: FilePlace & { readonly key: SnapshotKey; readonly generation: Uint8Array },
): Buffer {
  const id = Buffer.from(key.id.padEnd(keyIdBytes).slice(0, keyIdBytes));
  const header = Buffer.concat([Buffer.from(file.form), id, generation]);
  const sealed = sealChunk(deriveKey(key.secret, generation), plain, associatedOf(header, file));
  return Buffer.concat([header, sealed]);
}

export type OpenedFile =
  | { readonly plain: Buffer; readonly key: SnapshotKey }
  | { readonly refused: 'another-format' | 'another-key' | 'damaged' };

export function openFile(file: Uint8Array, keys: readonly SnapshotKey[], of: FilePlace): OpenedFile {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const form = Buffer.from(of.form);
  const version = formBytes - 1;
  if (bytes.length < headerBytes) return { refused: 'damaged' };
  if (!bytes.subarray(0, version).equals(form.subarray(0, version))) return { refused: 'damaged' };
  if (bytes[version] !== form[version]) return { refused: 'another-format' };
  const header = bytes.subarray(0, headerBytes);
  const id = header.subarray(formBytes, formBytes + keyIdBytes).toString('latin1');
  const key = keys.find((one) => one.id === id);
  if (!key) return { refused: 'another-key' };
  try {
    const secret = deriveKey(key.secret, header.subarray(headerBytes - generationBytes));
    return { plain: openChunk(secret, bytes.subarray(headerBytes), associatedOf(header, of)), key };
  } catch (error) {
    if (error instanceof ChunkBroken) return { refused: 'damaged' };
    throw error;
  }
}
