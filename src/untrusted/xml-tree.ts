/** Builds objects of an XML document's elements while they are read, within limits of structure. */

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

export interface XmlRoot {
  readonly name: string;
  readonly value: unknown;
}

interface Element {
  readonly name: string;
  readonly children: Record<string, unknown>;
  names: number;
  text: string;
}

export class XmlTree {
  readonly #limits: XmlLimits;
  readonly #open: Element[] = [];
  #elements = 0;
  #keptBytes = 0;
  root: XmlRoot | undefined;
  /** The first thing that was wrong. */
  fault: XmlFault | undefined;

  constructor(limits: XmlLimits) {
    this.#limits = limits;
  }

  get isComplete(): boolean {
    return this.#open.length === 0 && this.root !== undefined;
  }

  fail(fault: XmlFault): void {
    this.fault ??= fault;
  }

  begin(name: string): void {
    this.#elements += 1;
    if (this.#elements > this.#limits.elements) this.fail('TOO_MANY_MEMBERS');
    if (this.#open.length >= this.#limits.depth) this.fail('TOO_DEEP');
    if (name === '' || this.isComplete) this.fail('NOT_WELL_FORMED');
    this.#open.push({ name, children: Object.create(null) as Record<string, unknown>, names: 0, text: '' });
  }

  /** `bytes` is the length of the text as it came. */
  addText(text: string, bytes: number): void {
    const element = this.#open.at(-1);
    if (element) {
      this.#keptBytes += bytes;
      if (this.#keptBytes > this.#limits.keptBytes) this.fail('TOO_LARGE');
      element.text += text;
    } else if (text.trim() !== '') this.fail('NOT_WELL_FORMED');
  }

  endNamed(name: string): void {
    if (this.#open.at(-1)?.name !== name) this.fail('NOT_WELL_FORMED');
    this.end();
  }

  end(): void {
    const element = this.#open.pop();
    if (!element) {
      this.fail('NOT_WELL_FORMED');
      return;
    }
    const text = element.text.trim();
    if (element.names > 0 && text !== '') element.children['#text'] = text;
    const value = element.names > 0 ? element.children : text;
    const parent = this.#open.at(-1);
    if (parent) this.#put(parent, element.name, value);
    else this.root = { name: element.name, value };
  }

  #put(parent: Element, child: string, value: unknown): void {
    const existing = parent.children[child];
    if (existing === undefined) {
      parent.names += 1;
      if (parent.names > this.#limits.names) this.fail('TOO_MANY_MEMBERS');
      parent.children[child] = value;
    } else if (Array.isArray(existing)) existing.push(value);
    else parent.children[child] = [existing, value];
  }
}
