import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createArrayReader, createLineReader, type RecordReader } from './json-records.ts';

const limits = { bytes: 100_000, keptBytes: 10_000, keptNodes: 1_000, membersOfObject: 500, depth: 64 };
const members = new Set(['id', 'general', 'é"']);
const utf8 = new TextEncoder();

/** The body in pieces of these sizes, over and over. */
function readIn(reader: RecordReader, body: Uint8Array, sizes: readonly number[] = [body.length || 1]) {
  const read: unknown[] = [];
  const take = (
    records: Iterable<{ index: number; text?: Uint8Array | undefined; fault?: string | undefined }>,
  ) => {
    for (const { fault, index, text } of records) {
      expect(index).toBe(read.length);
      read.push(text === undefined ? fault : JSON.parse(new TextDecoder().decode(text)));
    }
  };
  for (let at = 0, turn = 0; at < body.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    take(reader.read(body.subarray(at, at + size)));
    at += size;
  }
  take(reader.end());
  return { read, broken: reader.broken(), count: reader.count() };
}

const array = (text: string, sizes?: readonly number[]) =>
  readIn(createArrayReader(limits, members), utf8.encode(text), sizes);
const lines = (text: string, sizes?: readonly number[]) =>
  readIn(createLineReader(limits, members), utf8.encode(text), sizes);

const record = fc.dictionary(
  fc.constantFrom('id', 'general', 'é"', 'applications', '__proto__', 'x'),
  fc.jsonValue(),
  {
    noNullPrototype: true,
  },
);
const kept = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).filter(([name]) => members.has(name)))
    : value;
const again = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 });
const records = fc.array(fc.oneof(record, fc.jsonValue()));

describe('records of a body', () => {
  it('are what JSON.parse makes of them, less what is not kept, however the body is cut into pieces', () => {
    fc.assert(
      fc.property(records, sizes, fc.constantFrom(undefined, 2, '\t'), (values, cut, space) => {
        const text = JSON.stringify(values, null, space);
        expect(array(text, cut)).toEqual({
          read: again(values.map(kept)),
          broken: undefined,
          count: values.length,
        });
      }),
    );
    fc.assert(
      fc.property(records, sizes, fc.constantFrom('\n', '\r\n', '\n\n \n'), (values, cut, newline) => {
        const text = values.map((value) => JSON.stringify(value)).join(newline);
        expect(lines(text, cut).read).toEqual(again(values.map(kept)));
      }),
    );
  });

  it('accepts nothing that JSON.parse refuses, save in what is left out', () => {
    const tokens = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"id"',
      '"general"',
      '1',
      'true',
      '"x',
      '\\',
      ' ',
      'nul',
    );
    fc.assert(
      fc.property(fc.array(tokens, { maxLength: 14 }), sizes, (parts, cut) => {
        const text = parts.join('');
        const body = utf8.encode(`[${text}]`);
        const reader = createArrayReader(limits, members);
        let failed = false;
        try {
          const { broken, read } = readIn(reader, body, cut);
          failed = broken !== undefined || read.some((one) => typeof one === 'string');
        } catch {
          failed = true;
        }
        let valid = true;
        try {
          JSON.parse(`[${text}]`);
        } catch {
          valid = false;
        }
        if (!valid) expect(failed).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it('refuses one record that is too deep, too large or too wide, and reads those beside it', () => {
    const deep = `${'['.repeat(9_000)}${']'.repeat(9_000)}`;
    const wide = `{${Array.from({ length: 600 }, (_, at) => `"k${at}":1`).join(',')}}`;
    const bodies = [
      [`{"id":1,"general":${deep}}`, 'TOO_DEEP'],
      [`{"id":1,"applications":${deep}}`, 'TOO_DEEP'],
      [`{"id":1,"applications":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, 'TOO_DEEP'],
      [`{"id":1,"general":"${'x'.repeat(20_000)}"}`, 'TOO_LARGE'],
      [`{"id":1,"applications":"${'x'.repeat(200_000)}"}`, 'TOO_LARGE'],
      [`{"id":1,"general":[${'1,'.repeat(2_000)}1]}`, 'TOO_MANY_MEMBERS'],
      [`{"id":1,"general":${wide}}`, 'TOO_MANY_MEMBERS'],
      [`"${'x'.repeat(20_000)}"`, 'TOO_LARGE'],
    ] as const;
    for (const [bad, fault] of bodies) {
      const good = '{"id":2}';
      expect(array(`[${good},${bad},${good}]`, [1_000]).read).toEqual([{ id: 2 }, fault, { id: 2 }]);
      expect(lines(`${good}\n${bad}\n${good}`, [1_000]).read).toEqual([{ id: 2 }, fault, { id: 2 }]);
    }
    // A member that is left out costs nothing, however wide it is.
    expect(array(`[{"id":1,"applications":[${'1,'.repeat(20_000)}1]}]`).read).toEqual([{ id: 1 }]);
  });

  it('keeps what came before a broken tail, and says what is broken', () => {
    expect(array('[{"id":1},{"id":2}').broken).toBe('cut-off');
    expect(array('[{"id":1},{"id":2')).toEqual({ read: [{ id: 1 }], broken: 'cut-off', count: 2 });
    expect(array('[{"id":1},?]')).toMatchObject({ read: [{ id: 1 }], broken: 'not-json', count: 2 });
    expect(array('[{"id":1}] x')).toMatchObject({ read: [{ id: 1 }], broken: 'after-the-end', count: 2 });
    expect(array('[{"id":1},]')).toMatchObject({ read: [{ id: 1 }], broken: 'not-json' });
    expect(array('['.repeat(100_000), [5_000]).broken).toBe('cut-off');
    expect(array('['.repeat(1_100_000), [65_536]).broken).toBe('hopeless');
    expect(array('')).toEqual({ read: [], broken: undefined, count: 0 });
    expect(lines('{"id":1}\n{"id":\n[1\n{"id":4} x\n"a\n{"id":6}').read).toEqual([
      { id: 1 },
      ...Array<string>(4).fill('INVALID_JSON'),
      { id: 6 },
    ]);
  });
});
