/**
 * Scans one JSON value that arrives in pieces and keeps its text, or of an object only some members. Nothing becomes
 * an object here: depth, members and size are known before anything is made of them. A member that is left out is only
 * scanned for its end, so it costs no memory; what is kept is to be parsed by `JSON.parse`, which is strict.
 */

import { BoundedBytes } from './bounded-bytes.ts';
import { JsonStructure, type ValueFault, type ValueLimits } from './json-structure.ts';

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const colon = 0x3a;
const openArray = 0x5b;
const closeArray = 0x5d;
const openObject = 0x7b;
const closeObject = 0x7d;

/** Control characters count as white space: a sender that writes them means nothing by them. */
export const isSpace = (byte: number): boolean => byte <= 0x20;

/** A number, or one of `true`, `false` and `null`. */
const beginsToken = (byte: number): boolean =>
  byte === 0x2d || (byte >= 0x30 && byte <= 0x39) || byte === 0x74 || byte === 0x66 || byte === 0x6e;

/** No member that is chosen has a longer name. */
const maxNameBytes = 64;

/**
 * The first four are inside of a value; the next five between the parts of an object whose members are chosen: its names,
 * colons, values and commas.
 */
type Mode =
  | 'inside'
  | 'string'
  | 'token'
  | 'before'
  | 'name'
  | 'in-name'
  | 'colon'
  | 'member'
  | 'next'
  | 'done';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function unescapedName(bytes: Uint8Array): string {
  const text = decoder.decode(bytes);
  if (!text.includes('\\')) return text;
  try {
    return String(JSON.parse(`"${text}"`));
  } catch {
    // Such a name is not among the chosen ones, so its value is left out.
    return text;
  }
}

/** The chosen members by name, each with the bytes that begin it in the text that is kept. */
const memberStarts = (members: ReadonlySet<string>): ReadonlyMap<string, Uint8Array> =>
  new Map([...members].map((member) => [member, encoder.encode(`${JSON.stringify(member)}:`)]));

export class ValueScanner {
  readonly #limits: ValueLimits;
  readonly #members: ReadonlyMap<string, Uint8Array> | undefined;
  readonly #kept: BoundedBytes;
  readonly #structure: JsonStructure;
  readonly #name = new BoundedBytes(maxNameBytes + 2);
  #mode: Mode = 'before';
  /** Depth at which the value that is being scanned ends: 1 for a chosen member, else 0. */
  #base = 0;
  /** The next byte follows a backslash. */
  #isEscaped = false;
  #isFirstMember = true;
  #nameFits = true;
  #bytes = 0;

  /** Keeps only the named members of an object; default: everything. */
  constructor(limits: ValueLimits, members?: ReadonlySet<string>) {
    this.#limits = limits;
    this.#members = members && memberStarts(members);
    this.#kept = new BoundedBytes(limits.keptBytes);
    this.#structure = new JsonStructure(limits);
  }

  get isBegun(): boolean {
    return this.#mode !== 'before';
  }

  get isDone(): boolean {
    return this.#mode === 'done';
  }

  /** The first thing that was wrong; the end of the value is looked for all the same. */
  get fault(): ValueFault | undefined {
    return this.#structure.fault;
  }

  /** Its nesting as far as it has been seen, also beyond the limit. */
  get deepest(): number {
    return this.#structure.deepest;
  }

  /** Nodes that were kept so far. */
  get nodes(): number {
    return this.#structure.nodes;
  }

  /** The text that was kept, valid until the next `begin`. */
  get kept(): Uint8Array {
    return this.#kept.bytes;
  }

  /** Bytes that the kept text takes, and the room for more of it. */
  get held(): number {
    return this.#kept.capacity;
  }

  /** Begins another value. With `append` its text follows what is kept already, after this byte. */
  begin(append?: number): void {
    const isAppended = append !== undefined && this.#kept.size > 0;
    this.#structure.reset(isAppended ? this.#structure.nodes : 0);
    if (!isAppended) this.#kept.clear();
    else if (!this.#kept.addByte(append)) this.#structure.fail('TOO_LARGE');
    this.#mode = 'before';
    this.#base = 0;
    this.#isFirstMember = true;
    this.#bytes = 0;
  }

  /** Goes on at this place; returns where it stopped: at the end of the piece, or behind the value when `isDone`. */
  scan(piece: Uint8Array, from: number): number {
    let at = from;
    while (at < piece.length && this.#mode !== 'done') at = this.#step(piece, at);
    this.#bytes += at - from;
    if (this.#bytes > this.#limits.bytes) this.#structure.fail('TOO_LARGE');
    return at;
  }

  /** Ends a number or literal that only the end of the input ends. */
  finish(): void {
    if (this.#mode === 'token' && this.#base === 0) this.#mode = 'done';
  }

  #keep(piece: Uint8Array, from: number, to: number): void {
    if (!this.#structure.isKept || this.#structure.fault !== undefined) return;
    if (!this.#kept.add(piece, from, to)) this.#structure.fail('TOO_LARGE');
  }

  #keepByte(byte: number): void {
    if (!this.#structure.isKept || this.#structure.fault !== undefined) return;
    if (!this.#kept.addByte(byte)) this.#structure.fail('TOO_LARGE');
  }

  #step(piece: Uint8Array, at: number): number {
    switch (this.#mode) {
      case 'inside':
        return this.#keepTo(piece, at, this.#inside(piece, at));
      case 'string':
        return this.#keepTo(piece, at, this.#inString(piece, at));
      case 'token':
        return this.#keepTo(piece, at, this.#inToken(piece, at));
      case 'before':
        return this.#beforeValue(piece, at);
      case 'in-name':
        return this.#inName(piece, at);
      default:
        return this.#betweenMembers(piece, at);
    }
  }

  #keepTo(piece: Uint8Array, from: number, to: number): number {
    this.#keep(piece, from, to);
    return to;
  }

  #beforeValue(piece: Uint8Array, at: number): number {
    const byte = piece[at] as number;
    if (isSpace(byte)) return at + 1;
    if (this.#members && byte === openObject) {
      this.#structure.open(true);
      this.#base = 1;
      this.#mode = 'name';
    } else this.#mode = this.#beginValue(byte);
    this.#keepByte(byte);
    return at + 1;
  }

  /** Returns the mode in which a value with this first byte goes on. */
  #beginValue(byte: number): Mode {
    if (byte === openObject || byte === openArray) {
      this.#structure.open(byte === openObject);
      return 'inside';
    }
    this.#isEscaped = false;
    if (byte === quote) return 'string';
    if (!beginsToken(byte)) this.#structure.fail('INVALID_JSON');
    return 'token';
  }

  #modeBehindValue(): Mode {
    return this.#base === 0 ? 'done' : 'next';
  }

  /** Goes on inside of arrays and objects; returns where it stopped. */
  #inside(piece: Uint8Array, from: number): number {
    const end = piece.length;
    let at = from;
    while (at < end) {
      const byte = piece[at] as number;
      at += 1;
      if (byte === quote) {
        at = this.#inString(piece, at);
        if (this.#mode === 'string') return at;
      } else if (byte === comma) this.#structure.comma();
      else if (byte === openObject || byte === openArray) this.#structure.open(byte === openObject);
      else if (byte === closeObject || byte === closeArray) {
        this.#structure.close(byte === closeObject);
        if (this.#structure.depth === this.#base) {
          this.#mode = this.#modeBehindValue();
          return at;
        }
      }
    }
    return end;
  }

  /** Returns the place behind the string, or the end of the piece while the mode stays `string`. */
  #inString(piece: Uint8Array, from: number): number {
    const end = piece.length;
    let at = from;
    this.#mode = 'string';
    if (this.#isEscaped && at < end) {
      this.#isEscaped = false;
      at += 1;
    }
    while (at < end) {
      const byte = piece[at] as number;
      at += 1;
      if (byte === quote) {
        this.#mode = this.#structure.depth > this.#base ? 'inside' : this.#modeBehindValue();
        return at;
      }
      if (byte === backslash) {
        if (at >= end) this.#isEscaped = true;
        at += 1;
      }
    }
    return end;
  }

  /** A number or a literal outside of any container ends where something else begins. */
  #inToken(piece: Uint8Array, from: number): number {
    let at = from;
    for (; at < piece.length; at += 1) {
      const byte = piece[at] as number;
      if (isSpace(byte) || byte === comma || byte === closeArray || byte === closeObject) {
        this.#mode = this.#modeBehindValue();
        return at;
      }
    }
    return at;
  }

  #betweenMembers(piece: Uint8Array, at: number): number {
    const byte = piece[at] as number;
    const mode = this.#mode;
    if (isSpace(byte)) return at + 1;
    if (mode === 'name' && byte === quote) this.#beginName();
    else if (mode === 'colon' && byte === colon) this.#mode = 'member';
    else if (mode === 'next' && byte === comma) {
      this.#structure.isKept = true;
      this.#structure.comma();
      this.#mode = 'name';
    } else if (
      byte === closeObject &&
      (mode === 'next' || (mode === 'name' && this.#structure.commas === 0))
    ) {
      this.#structure.isKept = true;
      this.#keepByte(closeObject);
      this.#structure.depth = 0;
      this.#mode = 'done';
    } else if (mode === 'member') this.#beginMember(byte);
    else {
      // The structure is unknown from here on: only the end of its brackets is searched.
      this.#structure.fail('INVALID_JSON');
      this.#base = 0;
      this.#mode = 'inside';
      return at;
    }
    return at + 1;
  }

  #beginName(): void {
    this.#name.clear();
    this.#nameFits = true;
    this.#isEscaped = false;
    this.#mode = 'in-name';
  }

  #inName(piece: Uint8Array, from: number): number {
    const end = piece.length;
    let at = from;
    let isEnded = false;
    for (; at < end && !isEnded; at += 1) {
      const byte = piece[at] as number;
      if (this.#isEscaped) this.#isEscaped = false;
      else if (byte === backslash) this.#isEscaped = true;
      else if (byte === quote) isEnded = true;
    }
    this.#nameFits = this.#nameFits && this.#name.add(piece, from, isEnded ? at - 1 : at);
    if (isEnded) this.#mode = 'colon';
    return at;
  }

  /** `byte` is the first one of the member's value. */
  #beginMember(byte: number): void {
    const start = this.#nameFits ? this.#members?.get(unescapedName(this.#name.bytes)) : undefined;
    this.#structure.isKept = start !== undefined;
    if (start) {
      if (!this.#isFirstMember) this.#keepByte(comma);
      this.#isFirstMember = false;
      this.#keep(start, 0, start.length);
    }
    this.#keepByte(byte);
    this.#mode = this.#beginValue(byte);
  }
}
