/** A buffer that grows up to a limit; what would exceed the limit is refused as a whole. */

const initialBytes = 4_096;
/** A buffer larger than this is given back when it is emptied. */
const reusedBytes = 65_536;
/** Below this a loop is faster than `set`. */
const shortBytes = 16;

export class BoundedBytes {
  readonly #limitBytes: number;
  #buffer: Uint8Array;
  #size = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
    this.#buffer = new Uint8Array(Math.min(initialBytes, limitBytes));
  }

  get size(): number {
    return this.#size;
  }

  /** Bytes of the buffer, whatever is in it. */
  get capacity(): number {
    return this.#buffer.length;
  }

  /** Valid until the next change. */
  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#size);
  }

  /** False: it does not fit. */
  add(piece: Uint8Array, from: number, to: number): boolean {
    const size = this.#size + to - from;
    if (size > this.#limitBytes) return false;
    if (size > this.#buffer.length) this.#grow(size);
    const buffer = this.#buffer;
    if (to - from < shortBytes)
      for (let at = from, into = this.#size; at < to; at += 1, into += 1) buffer[into] = piece[at] as number;
    else buffer.set(piece.subarray(from, to), this.#size);
    this.#size = size;
    return true;
  }

  /** False: it does not fit. */
  addByte(byte: number): boolean {
    if (this.#size >= this.#limitBytes) return false;
    if (this.#size === this.#buffer.length) this.#grow(this.#size + 1);
    this.#buffer[this.#size] = byte;
    this.#size += 1;
    return true;
  }

  dropLast(bytes: number): void {
    this.#size -= bytes;
  }

  clear(): void {
    this.#size = 0;
    if (this.#buffer.length > reusedBytes) this.#buffer = new Uint8Array(initialBytes);
  }

  #grow(size: number): void {
    const larger = new Uint8Array(Math.min(this.#limitBytes, Math.max(size, this.#buffer.length * 2)));
    larger.set(this.#buffer.subarray(0, this.#size));
    this.#buffer = larger;
  }
}
