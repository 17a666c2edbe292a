import { createValueScanner, isSpace, type ValueFault, type ValueLimits } from './json-value.ts';

/**
 * Reads one JSON document that arrives in pieces, in steps that can be spread over time. Objects down to a few levels
 * are built member by member and arrays by groups of elements; what is below is parsed by `JSON.parse` in units so small
 * that none takes long. Structure is bounded before anything is made of it.
 */

export interface DocumentLimits {
  /** Each unit stays within these. */
  readonly unit: ValueLimits;
  /** Array elements and object members in all. */
  readonly nodes: number;
}

export interface DocumentReader {
  /** Takes a piece; a caller that has spent enough time may go away at each step. */
  push(piece: Uint8Array): Generator<void>;
  end(): Generator<void>;
  /** Undefined while nothing is wrong; nothing is read after it. */
  fault(): ValueFault | undefined;
  /** The document, once it has ended without a fault. */
  value(): unknown;
}

type Container = unknown[] | Record<string, unknown>;
interface Frame {
  readonly value: Container;
  name: string;
  members: number;
}
type Mode = 'value' | 'first' | 'name' | 'first-name' | 'colon' | 'next' | 'unit' | 'after';

/** Objects that are built member by member; what is deeper is a unit. */
const levels = 5;
/** Elements of an array are parsed together up to here. */
const groupBytes = 16_384;
const groupNodes = 2_000;

const comma = 0x2c;

function setMember(frame: Frame, value: unknown): void {
  if (Array.isArray(frame.value)) frame.value.push(value);
  else if (frame.name !== '__proto__') frame.value[frame.name] = value;
  // As `JSON.parse` does it: a member, not the prototype.
  else
    Object.defineProperty(frame.value, frame.name, {
      value,
      enumerable: true,
      configurable: true,
      writable: true,
    });
}

/** `parse` makes a value of a unit's text; what it throws is invalid JSON. */
export function createDocumentReader(
  limits: DocumentLimits,
  parse: (text: Uint8Array) => unknown,
): DocumentReader {
  const scanner = createValueScanner(limits.unit);
  const frames: Frame[] = [];
  let mode: Mode = 'value';
  let isName = false;
  let fault: ValueFault | undefined;
  let document: unknown;
  let nodes = 0;
  /** Elements of the innermost array that wait in the scanner. */
  let grouped = 0;

  const fail = (what: ValueFault): void => {
    fault ??= what;
  };
  const parsed = (text: Uint8Array): unknown => {
    try {
      return parse(text);
    } catch {
      fail('INVALID_JSON');
      return undefined;
    }
  };
  const put = (value: unknown): void => {
    const frame = frames.at(-1);
    if (!frame) document = value;
    else setMember(frame, value);
    mode = frame ? 'next' : 'after';
  };
  const count = (more: number): void => {
    nodes += more;
    if (nodes > limits.nodes) fail('TOO_MANY_MEMBERS');
  };
  const flush = (): void => {
    const frame = frames.at(-1);
    if (grouped === 0 || !frame) return;
    const kept = scanner.kept();
    const text = new Uint8Array(kept.length + 2);
    text[0] = 0x5b;
    text.set(kept, 1);
    text[text.length - 1] = 0x5d;
    count(scanner.nodes() + grouped);
    const values = parsed(text);
    if (Array.isArray(values)) for (const value of values) setMember(frame, value);
    grouped = 0;
  };
  const open = (value: Container): void => {
    count(1);
    frames.push({ value, name: '', members: 0 });
    mode = Array.isArray(value) ? 'first' : 'first-name';
  };
  const close = (): void => {
    flush();
    const frame = frames.pop();
    if (frame) put(frame.value);
  };
  const beginUnit = (name: boolean): void => {
    isName = name;
    scanner.begin(!name && grouped > 0 ? comma : undefined);
    mode = 'unit';
  };
  const endUnit = (): void => {
    const frame = frames.at(-1);
    if (frame && Array.isArray(frame.value)) {
      grouped += 1;
      mode = 'next';
      if (scanner.kept().length > groupBytes || scanner.nodes() > groupNodes) flush();
      return;
    }
    const value = parsed(scanner.kept());
    if (isName && frame) {
      frame.name = String(value);
      frame.members += 1;
      mode = 'colon';
      if (frame.members > limits.unit.membersOfObject) fail('TOO_MANY_MEMBERS');
      return;
    }
    count(scanner.nodes() + 1);
    put(value);
  };
  const begin = (byte: number): number => {
    const frame = frames.at(-1);
    const inArray = frame !== undefined && Array.isArray(frame.value);
    if (frames.length >= levels || inArray || (byte !== 0x7b && byte !== 0x5b)) {
      beginUnit(false);
      return 0;
    }
    open(byte === 0x7b ? {} : []);
    return 1;
  };
  /** Between units; returns how many bytes it took. */
  const step = (byte: number): number => {
    if (isSpace(byte)) return 1;
    const frame = frames.at(-1);
    const inArray = frame !== undefined && Array.isArray(frame.value);
    if (byte === (inArray ? 0x5d : 0x7d) && (mode === 'next' || mode === 'first' || mode === 'first-name'))
      close();
    else if (mode === 'next' && byte === comma) mode = inArray ? 'value' : 'name';
    else if (mode === 'colon' && byte === 0x3a) mode = 'value';
    else if ((mode === 'name' || mode === 'first-name') && byte === 0x22) {
      beginUnit(true);
      return 0;
    } else if (mode === 'value' || mode === 'first') return begin(byte);
    else fail('INVALID_JSON');
    return 1;
  };

  return {
    *push(piece) {
      let at = 0;
      while (at < piece.length && fault === undefined) {
        if (mode !== 'unit') {
          at += step(piece[at] as number);
          continue;
        }
        at = scanner.scan(piece, at);
        if (scanner.fault()) fail(scanner.fault() as ValueFault);
        else if (scanner.isDone()) {
          endUnit();
          if (grouped === 0) yield;
        }
      }
    },
    *end() {
      if (mode === 'unit') {
        scanner.finish();
        if (scanner.isDone()) endUnit();
      }
      yield;
      if (mode !== 'after') fail('INVALID_JSON');
    },
    fault: () => fault,
    value: () => document,
  };
}
