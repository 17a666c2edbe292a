/**
 * The types of arrays that statements give and take, by PostgreSQL's fixed numbers. The driver would ask each new connection
 * for them, which on Workers is a round trip for each request. `.ci/statements.ts` refuses a statement with another one.
 */

/** The driver's form of a type. */
interface DriverType {
  readonly to: number;
  readonly from: readonly number[];
  readonly serialize: (value: unknown) => unknown;
  readonly parse: (text: string) => unknown;
}

interface Element {
  readonly write: (value: unknown) => string;
  readonly read: (text: string) => unknown;
}

const text: Element = { write: String, read: (read) => read };
const number: Element = { write: String, read: Number };
const boolean: Element = {
  // A text is what PostgreSQL itself reads as a boolean.
  write: (value) => (value === true ? 't' : value === false ? 'f' : String(value)),
  read: (read) => read === 't',
};
const date: Element = {
  write: (value) => (value instanceof Date ? value : new Date(String(value))).toISOString(),
  read: (read) => new Date(read),
};

/** By the name of the element: the number of its array in pg_type. */
export const arrayTypes = {
  bool: { array: 1000, element: boolean },
  name: { array: 1003, element: text },
  int4: { array: 1007, element: number },
  text: { array: 1009, element: text },
  // Revisions and versions stay far below 2^53.
  int8: { array: 1016, element: number },
  float8: { array: 1022, element: number },
  timestamptz: { array: 1185, element: date },
  uuid: { array: 2951, element: text },
} as const;

const special = /["\\]/;
const quoted = (written: string): string =>
  special.test(written) ? `"${written.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"` : `"${written}"`;

/** PostgreSQL's text of an array; anything but an array is a text already. */
export function writeArray(values: unknown, write: Element['write']): unknown {
  if (!Array.isArray(values)) return values;
  const parts = values.map((value: unknown) => {
    if (value === undefined) throw new TypeError('an element of an array is undefined');
    if (Array.isArray(value)) return writeArray(value, write);
    return value === null ? 'NULL' : quoted(write(value));
  });
  return `{${parts.join(',')}}`;
}

/** Without its end a text would be read for ever. */
function characterAt(source: string, at: number): string {
  const character = source[at];
  if (character === undefined) throw new SyntaxError('the text of an array has no end');
  return character;
}

const endsElement = (character: string): boolean => character === ',' || character === '}';

/** Where the element that begins at `from` ends, and its text; undefined: it is null. */
function readElement(
  source: string,
  from: number,
): { readonly end: number; readonly value: string | undefined } {
  if (source[from] !== '"') {
    let end = from;
    while (!endsElement(characterAt(source, end))) end += 1;
    const bare = source.slice(from, end);
    return { end, value: bare === 'NULL' ? undefined : bare };
  }
  let value = '';
  let at = from + 1;
  while (characterAt(source, at) !== '"') {
    if (source[at] === '\\') at += 1;
    value += characterAt(source, at);
    at += 1;
  }
  return { end: at + 1, value };
}

/** Reads the array whose brace is before `from`. */
function readFrom(
  source: string,
  from: number,
  read: Element['read'],
): { readonly end: number; readonly values: unknown[] } {
  const values: unknown[] = [];
  let at = from;
  while (source[at] !== '}') {
    if (source[at] === '{') {
      const inner = readFrom(source, at + 1, read);
      values.push(inner.values);
      at = inner.end;
    } else {
      const { end, value } = readElement(source, at);
      values.push(value === undefined ? null : read(value));
      at = end;
    }
    if (source[at] === ',') at += 1;
  }
  return { end: at + 1, values };
}

/** Reads PostgreSQL's text of an array. Bounds other than 1 (`[0:1]={…}`) are written before it. */
export const readArray = (source: string, read: Element['read']): unknown[] =>
  readFrom(source, source.indexOf('{') + 1, read).values;

/** What the driver is given as `types`, beside those of its own. */
export const arrayDriverTypes: Readonly<Record<string, DriverType>> = Object.fromEntries(
  Object.entries(arrayTypes).map(([name, { array, element }]) => [
    `${name}Array`,
    {
      to: array,
      from: [array],
      serialize: (values: unknown) => writeArray(values, element.write),
      parse: (source: string) => readArray(source, element.read),
    },
  ]),
);
