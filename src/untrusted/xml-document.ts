/**
 * Reads one XML document that arrives in pieces into objects: an element's children by name, repeated ones as an array,
 * its text where it has no children. Attributes, comments and processing instructions are passed over; a document type
 * ends the reading, for it can define entities that expand without end or read files. Structure is bounded while it is
 * read, and a piece can be as small as the caller wants to spend time on.
 */

import { BoundedBytes } from './bounded-bytes.ts';
import { isSpace } from './json-value.ts';
import { type XmlFault, type XmlLimits, type XmlRoot, XmlTree } from './xml-tree.ts';

/** Makes text of an element's bytes, references included. */
type Decode = (bytes: Uint8Array, isCdata: boolean) => string;

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

const maxNameBytes = 1_024;
const less = 0x3c;
const greater = 0x3e;
const slash = 0x2f;
const bang = 0x21;
const question = 0x3f;
const equals = 0x3d;
const hyphen = 0x2d;
const closeBracket = 0x5d;
const doubleQuote = 0x22;
const singleQuote = 0x27;
const cdataStart = '[CDATA[';
const commentStart = '--';

export class XmlReader {
  readonly #decode: Decode;
  readonly #tree: XmlTree;
  readonly #text: BoundedBytes;
  readonly #name = new BoundedBytes(maxNameBytes);
  #mode: Mode = 'text';
  /** The last two bytes, because terminators are two or three bytes long. */
  #last = 0;
  #beforeLast = 0;
  /** The quote that ends the attribute's value. */
  #quote = 0;
  /** The text that `<!` seems to begin, and how much of it has matched. */
  #expected = '';
  #matched = 0;

  constructor(limits: XmlLimits, decode: Decode) {
    this.#decode = decode;
    this.#tree = new XmlTree(limits);
    this.#text = new BoundedBytes(limits.textBytes);
  }

  get fault(): XmlFault | undefined {
    return this.#tree.fault;
  }

  /** The root element, once it has ended without a fault. */
  get root(): XmlRoot | undefined {
    return this.#tree.root;
  }

  push(piece: Uint8Array): void {
    let at = 0;
    while (at < piece.length && this.#tree.fault === undefined) {
      if (this.#mode === 'text') at = this.#readText(piece, at);
      else this.#step(piece[at++] as number);
    }
  }

  end(): void {
    if (this.#mode === 'text') this.#takeText(false);
    if (this.#mode !== 'text' || !this.#tree.isComplete) this.#tree.fail('NOT_WELL_FORMED');
  }

  #step(byte: number): void {
    const mode = this.#mode;
    if (mode === 'markup') this.#beginMarkup(byte);
    else if (mode === 'name') this.#inName(byte);
    else if (mode === 'attributes') this.#inAttributes(byte);
    else if (mode === 'quoted') this.#inQuoted(byte);
    else if (mode === 'end-name') this.#inEndName(byte);
    else if (mode === 'bang') this.#afterBang(byte);
    else if (mode === 'cdata') this.#inCdata(byte);
    else if (mode === 'comment' && this.#isTerminator(byte, hyphen, hyphen)) this.#mode = 'text';
    else if (mode === 'instruction' && this.#isTerminator(byte, undefined, question)) this.#mode = 'text';
  }

  #keep(buffer: BoundedBytes, byte: number): void {
    if (!buffer.addByte(byte)) this.#tree.fail('TOO_LARGE');
  }

  #readText(piece: Uint8Array, from: number): number {
    const found = piece.indexOf(less, from);
    const to = found < 0 ? piece.length : found;
    if (to > from && !this.#text.add(piece, from, to)) this.#tree.fail('TOO_LARGE');
    if (found < 0) return to;
    this.#takeText(false);
    this.#mode = 'markup';
    return to + 1;
  }

  #takeText(isCdata: boolean): void {
    const { bytes, size } = this.#text;
    if (size === 0) return;
    this.#tree.addText(this.#decode(bytes, isCdata), size);
    this.#text.clear();
  }

  /** The name without its namespace's prefix. */
  #takeName(): string {
    const text = this.#decode(this.#name.bytes, true);
    this.#name.clear();
    return text.slice(text.lastIndexOf(':') + 1);
  }

  #beginMarkup(byte: number): void {
    this.#last = 0;
    this.#beforeLast = 0;
    this.#name.clear();
    if (byte === slash) this.#mode = 'end-name';
    else if (byte === question) this.#mode = 'instruction';
    else if (byte === bang) {
      this.#mode = 'bang';
      this.#matched = 0;
    } else {
      this.#mode = 'name';
      this.#inName(byte);
    }
  }

  #inName(byte: number): void {
    if (byte === greater) {
      this.#tree.begin(this.#takeName());
      if (this.#last === slash) this.#tree.end();
      this.#mode = 'text';
    } else if (isSpace(byte)) {
      this.#tree.begin(this.#takeName());
      this.#last = 0;
      this.#mode = 'attributes';
    } else if (byte === less) this.#tree.fail('NOT_WELL_FORMED');
    else {
      // A slash ends the element only before the end of the tag: display fields have names such as `Make/Model`.
      if (this.#last === slash) this.#keep(this.#name, slash);
      this.#last = byte === slash ? slash : 0;
      if (byte !== slash) this.#keep(this.#name, byte);
    }
  }

  /** A quote counts after an equals sign only: display fields become names such as `Joe's Mac`. */
  #inAttributes(byte: number): void {
    if (byte === greater) {
      if (this.#last === slash) this.#tree.end();
      this.#mode = 'text';
    } else if (byte === less) this.#tree.fail('NOT_WELL_FORMED');
    else if ((byte === doubleQuote || byte === singleQuote) && this.#last === equals) {
      this.#quote = byte;
      this.#mode = 'quoted';
    } else if (!isSpace(byte)) this.#last = byte;
  }

  #inQuoted(byte: number): void {
    if (byte !== this.#quote) return;
    this.#last = 0;
    this.#mode = 'attributes';
  }

  /** The name ends at its first space, as that of a start tag does. */
  #inEndName(byte: number): void {
    if (byte === greater) {
      this.#tree.endNamed(this.#takeName());
      this.#mode = 'text';
    } else if (byte === less) this.#tree.fail('NOT_WELL_FORMED');
    else if (isSpace(byte)) this.#last = byte;
    else if (this.#last === 0) this.#keep(this.#name, byte);
  }

  /** Behind `<!` comes a comment or a section of text, letter by letter; anything else is a document type. */
  #afterBang(byte: number): void {
    if (this.#matched === 0) this.#expected = byte === cdataStart.charCodeAt(0) ? cdataStart : commentStart;
    if (byte !== this.#expected.charCodeAt(this.#matched)) this.#tree.fail('DOCUMENT_TYPE');
    this.#matched += 1;
    if (this.#matched === this.#expected.length)
      this.#mode = this.#expected === cdataStart ? 'cdata' : 'comment';
  }

  #inCdata(byte: number): void {
    this.#keep(this.#text, byte);
    if (!this.#isTerminator(byte, closeBracket, closeBracket)) return;
    this.#text.dropLast(']]>'.length);
    this.#takeText(true);
    this.#mode = 'text';
  }

  /** True where `>` ends it here, behind these two bytes. */
  #isTerminator(byte: number, first: number | undefined, second: number): boolean {
    const isEnd =
      byte === greater && this.#last === second && (first === undefined || this.#beforeLast === first);
    this.#beforeLast = this.#last;
    this.#last = byte;
    return isEnd;
  }
}
