/**
 * Scans one JSON value that arrives in pieces and keeps its text, or of an object only some members. Nothing becomes
 * an object here: depth, members and size are known before anything is made of them. What is left out is only looked
 * through for its end, so it costs no memory; what is kept is to be parsed by `JSON.parse`, which is strict.
 */

export interface ValueLimits {
  /** Nesting of arrays and objects. */
  readonly depth: number;
  /** The length of the value as it came. */
  readonly bytes: number;
  readonly keptBytes: number;
  /** Array elements and object members that are kept. */
  readonly keptNodes: number;
  readonly membersOfObject: number;
}

export type ValueFault = 'INVALID_JSON' | 'TOO_DEEP' | 'TOO_LARGE' | 'TOO_MANY_MEMBERS';

export interface ValueScanner {
  /** Goes on at this place; returns where it stopped: at the end of the piece, or behind the value when `isDone`. */
  scan(piece: Uint8Array, from: number): number;
  isBegun(): boolean;
  isDone(): boolean;
  /** Ends a number or literal that only the end of the input ends. */
  finish(): void;
  /** The first thing that was wrong; the end of the value is looked for all the same. */
  fault(): ValueFault | undefined;
  /** Its nesting as far as it has been seen, also beyond the limit. */
  deepest(): number;
  /** Nodes that were kept so far. */
  nodes(): number;
  /** What was kept, valid until the next `begin`. */
  kept(): Uint8Array;
  /** Another value. With `append` its text follows what is kept already, after this byte. */
  begin(append?: number): void;
}

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

/** Members are found by names shorter than this; a longer one is of no interest. */
const nameBytes = 64;

type Mode =
  | 'before'
  | 'inside'
  | 'string'
  | 'token'
  | 'name'
  | 'in-name'
  | 'colon'
  | 'member'
  | 'next'
  | 'done';

const decoder = new TextDecoder();
const nameOf = (bytes: Uint8Array): string => {
  const text = decoder.decode(bytes);
  if (!text.includes('\\')) return text;
  try {
    return String(JSON.parse(`"${text}"`));
  } catch {
    // No name of ours; the value is left out.
    return text;
  }
};

/** A buffer that grows up to a limit; beyond it nothing is taken any more. */
export function createKept(limitBytes: number) {
  let buffer = new Uint8Array(Math.min(4_096, limitBytes));
  let size = 0;
  const grow = (piece: Uint8Array, from: number, to: number): boolean => {
    const wanted = size + to - from;
    if (wanted > limitBytes) return false;
    if (wanted > buffer.length) {
      const larger = new Uint8Array(Math.min(limitBytes, Math.max(wanted, buffer.length * 2)));
      larger.set(buffer.subarray(0, size));
      buffer = larger;
    }
    if (to - from < 16) for (let at = from; at < to; at += 1) buffer[size + at - from] = piece[at] as number;
    else buffer.set(piece.subarray(from, to), size);
    size = wanted;
    return true;
  };
  return {
    clear: () => {
      size = 0;
      if (buffer.length > 65_536) buffer = new Uint8Array(4_096);
    },
    size: () => size,
    addByte: (byte: number): boolean => {
      if (size >= limitBytes) return false;
      if (size < buffer.length) {
        buffer[size] = byte;
        size += 1;
        return true;
      }
      return grow(Uint8Array.of(byte), 0, 1);
    },
    /** Takes back the last bytes. */
    drop: (bytes: number) => {
      size -= bytes;
    },
    /** False: it is full. */
    add: grow,
    bytes: () => buffer.subarray(0, size),
  };
}

const one = (byte: number): Uint8Array => Uint8Array.of(byte);
const braces = { open: one(openObject), close: one(closeObject), comma: one(comma) };

/** `members`: of an object only these are kept; everything unless given. */
export function createValueScanner(limits: ValueLimits, members?: ReadonlySet<string>): ValueScanner {
  const kept = createKept(limits.keptBytes);
  const shownNames = new Map(
    [...(members ?? [])].map((member) => [member, new TextEncoder().encode(`${JSON.stringify(member)}:`)]),
  );
  const name = createKept(nameBytes + 2);
  /** By depth: whether the container is an object, and how many commas it has had. */
  const isObject = new Uint8Array(limits.depth + 2);
  const commas = new Uint32Array(limits.depth + 2);
  let mode: Mode = 'before';
  let fault: ValueFault | undefined;
  let depth = 0;
  let deepest = 0;
  /** Depth at which the value that is passed over or kept ends. */
  let base = 0;
  let escaped = false;
  let keeping = true;
  let isFirst = true;
  let nameFits = true;
  let bytes = 0;
  let nodes = 0;

  const fail = (what: ValueFault): void => {
    fault ??= what;
  };
  const keep = (piece: Uint8Array, from: number, to: number): void => {
    if (!keeping || fault !== undefined) return;
    if (!kept.add(piece, from, to)) fail('TOO_LARGE');
  };
  const node = (): void => {
    if (keeping && ++nodes > limits.keptNodes) fail('TOO_MANY_MEMBERS');
  };
  const open = (byte: number): void => {
    depth += 1;
    if (depth > deepest) deepest = depth;
    node();
    if (depth > limits.depth) fail('TOO_DEEP');
    else {
      isObject[depth] = byte === openObject ? 1 : 0;
      commas[depth] = 0;
    }
  };
  const close = (byte: number): void => {
    if (depth <= limits.depth && isObject[depth] !== (byte === closeObject ? 1 : 0)) fail('INVALID_JSON');
    depth -= 1;
  };
  const between = (): void => {
    node();
    if (depth > limits.depth) return;
    const count = (commas[depth] as number) + 1;
    commas[depth] = count;
    if (keeping && isObject[depth] === 1 && count >= limits.membersOfObject) fail('TOO_MANY_MEMBERS');
  };
  const ended = (): Mode => (base === 0 ? 'done' : 'next');

  /** The first byte of a value. */
  const start = (byte: number): Mode => {
    if (byte === openObject || byte === openArray) {
      open(byte);
      return 'inside';
    }
    escaped = false;
    if (byte === quote) return 'string';
    if (byte !== 0x2d && !(byte >= 0x30 && byte <= 0x39) && byte !== 0x74 && byte !== 0x66 && byte !== 0x6e) {
      fail('INVALID_JSON');
    }
    return 'token';
  };

  /** Behind the string that goes on here, or the end of the piece while `mode` stays `string`. */
  const endOfString = (piece: Uint8Array, from: number): number => {
    const end = piece.length;
    let at = from;
    mode = 'string';
    if (escaped && at < end) {
      escaped = false;
      at += 1;
    }
    while (at < end) {
      const byte = piece[at] as number;
      at += 1;
      if (byte === quote) {
        mode = depth > base ? 'inside' : ended();
        return at;
      }
      if (byte === backslash) {
        if (at >= end) escaped = true;
        at += 1;
      }
    }
    return end;
  };

  /** Inside of arrays and objects; returns where it stopped. */
  const inside = (piece: Uint8Array, from: number): number => {
    const end = piece.length;
    let at = from;
    while (at < end) {
      const byte = piece[at] as number;
      at += 1;
      if (byte === quote) {
        at = endOfString(piece, at);
        if (mode === 'string') return at;
      } else if (byte === comma) between();
      else if (byte === openObject || byte === openArray) open(byte);
      else if (byte === closeObject || byte === closeArray) {
        close(byte);
        if (depth === base) {
          mode = ended();
          return at;
        }
      }
    }
    return end;
  };

  /** A number or a literal outside of any container: it ends where something else begins. */
  const token = (piece: Uint8Array, from: number): number => {
    let at = from;
    for (; at < piece.length; at += 1) {
      const byte = piece[at] as number;
      if (isSpace(byte) || byte === comma || byte === closeArray || byte === closeObject) {
        mode = ended();
        return at;
      }
    }
    return at;
  };

  const inName = (piece: Uint8Array, from: number): number => {
    const end = piece.length;
    let at = from;
    let stop = false;
    for (; at < end && !stop; at += 1) {
      const byte = piece[at] as number;
      if (escaped) escaped = false;
      else if (byte === backslash) escaped = true;
      else if (byte === quote) stop = true;
    }
    const to = stop ? at - 1 : at;
    nameFits = nameFits && name.add(piece, from, to);
    if (stop) mode = 'colon';
    return at;
  };

  const member = (piece: Uint8Array, at: number): number => {
    const shown = nameFits ? shownNames.get(nameOf(name.bytes())) : undefined;
    keeping = shown !== undefined;
    if (shown) {
      if (!isFirst) keep(braces.comma, 0, 1);
      isFirst = false;
      keep(shown, 0, shown.length);
    }
    keep(piece, at, at + 1);
    mode = start(piece[at] as number);
    return at + 1;
  };

  /** Between the members of the object whose members are chosen. */
  const outside = (piece: Uint8Array, at: number): number => {
    const byte = piece[at] as number;
    if (isSpace(byte)) return at + 1;
    if (mode === 'name' && byte === quote) {
      name.clear();
      nameFits = true;
      escaped = false;
      mode = 'in-name';
    } else if (mode === 'colon' && byte === colon) mode = 'member';
    else if (mode === 'next' && byte === comma) {
      keeping = true;
      between();
      mode = 'name';
    } else if (byte === closeObject && (mode === 'next' || (mode === 'name' && commas[1] === 0))) {
      keeping = true;
      keep(braces.close, 0, 1);
      depth = 0;
      mode = 'done';
    } else if (mode === 'member') return member(piece, at);
    else {
      // From here on the structure is unknown: nothing but the end of its brackets is looked for.
      fail('INVALID_JSON');
      base = 0;
      mode = 'inside';
      return at;
    }
    return at + 1;
  };

  const begin = (piece: Uint8Array, at: number): number => {
    const byte = piece[at] as number;
    if (isSpace(byte)) return at + 1;
    if (members && byte === openObject) {
      open(byte);
      keep(braces.open, 0, 1);
      base = 1;
      mode = 'name';
      return at + 1;
    }
    keep(piece, at, at + 1);
    mode = start(byte);
    return at + 1;
  };

  const step = (piece: Uint8Array, at: number): number => {
    if (mode === 'before') return begin(piece, at);
    if (mode === 'in-name') return inName(piece, at);
    if (mode === 'name' || mode === 'colon' || mode === 'member' || mode === 'next')
      return outside(piece, at);
    const to =
      mode === 'string' ? endOfString(piece, at) : mode === 'token' ? token(piece, at) : inside(piece, at);
    keep(piece, at, to);
    return to;
  };

  return {
    scan: (piece, from) => {
      let at = from;
      while (at < piece.length && mode !== 'done') at = step(piece, at);
      bytes += at - from;
      if (bytes > limits.bytes) fail('TOO_LARGE');
      return at;
    },
    isBegun: () => mode !== 'before',
    isDone: () => mode === 'done',
    finish: () => {
      if (mode === 'token' && base === 0) mode = 'done';
    },
    fault: () => fault,
    deepest: () => deepest,
    nodes: () => nodes,
    kept: () => kept.bytes(),
    begin: (append) => {
      if (append === undefined || kept.size() === 0) {
        kept.clear();
        nodes = 0;
      } else if (!kept.add(one(append), 0, 1)) fault = 'TOO_LARGE';
      mode = 'before';
      fault = undefined;
      depth = 0;
      deepest = 0;
      base = 0;
      keeping = true;
      isFirst = true;
      bytes = 0;
    },
  };
}
