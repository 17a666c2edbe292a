const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Strings, and the characters that open, close or separate; `JSON.parse` has proved the rest well formed. */
const tokens = /"(?:[^"\\]|\\.)*"|[{}[\],]/gs;

/** True where an object in this well-formed JSON text names a member twice, at any depth, escapes undone. */
function hasDuplicateMember(text: string): boolean {
  const open: (Set<string> | undefined)[] = [];
  let nameExpected = false;
  for (const [token] of text.matchAll(tokens)) {
    if (token === '{' || token === '[') {
      open.push(token === '{' ? new Set() : undefined);
      nameExpected = token === '{';
    } else if (token === '}' || token === ']') {
      open.pop();
      nameExpected = false;
    } else if (token === ',') {
      nameExpected = open.at(-1) !== undefined;
    } else if (nameExpected) {
      const names = open.at(-1);
      const name = String(JSON.parse(token));
      if (names?.has(name)) return true;
      names?.add(name);
      nameExpected = false;
    }
  }
  return false;
}

/**
 * Parses bytes that must be one JSON object in UTF-8 without duplicate members; undefined otherwise. RFC 7515
 * section 4 wants duplicates refused or the last taken: two parsers that choose differently see two tokens.
 */
export function parseStrictObject(bytes: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const text = utf8.decode(bytes);
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return hasDuplicateMember(text) ? undefined : { ...value };
  } catch {
    // Bad UTF-8 or bad JSON: both are simply not a strict object.
    return undefined;
  }
}
