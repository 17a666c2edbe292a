import type { RouteKey } from './route-segment.ts';
import { routeKey } from './route-table.ts';

/**
 * Reads routes out of `COPY … TO STDOUT (FORMAT binary)` (PostgreSQL's documentation of COPY, 'Binary Format') without
 * making an object for any of them. The columns: tenant, device, instance, computer, version.
 */

export const copiedColumns = 'tenant_id, device_id, instance_id, jamf_computer_id, version';

/** A route as it lies in the stream; the arrays are the same for every row. */
export type TakeRoute = (
  key: RouteKey,
  instance: Int32Array,
  jamfComputerId: number,
  /** The low 32 bits. */
  version: number,
) => void;

const signature = [0x50, 0x47, 0x43, 0x4f, 0x50, 0x59, 0x0a, 0xff, 0x0d, 0x0a, 0x00];
/** Signature, flags, length of the header's extension. */
const headerBytes = 19;
const fieldLengths = [16, 16, 16, 4, 8];
/** Number of fields, and before each its length. */
const rowBytes = 2 + fieldLengths.reduce((sum, length) => sum + 4 + length, 0);
const endBytes = 2;

const offsets = fieldLengths.map((_, field) =>
  fieldLengths.slice(0, field).reduce((sum, length) => sum + 4 + length, 6),
);
const [tenantAt = 0, deviceAt = 0, instanceAt = 0, computerAt = 0, versionAt = 0] = offsets;

const word = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] as number) << 24) |
  ((bytes[at + 1] as number) << 16) |
  ((bytes[at + 2] as number) << 8) |
  (bytes[at + 3] as number);

function readWords(bytes: Uint8Array, from: number, words: Int32Array, at: number): void {
  for (let offset = 0; offset < 4; offset += 1) words[at + offset] = word(bytes, from + offset * 4);
}

const faulty = (what: string): Error => new Error(`the copied routes are not as expected: ${what}`);

function checkHeader(bytes: Uint8Array): void {
  if (signature.some((byte, at) => bytes[at] !== byte)) throw faulty('no signature');
  if (word(bytes, 11) !== 0 || word(bytes, 15) !== 0) throw faulty('flags or an extension');
}

function checkRow(bytes: Uint8Array, at: number): void {
  if (word(bytes, at) >> 16 !== fieldLengths.length) throw faulty('another number of columns');
  for (let field = 0; field < fieldLengths.length; field += 1)
    if (word(bytes, at + (offsets[field] as number) - 4) !== fieldLengths[field])
      throw faulty(`column ${field} of another length`);
}

export interface CopiedRoutes {
  /** Takes the next chunk of the stream, cut anywhere. */
  push(chunk: Uint8Array): void;
  /** Throws when the stream has not come to its end. */
  finish(): number;
}

export function readCopiedRoutes(take: TakeRoute): CopiedRoutes {
  const key = routeKey();
  const instance = new Int32Array(4);
  let rest: Uint8Array = new Uint8Array(0);
  let stage: 'header' | 'rows' | 'end' = 'header';
  let rows = 0;
  const readRow = (bytes: Uint8Array, at: number): void => {
    checkRow(bytes, at);
    readWords(bytes, at + tenantAt, key, 0);
    readWords(bytes, at + deviceAt, key, 4);
    readWords(bytes, at + instanceAt, instance, 0);
    take(key, instance, word(bytes, at + computerAt), word(bytes, at + versionAt + 4));
    rows += 1;
  };
  return {
    push: (chunk) => {
      let bytes = chunk;
      if (rest.length > 0) {
        bytes = new Uint8Array(rest.length + chunk.length);
        bytes.set(rest);
        bytes.set(chunk, rest.length);
      }
      let at = 0;
      if (stage === 'header' && bytes.length >= headerBytes) {
        checkHeader(bytes);
        at = headerBytes;
        stage = 'rows';
      }
      while (stage === 'rows' && bytes.length - at >= endBytes) {
        if (bytes[at] === 0xff && bytes[at + 1] === 0xff) {
          stage = 'end';
          at += endBytes;
        } else if (bytes.length - at >= rowBytes) {
          readRow(bytes, at);
          at += rowBytes;
        } else break;
      }
      rest = bytes.slice(at);
      if (stage === 'end' && rest.length > 0) throw faulty('more after the end');
    },
    finish: () => {
      if (stage !== 'end') throw faulty('it ends too early');
      return rows;
    },
  };
}
