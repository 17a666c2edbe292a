/** The chunked coding of an answer's body (RFC 9112, 7.1), read strictly; extensions and trailers are dropped. */

/** Hexadecimal digits of one chunk's size: a chunk is less than 4 GiB. */
const sizeDigits = 8;
/** Extensions of all chunks of a body, and its trailers: nobody has a use for more. */
const extensionBytes = 16_384;
const trailerBytes = 16_384;

type State =
  | 'size'
  | 'extension'
  | 'size-lf'
  | 'data'
  | 'data-cr'
  | 'data-lf'
  | 'trailer'
  | 'trailer-lf'
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

/** Value of a hexadecimal digit, or -1. */
function digitOf(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

const isText = (byte: number): boolean => byte === 0x09 || (byte >= 0x20 && byte !== 0x7f);

export function createChunkedReader(): ChunkedReader {
  let state: State = 'size';
  let size = 0;
  let digits = 0;
  let extensions = 0;
  let trailers = 0;
  /** Bytes of the trailer's line so far: an empty line ends the body. */
  let lineBytes = 0;

  const afterSize = (): void => {
    state = size === 0 ? 'trailer' : 'data';
    lineBytes = 0;
  };
  /** One byte of anything but data; false: it may not stand here. */
  const step = (byte: number): boolean => {
    switch (state) {
      case 'size': {
        const digit = digitOf(byte);
        if (digit >= 0) {
          size = size * 16 + digit;
          digits += 1;
          return digits <= sizeDigits;
        }
        if (digits === 0) return false;
        if (byte === cr) state = 'size-lf';
        else if (byte === 0x3b || byte === 0x20 || byte === 0x09) state = 'extension';
        else return false;
        return true;
      }
      case 'extension':
        extensions += 1;
        if (byte === cr) state = 'size-lf';
        else return isText(byte) && extensions <= extensionBytes;
        return true;
      case 'size-lf':
        if (byte !== lf) return false;
        afterSize();
        return true;
      case 'data-cr':
        state = 'data-lf';
        return byte === cr;
      case 'data-lf':
        state = 'size';
        size = 0;
        digits = 0;
        return byte === lf;
      case 'trailer':
        trailers += 1;
        if (byte === cr) state = 'trailer-lf';
        else {
          lineBytes += 1;
          return isText(byte) && trailers <= trailerBytes;
        }
        return true;
      case 'trailer-lf':
        state = lineBytes === 0 ? 'end' : 'trailer';
        lineBytes = 0;
        return byte === lf;
      default:
        return false;
    }
  };

  return {
    read: (bytes, offset, take) => {
      let at = offset;
      while (at < bytes.length && state !== 'end') {
        if (state !== 'data') {
          if (!step(bytes[at] ?? -1)) return -1;
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
