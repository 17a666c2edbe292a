import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from './copy.ts';
import { commandOf, type Kind, kinds, type Mutation, test } from './mutation.ts';
import { mutations } from './mutations.ts';
import { chosen, readOptions } from './options.ts';
import { mutated, staleness } from './source.ts';

/** `npm run test:mutations` takes minutes; that its mutations can still be put in is looked at with every run. */
describe('the mutations', () => {
  it('are each in their file exactly once, and change it', () => {
    expect(mutations.flatMap((mutation) => staleness(mutation, root) ?? [])).toEqual([]);
  });

  it('have names of their own and tests that are there', () => {
    expect(new Set(mutations.map(({ name }) => name)).size).toBe(mutations.length);
    const files = mutations.flatMap(({ noticedBy }) => (noticedBy.run === 'test' ? [noticedBy.file] : []));
    expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([]);
  });

  it('are forty at least, three of each kind', () => {
    const count = (kind: Kind): number => mutations.filter((mutation) => mutation.kind === kind).length;
    expect(mutations.length).toBeGreaterThanOrEqual(40);
    expect(kinds.filter((kind) => count(kind) < 3)).toEqual([]);
  });
});

describe('a mutation', () => {
  const some: Mutation = {
    name: 'some',
    kind: 'lose',
    file: 'test/mutations/mutations.test.ts',
    found: 'a text that is here ' + 'once',
    replacement: '$& as it is',
    noticedBy: test('test/x.test.ts', 'named'),
  };
  // a text that is here once

  it('names itself when its text or its file has gone, or is there more than once', () => {
    expect(staleness(some, root)).toBeUndefined();
    expect(staleness({ ...some, found: 'no such ' + 'text' }, root)).toMatch(/^some: .* 0 times/);
    expect(staleness({ ...some, found: 'expect(' }, root)).toMatch(/^some: .*times, not once/);
    expect(staleness({ ...some, file: 'src/none.ts' }, root)).toBe('some: there is no src/none.ts');
    expect(staleness({ ...some, replacement: some.found }, root)).toBe('some: it changes nothing');
  });

  it('is found however its lines are broken', () => {
    const broken = 'a text that ' + 'is\n   here once';
    expect(staleness({ ...some, found: broken }, root)).toBeUndefined();
    expect(mutated({ ...some, found: broken }, root)).toContain('// $& as it is\n');
  });

  it('is put in as it is written', () => {
    expect(mutated(some, root)).toContain('// $& as it is\n');
  });

  it('is chosen by name and by kind, and an unknown one is refused', () => {
    const all = [some, { ...some, name: 'other', kind: 'skip' as const }];
    const names = (...args: string[]) => chosen(all, readOptions(args)).map(({ name }) => name);
    expect(names()).toEqual(['some', 'other']);
    expect(names('--kind', 'skip')).toEqual(['other']);
    expect(names('--only', 'some', '--only', 'other')).toEqual(['some', 'other']);
    expect(() => names('--only', 'none')).toThrow("there is no mutation 'none'");
    expect(() => names('--kind', 'none')).toThrow('--kind has to be one of');
    expect(() => names('--jobs', '0')).toThrow('--jobs');
  });

  it('says who notices it as a person would run it', () => {
    expect(commandOf(some.noticedBy)).toBe("test/x.test.ts -t 'named'");
  });
});
