/** The chunked coding of an answer's body (RFC 9112, 7.1), read strictly; extensions and trailers are dropped. */

/** Hexadecimal digits of one chunk's size: a chunk is less than 4 GiB. */
const sizeDigits = 8;
/** Extensions of all chunks of a body, and its trailers: nobody has a use for more. */
const extensionBytes = 16_384;
const trailerBytes = 16_384;

type State =
  | 'size'
  | 'extension-start'
  | 'extension-name'
  | 'value-start'
  | 'extension-value'
  | 'quoted'
  | 'quoted-pair'
  | 'after-quoted'
  | 'size-lf'
  | 'data'
  | 'data-cr'
  | 'data-lf'
  | 'trailer'
  | 'trailer-name'
  | 'trailer-value'
  | 'trailer-lf'
  | 'last-lf'
  | 'end';

export interface ChunkedReader {
  /**
   * Reads from `offset` on and gives every piece of the body to `take`; where it stopped: at the end of the bytes, after
   * the body's end, or after a piece that `take` answered `false` to. -1: this is no chunked body.
   */
  read(bytes: Buffer, offset: number, take: (piece: Buffer) => boolean): number;
  isComplete(): boolean;
}

const cr = 0x0d;
const lf = 0x0a;
const semicolon = 0x3b;
const equals = 0x3d;
const quote = 0x22;
const backslash = 0x5c;
const colon = 0x3a;

/** Value of a hexadecimal digit, or -1. */
function digitOf(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

/** Bytes of a token (RFC 9110, 5.6.2). */
const tokenBytes = new Set(
  Buffer.from("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"),
);
const isToken = (byte: number): boolean => tokenBytes.has(byte);
const isText = (byte: number): boolean => byte === 0x09 || (byte >= 0x20 && byte !== 0x7f);

/** A trailer that frames comes too late to be meant well (RFC 9110, 6.5.1). */
const framingNames = new Set(['content-length', 'transfer-encoding']);

/** State after a byte in an extension; undefined: the byte is not allowed. */
function inExtension(state: State, byte: number): State | undefined {
  switch (state) {
    case 'quoted':
      if (byte === quote) return 'after-quoted';
      if (byte === backslash) return 'quoted-pair';
      return isText(byte) && byte < 0x80 ? state : undefined;
    case 'quoted-pair':
      return isText(byte) && byte < 0x80 ? 'quoted' : undefined;
    case 'extension-start':
      return isToken(byte) ? 'extension-name' : undefined;
    case 'value-start':
      if (byte === quote) return 'quoted';
      return isToken(byte) ? 'extension-value' : undefined;
    default:
      if (byte === cr) return 'size-lf';
      if (byte === semicolon) return 'extension-start';
      if (state === 'after-quoted') return undefined;
      if (byte === equals && state === 'extension-name') return 'value-start';
      return isToken(byte) ? state : undefined;
  }
}

/** State after a byte in the trailers, whose lines are those of headers; undefined: the byte is not allowed. */
function inTrailers(state: State, byte: number): State | undefined {
  switch (state) {
    case 'trailer':
      if (byte === cr) return 'last-lf';
      return isToken(byte) ? 'trailer-name' : undefined;
    case 'trailer-name':
      if (byte === colon) return 'trailer-value';
      return isToken(byte) ? state : undefined;
    case 'trailer-value':
      if (byte === cr) return 'trailer-lf';
      return isText(byte) ? state : undefined;
    case 'trailer-lf':
      return byte === lf ? 'trailer' : undefined;
    default:
      return byte === lf ? 'end' : undefined;
  }
}

export function createChunkedReader(): ChunkedReader {
  let state: State = 'size';
  let size = 0;
  let digits = 0;
  let extensions = 0;
  let trailers = 0;
  /** Name of the trailer that is being read. */
  let name = '';

  /** One byte of a size; undefined: it may not stand here. */
  const inSize = (byte: number): State | undefined => {
    const digit = digitOf(byte);
    if (digit >= 0) {
      size = size * 16 + digit;
      digits += 1;
      return digits <= sizeDigits ? 'size' : undefined;
    }
    if (digits === 0) return undefined;
    if (byte === cr) return 'size-lf';
    return byte === semicolon ? 'extension-start' : undefined;
  };
  const beginSize = (): State => {
    size = 0;
    digits = 0;
    return 'size';
  };
  /** One byte of anything but data; undefined: it may not stand here. */
  const after = (byte: number): State | undefined => {
    switch (state) {
      case 'size':
        return inSize(byte);
      case 'size-lf':
        if (byte !== lf) return undefined;
        return size === 0 ? 'trailer' : 'data';
      case 'data-cr':
        return byte === cr ? 'data-lf' : undefined;
      case 'data-lf':
        return byte === lf ? beginSize() : undefined;
      case 'extension-start':
      case 'extension-name':
      case 'value-start':
      case 'extension-value':
      case 'quoted':
      case 'quoted-pair':
      case 'after-quoted':
        extensions += 1;
        return extensions <= extensionBytes ? inExtension(state, byte) : undefined;
      default:
        trailers += 1;
        if (state === 'trailer') name = '';
        if (byte === colon && framingNames.has(name.toLowerCase())) return undefined;
        if (state === 'trailer' || state === 'trailer-name') name += String.fromCharCode(byte);
        return trailers <= trailerBytes ? inTrailers(state, byte) : undefined;
    }
  };

  return {
    read: (bytes, offset, take) => {
      let at = offset;
      while (at < bytes.length && state !== 'end') {
        if (state !== 'data') {
          const next = after(bytes[at] ?? -1);
          if (next === undefined) return -1;
          state = next;
          at += 1;
          continue;
        }
        const piece = bytes.subarray(at, at + size);
        at += piece.length;
        size -= piece.length;
        if (size === 0) state = 'data-cr';
        if (!take(piece)) return at;
      }
      return at;
    },
    isComplete: () => state === 'end',
  };
}
