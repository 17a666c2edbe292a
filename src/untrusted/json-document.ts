/**
 * Reads one JSON document that arrives in pieces, in steps that can be spread over time. Objects down to a few levels
 * are built member by member and arrays by groups of elements; what is below is parsed by `JSON.parse` in units so small
 * that none takes long. Structure is bounded before anything is made of it.
 */

import type { ValueFault, ValueLimits } from './json-structure.ts';
import { isSpace, ValueScanner } from './json-value.ts';

export interface DocumentLimits {
  /** Each unit stays within these. */
  readonly unit: ValueLimits;
  /** Array elements and object members in all. */
  readonly nodes: number;
}

type Container = unknown[] | Record<string, unknown>;
interface Frame {
  readonly value: Container;
  name: string;
  members: number;
}
type Mode = 'value' | 'first' | 'name' | 'first-name' | 'colon' | 'next' | 'unit' | 'after';

/** Objects down to this level are built member by member; a deeper one is a unit. */
const levels = 5;
/** Elements of an array are parsed together up to here. */
const groupBytes = 16_384;
const groupNodes = 2_000;

const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const openArray = 0x5b;
const closeArray = 0x5d;
const openObject = 0x7b;
const closeObject = 0x7d;

function setMember(frame: Frame, value: unknown): void {
  if (Array.isArray(frame.value)) frame.value.push(value);
  else if (frame.name !== '__proto__') frame.value[frame.name] = value;
  // A member is defined as `JSON.parse` does it, so that `__proto__` is a member and not the prototype.
  else
    Object.defineProperty(frame.value, frame.name, {
      value,
      enumerable: true,
      configurable: true,
      writable: true,
    });
}

export class DocumentReader {
  readonly #limits: DocumentLimits;
  readonly #parse: (text: Uint8Array) => unknown;
  readonly #scanner: ValueScanner;
  readonly #frames: Frame[] = [];
  #mode: Mode = 'value';
  /** The unit that is being scanned is a member's name. */
  #isName = false;
  #fault: ValueFault | undefined;
  #document: unknown;
  #nodes = 0;
  /** Elements of the innermost array that wait in the scanner. */
  #grouped = 0;

  /** `parse` makes a value of a unit's text; what it throws is invalid JSON. */
  constructor(limits: DocumentLimits, parse: (text: Uint8Array) => unknown) {
    this.#limits = limits;
    this.#parse = parse;
    this.#scanner = new ValueScanner(limits.unit);
  }

  /** Undefined while nothing is wrong; nothing is read after it. */
  get fault(): ValueFault | undefined {
    return this.#fault;
  }

  /** The document, once it has ended without a fault. */
  get value(): unknown {
    return this.#document;
  }

  /** Takes a piece; a caller that has spent enough time may go away at each step. */
  *push(piece: Uint8Array): Generator<void> {
    let at = 0;
    while (at < piece.length && this.#fault === undefined) {
      if (this.#mode !== 'unit') {
        at += this.#betweenUnits(piece[at] as number);
        continue;
      }
      at = this.#scanner.scan(piece, at);
      if (this.#scanner.fault) this.#fail(this.#scanner.fault);
      else if (this.#scanner.isDone) {
        this.#endUnit();
        if (this.#grouped === 0) yield;
      }
    }
  }

  *end(): Generator<void> {
    if (this.#mode === 'unit') {
      this.#scanner.finish();
      if (this.#scanner.isDone) this.#endUnit();
    }
    yield;
    if (this.#mode !== 'after') this.#fail('INVALID_JSON');
  }

  #fail(fault: ValueFault): void {
    this.#fault ??= fault;
  }

  #count(nodes: number): void {
    this.#nodes += nodes;
    if (this.#nodes > this.#limits.nodes) this.#fail('TOO_MANY_MEMBERS');
  }

  /** Returns how many bytes it took. */
  #betweenUnits(byte: number): number {
    if (isSpace(byte)) return 1;
    const mode = this.#mode;
    const isInArray = this.#isInArray();
    const isClosing = byte === (isInArray ? closeArray : closeObject);
    if (isClosing && (mode === 'next' || mode === 'first' || mode === 'first-name')) this.#close();
    else if (mode === 'next' && byte === comma) this.#mode = isInArray ? 'value' : 'name';
    else if (mode === 'colon' && byte === colon) this.#mode = 'value';
    else if ((mode === 'name' || mode === 'first-name') && byte === quote) {
      this.#beginUnit(true);
      return 0;
    } else if (mode === 'value' || mode === 'first') return this.#beginValue(byte, isInArray);
    else this.#fail('INVALID_JSON');
    return 1;
  }

  #isInArray(): boolean {
    const frame = this.#frames.at(-1);
    return frame !== undefined && Array.isArray(frame.value);
  }

  #beginValue(byte: number, isInArray: boolean): number {
    const isContainer = byte === openObject || byte === openArray;
    if (!isContainer || isInArray || this.#frames.length >= levels) {
      this.#beginUnit(false);
      return 0;
    }
    this.#count(1);
    this.#frames.push({ value: byte === openObject ? {} : [], name: '', members: 0 });
    this.#mode = byte === openObject ? 'first-name' : 'first';
    return 1;
  }

  #close(): void {
    this.#flush();
    const frame = this.#frames.pop();
    if (frame) this.#put(frame.value);
  }

  #put(value: unknown): void {
    const frame = this.#frames.at(-1);
    if (!frame) this.#document = value;
    else setMember(frame, value);
    this.#mode = frame ? 'next' : 'after';
  }

  #beginUnit(isName: boolean): void {
    this.#isName = isName;
    this.#scanner.begin(!isName && this.#grouped > 0 ? comma : undefined);
    this.#mode = 'unit';
  }

  #endUnit(): void {
    const frame = this.#frames.at(-1);
    if (frame && Array.isArray(frame.value)) this.#endElement();
    else if (frame && this.#isName) this.#endName(frame);
    else {
      const value = this.#parsed(this.#scanner.kept);
      this.#count(this.#scanner.nodes + 1);
      this.#put(value);
    }
  }

  #endElement(): void {
    this.#grouped += 1;
    this.#mode = 'next';
    if (this.#scanner.kept.length > groupBytes || this.#scanner.nodes > groupNodes) this.#flush();
  }

  #endName(frame: Frame): void {
    frame.name = String(this.#parsed(this.#scanner.kept));
    frame.members += 1;
    this.#mode = 'colon';
    if (frame.members > this.#limits.unit.membersOfObject) this.#fail('TOO_MANY_MEMBERS');
  }

  /** Makes values of the elements that wait in the scanner. */
  #flush(): void {
    const frame = this.#frames.at(-1);
    if (this.#grouped === 0 || !frame) return;
    const { kept, nodes } = this.#scanner;
    const text = new Uint8Array(kept.length + 2);
    text[0] = openArray;
    text.set(kept, 1);
    text[text.length - 1] = closeArray;
    this.#count(nodes + this.#grouped);
    const values = this.#parsed(text);
    if (Array.isArray(values)) for (const value of values) setMember(frame, value);
    this.#grouped = 0;
  }

  #parsed(text: Uint8Array): unknown {
    try {
      return this.#parse(text);
    } catch {
      this.#fail('INVALID_JSON');
      return undefined;
    }
  }
}
