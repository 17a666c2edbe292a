import { createKept, isSpace } from './json-value.ts';

/**
 * Reads one XML document that arrives in pieces into objects: an element's children by name, repeated ones as an array,
 * its text where it has no children. Attributes, comments and processing instructions are passed over; a document type
 * ends the reading, for it can define entities that expand without end or read files. Structure is bounded while it is
 * read, and a piece can be as small as the caller wants to spend time on.
 */

export interface XmlLimits {
  readonly depth: number;
  readonly elements: number;
  /** Different names of children in one element. */
  readonly names: number;
  /** The length of one text, and of all texts that are kept. */
  readonly textBytes: number;
  readonly keptBytes: number;
}

export type XmlFault = 'NOT_WELL_FORMED' | 'DOCUMENT_TYPE' | 'TOO_DEEP' | 'TOO_LARGE' | 'TOO_MANY_MEMBERS';

export interface XmlReader {
  push(piece: Uint8Array): void;
  end(): void;
  fault(): XmlFault | undefined;
  /** Name and value of the root element, once it has ended without a fault. */
  root(): { readonly name: string; readonly value: unknown } | undefined;
}

interface Element {
  readonly name: string;
  readonly children: Record<string, unknown>;
  names: number;
  text: string;
}

type Mode =
  | 'text'
  | 'markup'
  | 'name'
  | 'attributes'
  | 'quoted'
  | 'end-name'
  | 'bang'
  | 'comment'
  | 'cdata'
  | 'instruction';

const nameBytes = 1_024;
const less = 0x3c;
const greater = 0x3e;
const slash = 0x2f;
const cdataStart = '[CDATA[';
const commentStart = '--';

/** `decode` makes text of an element's bytes, references included. */
export function createXmlReader(
  limits: XmlLimits,
  decode: (bytes: Uint8Array, isCdata: boolean) => string,
): XmlReader {
  const kept = createKept(limits.textBytes);
  const name = createKept(nameBytes);
  const open: Element[] = [];
  let root: { name: string; value: unknown } | undefined;
  let mode: Mode = 'text';
  let fault: XmlFault | undefined;
  let elements = 0;
  let keptBytes = 0;
  /** The last bytes, for what ends after two or three of them. */
  let last = 0;
  let beforeLast = 0;
  let quote = 0;
  /** What `<!` seems to begin, and how much of it has come. */
  let started: string | undefined;
  let matched = 0;

  const fail = (what: XmlFault): void => {
    fault ??= what;
  };
  const keep = (buffer: ReturnType<typeof createKept>, piece: Uint8Array, from: number, to: number): void => {
    if (!buffer.add(piece, from, to)) fail('TOO_LARGE');
  };
  const keepByte = (buffer: ReturnType<typeof createKept>, byte: number): void => {
    if (!buffer.addByte(byte)) fail('TOO_LARGE');
  };
  const takeText = (isCdata: boolean): void => {
    const size = kept.size();
    if (size === 0) return;
    const element = open.at(-1);
    const text = decode(kept.bytes(), isCdata);
    kept.clear();
    if (element) {
      keptBytes += size;
      if (keptBytes > limits.keptBytes) fail('TOO_LARGE');
      element.text += text;
    } else if (text.trim() !== '') fail('NOT_WELL_FORMED');
  };
  const takeName = (): string => {
    const text = decode(name.bytes(), true);
    name.clear();
    return text.slice(text.lastIndexOf(':') + 1);
  };
  const begin = (): void => {
    elements += 1;
    if (elements > limits.elements) fail('TOO_MANY_MEMBERS');
    if (open.length >= limits.depth) fail('TOO_DEEP');
    const of = takeName();
    if (of === '' || (open.length === 0 && root !== undefined)) fail('NOT_WELL_FORMED');
    open.push({ name: of, children: Object.create(null) as Record<string, unknown>, names: 0, text: '' });
  };
  const put = (parent: Element, child: string, value: unknown): void => {
    const there = parent.children[child];
    if (there === undefined) {
      parent.names += 1;
      if (parent.names > limits.names) fail('TOO_MANY_MEMBERS');
      parent.children[child] = value;
    } else if (Array.isArray(there)) there.push(value);
    else parent.children[child] = [there, value];
  };
  const end = (): void => {
    const element = open.pop();
    if (!element) {
      fail('NOT_WELL_FORMED');
      return;
    }
    const text = element.text.trim();
    if (element.names > 0 && text !== '') element.children['#text'] = text;
    const value = element.names > 0 ? element.children : text;
    const parent = open.at(-1);
    if (parent) put(parent, element.name, value);
    else root = { name: element.name, value };
  };

  const text = (piece: Uint8Array, from: number): number => {
    const found = piece.indexOf(less, from);
    const to = found < 0 ? piece.length : found;
    if (to > from) keep(kept, piece, from, to);
    if (found < 0) return to;
    takeText(false);
    mode = 'markup';
    name.clear();
    return to + 1;
  };
  const beginBang = (): void => {
    mode = 'bang';
    started = undefined;
    matched = 0;
  };
  const markup = (byte: number): void => {
    last = 0;
    beforeLast = 0;
    if (byte === slash) mode = 'end-name';
    else if (byte === 0x21) beginBang();
    else if (byte === 0x3f) mode = 'instruction';
    else {
      mode = 'name';
      inName(byte);
    }
  };
  const inName = (byte: number): void => {
    if (byte === greater) {
      const isEmpty = last === slash;
      begin();
      if (isEmpty) end();
      mode = 'text';
    } else if (isSpace(byte)) {
      begin();
      last = 0;
      mode = 'attributes';
    } else if (byte === less) fail('NOT_WELL_FORMED');
    else {
      // Only before the end of the tag does a slash end the element: display fields have names such as `Make/Model`.
      if (last === slash) keepByte(name, slash);
      last = byte === slash ? slash : 0;
      if (byte !== slash) keepByte(name, byte);
    }
  };
  /** A quote counts after an equals sign only: display fields become names such as `Joe's Mac`. */
  const inAttributes = (byte: number): void => {
    if (byte === greater) {
      if (last === slash) end();
      mode = 'text';
    } else if (byte === less) fail('NOT_WELL_FORMED');
    else if ((byte === 0x22 || byte === 0x27) && last === 0x3d) {
      quote = byte;
      mode = 'quoted';
    } else if (!isSpace(byte)) last = byte;
  };
  /** Up to its first space, as the name of its start tag is read. */
  const inEndName = (byte: number): void => {
    if (byte === greater) {
      if (open.at(-1)?.name !== takeName()) fail('NOT_WELL_FORMED');
      end();
      mode = 'text';
    } else if (byte === less) fail('NOT_WELL_FORMED');
    else if (isSpace(byte)) last = byte;
    else if (last === 0) keepByte(name, byte);
  };
  /** Behind `<!`: a comment or a section of text, letter by letter; anything else is a document type. */
  const inBang = (byte: number): void => {
    if (started === undefined) started = byte === cdataStart.charCodeAt(0) ? cdataStart : commentStart;
    if (byte !== started.charCodeAt(matched)) fail('DOCUMENT_TYPE');
    matched += 1;
    if (matched < started.length) return;
    mode = started === cdataStart ? 'cdata' : 'comment';
  };
  /** Whether the terminator ends here. */
  const ends = (byte: number, first: number, second: number): boolean => {
    const isEnd = byte === greater && last === second && (first === 0 || beforeLast === first);
    beforeLast = last;
    last = byte;
    return isEnd;
  };
  const inCdata = (byte: number): void => {
    keepByte(kept, byte);
    if (!ends(byte, 0x5d, 0x5d)) return;
    kept.drop(3);
    takeText(true);
    mode = 'text';
  };
  const step = (byte: number): void => {
    if (mode === 'markup') markup(byte);
    else if (mode === 'name') inName(byte);
    else if (mode === 'attributes') inAttributes(byte);
    else if (mode === 'end-name') inEndName(byte);
    else if (mode === 'bang') inBang(byte);
    else if (mode === 'cdata') inCdata(byte);
    else if (mode === 'comment' && ends(byte, 0x2d, 0x2d)) mode = 'text';
    else if (mode === 'instruction' && ends(byte, 0, 0x3f)) mode = 'text';
    else if (mode === 'quoted' && byte === quote) {
      last = 0;
      mode = 'attributes';
    }
  };

  return {
    push: (piece) => {
      let at = 0;
      while (at < piece.length && fault === undefined) {
        if (mode === 'text') at = text(piece, at);
        else step(piece[at++] as number);
      }
    },
    end: () => {
      if (mode === 'text') takeText(false);
      if (mode !== 'text' || open.length > 0 || root === undefined) fail('NOT_WELL_FORMED');
    },
    fault: () => fault,
    root: () => root,
  };
}
