/**
 * Parses JSON of others that is there as a whole: nesting and number of values are counted before anything is made of
 * them, in one pass. For texts that are small enough to be parsed in one go; larger ones are read in turns
 * (`json-document.ts`).
 */

export interface StructureLimits {
  /** Nesting of arrays and objects. */
  readonly depth: number;
  /** Array elements and object members. */
  readonly nodes: number;
}

export type StructureFault = 'TOO_DEEP' | 'TOO_MANY_MEMBERS';

/** A megabyte of the smallest values takes JSON.parse some ten milliseconds; nothing that is read here nests so deep. */
export const structureLimits: StructureLimits = { depth: 64, nodes: 200_000 };

const quote = 0x22;
const backslash = 0x5c;

/** Behind the string that begins before this place. */
function endOfString(text: string, from: number): number {
  for (let at = text.indexOf('"', from); at >= 0; at = text.indexOf('"', at + 1)) {
    let escapes = 0;
    while (text.charCodeAt(at - 1 - escapes) === backslash && at - 1 - escapes >= from) escapes += 1;
    if (escapes % 2 === 0) return at + 1;
  }
  return text.length;
}

/** Tells whether a text, valid JSON or not, is nested too deep or holds too much; undefined: neither. */
export function structureFault(
  text: string,
  { depth: maxDepth, nodes: maxNodes } = structureLimits,
): StructureFault | undefined {
  let depth = 0;
  let nodes = 0;
  for (let at = 0; at < text.length; ) {
    const code = text.charCodeAt(at);
    at += 1;
    if (code === quote) at = endOfString(text, at);
    else if (code === 0x5b || code === 0x7b) {
      depth += 1;
      nodes += 1;
      if (depth > maxDepth) return 'TOO_DEEP';
    } else if (code === 0x5d || code === 0x7d) depth -= 1;
    else if (code === 0x2c) nodes += 1;
    if (nodes > maxNodes) return 'TOO_MANY_MEMBERS';
  }
  return undefined;
}

/** Like `JSON.parse`; throws SyntaxError also for what is nested too deep or holds too much. */
export function parseBoundedJson(text: string, limits = structureLimits): unknown {
  const fault = structureFault(text, limits);
  if (fault !== undefined) {
    throw new SyntaxError(fault === 'TOO_DEEP' ? 'it is nested too deep' : 'it holds too many values');
  }
  return JSON.parse(text);
}

/** The same, but `undefined` for what is no such JSON, as a proxy's page. */
export function parseJson(text: string): unknown {
  try {
    return parseBoundedJson(text);
  } catch {
    return undefined;
  }
}

export type JsonObject = Readonly<Record<string, unknown>>;

/** A JSON object: neither `null` nor an array. */
export const isRecord = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const asObject = (value: unknown): JsonObject | undefined =>
  isRecord(value) ? { ...value } : undefined;
