/**
 * Reads the records of a body one by one while it arrives: a JSON array's elements, a single value, or one value a line.
 * Memory is bounded by the record that is being read. A record that cannot be read does not take its neighbours with it,
 * as long as its end can be found.
 */

import type { ValueFault, ValueLimits } from './json-structure.ts';
import { isSpace, ValueScanner } from './json-value.ts';

export interface ReadRecord {
  /** Among the records of the body, from 0. */
  readonly index: number;
  /** The text that was kept, valid until the next record is asked for; undefined where `fault` says why. */
  readonly text: Uint8Array | undefined;
  readonly fault: ValueFault | undefined;
}

export interface RecordReader {
  /** Records that end in this piece. */
  read(piece: Uint8Array): Generator<ReadRecord>;
  /** A record that only the end of the body ends. */
  end(): Generator<ReadRecord>;
  /** Reason why nothing more can be read; the rest is ignored. */
  broken(): Broken | undefined;
  /** Records seen so far, one that is broken off included. */
  count(): number;
  /** Bytes that are held of the record that is being read. */
  held(): number;
}

/** `hopeless`: nested so deep that its end is not looked for. */
export type Broken = 'hopeless' | 'not-json' | 'cut-off' | 'after-the-end';

/**
 * A record nested deeper than this is an attack: the rest of its body is not worth unpacking. Up to here looking for its
 * end takes some milliseconds and no memory, and saves the records beside it.
 */
const hopelessDepth = 1_000_000;

const comma = 0x2c;
const openArray = 0x5b;
const closeArray = 0x5d;
const newline = 0x0a;
/** RFC 7464: text sequences begin each record with it. */
const recordSeparator = 0x1e;

const outcome = (scanner: ValueScanner, index: number): ReadRecord => {
  const fault = scanner.fault;
  return { index, fault, text: fault === undefined ? scanner.kept : undefined };
};

/** One value a line; empty lines are nothing. */
export function createLineReader(limits: ValueLimits, members: ReadonlySet<string>): RecordReader {
  const scanner = new ValueScanner(limits, members);
  let count = 0;
  let broken: Broken | undefined;
  /** Something stands behind the line's value. */
  let more = false;

  const scanLine = (piece: Uint8Array, from: number): void => {
    let at = scanner.scan(piece, from);
    while (!more && at < piece.length) more = !isSpace(piece[at++] as number);
    if (scanner.deepest > hopelessDepth) broken = 'hopeless';
  };
  const endLine = (): ReadRecord | undefined => {
    scanner.finish();
    if (!scanner.isBegun) return undefined;
    const index = count++;
    if (!scanner.isDone || more) return { index, text: undefined, fault: scanner.fault ?? 'INVALID_JSON' };
    return outcome(scanner, index);
  };
  const next = (): void => {
    scanner.begin();
    more = false;
  };

  return {
    *read(piece) {
      let at = 0;
      while (at < piece.length && broken === undefined) {
        if (!scanner.isBegun) {
          // Millions of empty lines are passed over here, byte by byte.
          while (at < piece.length && (isSpace(piece[at] as number) || piece[at] === recordSeparator))
            at += 1;
          if (at >= piece.length) return;
        }
        const end = piece.indexOf(newline, at);
        scanLine(piece.subarray(at, end < 0 ? piece.length : end), 0);
        if (end < 0 || broken) return;
        const record = endLine();
        if (record) yield record;
        next();
        at = end + 1;
      }
    },
    *end() {
      if (broken) return;
      const record = endLine();
      if (record) yield record;
      next();
    },
    broken: () => broken,
    count: () => count,
    held: () => scanner.held,
  };
}

type Place = 'before' | 'first' | 'record' | 'between' | 'next' | 'after';

/** An array's elements, or the one value that the body is. */
export function createArrayReader(limits: ValueLimits, members: ReadonlySet<string>): RecordReader {
  const scanner = new ValueScanner(limits, members);
  let place: Place = 'before';
  let isArray = false;
  let count = 0;
  let broken: Broken | undefined;

  const finish = (): ReadRecord => {
    place = isArray ? 'between' : 'after';
    return outcome(scanner, count - 1);
  };
  const record = (piece: Uint8Array, at: number): number => {
    const to = scanner.scan(piece, at);
    if (scanner.deepest > hopelessDepth) broken = 'hopeless';
    else if (scanner.fault === 'INVALID_JSON') broken = 'not-json';
    return to;
  };
  const begin = (): void => {
    scanner.begin();
    count += 1;
    place = 'record';
  };
  /** Between records; returns where it stopped. */
  const step = (byte: number, at: number): number => {
    if (isSpace(byte)) return at + 1;
    if (place === 'before' && byte === openArray) {
      isArray = true;
      place = 'first';
      return at + 1;
    }
    if (byte === closeArray && (place === 'first' || place === 'between')) place = 'after';
    else if (place === 'between' && byte === comma) place = 'next';
    else if (place === 'before' || place === 'first' || place === 'next') {
      begin();
      return at;
    } else {
      broken = place === 'after' ? 'after-the-end' : 'not-json';
      count += 1;
    }
    return at + 1;
  };

  return {
    *read(piece) {
      let at = 0;
      while (at < piece.length && broken === undefined) {
        if (place !== 'record') {
          at = step(piece[at] as number, at);
          continue;
        }
        at = record(piece, at);
        if (broken === undefined && scanner.isDone) yield finish();
      }
    },
    *end() {
      scanner.finish();
      if (broken === undefined && place === 'record' && !isArray && scanner.isDone) yield finish();
      if (broken === undefined && place !== 'after' && place !== 'before') {
        if (place !== 'record') count += 1;
        broken = 'cut-off';
      }
    },
    broken: () => broken,
    count: () => count,
    held: () => scanner.held,
  };
}
