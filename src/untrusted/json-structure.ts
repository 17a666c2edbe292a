/** Counts nesting, members and nodes of one JSON value while it is scanned, and remembers the first thing that was wrong. */

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

export class JsonStructure {
  readonly #limits: ValueLimits;
  /** State by depth: whether the container is an object, and how many commas it has had. */
  readonly #isObject: Uint8Array;
  readonly #commas: Uint32Array;
  /** True while values are kept: a value that is left out counts for the nesting only. */
  isKept = true;
  fault: ValueFault | undefined;
  depth = 0;
  /** The nesting as far as it has been seen, also beyond the limit. */
  deepest = 0;
  /** Nodes that were kept so far. */
  nodes = 0;

  constructor(limits: ValueLimits) {
    this.#limits = limits;
    this.#isObject = new Uint8Array(limits.depth + 2);
    this.#commas = new Uint32Array(limits.depth + 2);
  }

  /**
   * Begins another value; its nodes are counted together with those of the value before where they are kept together.
   */
  reset(nodes: number): void {
    this.isKept = true;
    this.fault = undefined;
    this.depth = 0;
    this.deepest = 0;
    this.nodes = nodes;
  }

  fail(fault: ValueFault): void {
    this.fault ??= fault;
  }

  open(isObject: boolean): void {
    this.depth += 1;
    const { depth } = this;
    if (depth > this.deepest) this.deepest = depth;
    this.#countNode();
    if (depth > this.#limits.depth) this.fail('TOO_DEEP');
    else {
      this.#isObject[depth] = isObject ? 1 : 0;
      this.#commas[depth] = 0;
    }
  }

  close(isObject: boolean): void {
    const { depth } = this;
    if (depth <= this.#limits.depth && this.#isObject[depth] !== (isObject ? 1 : 0))
      this.fail('INVALID_JSON');
    this.depth -= 1;
  }

  comma(): void {
    this.#countNode();
    const { depth } = this;
    if (depth > this.#limits.depth) return;
    const count = (this.#commas[depth] as number) + 1;
    this.#commas[depth] = count;
    if (this.isKept && this.#isObject[depth] === 1 && count >= this.#limits.membersOfObject)
      this.fail('TOO_MANY_MEMBERS');
  }

  /** Commas of the container that is open now. */
  get commas(): number {
    return this.#commas[this.depth] ?? 0;
  }

  #countNode(): void {
    if (!this.isKept) return;
    this.nodes += 1;
    if (this.nodes > this.#limits.keptNodes) this.fail('TOO_MANY_MEMBERS');
  }
}
