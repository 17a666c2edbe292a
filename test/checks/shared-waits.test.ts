import { describe, expect, test } from 'vitest';
import { readTree } from '../../.ci/layers.ts';
import { checkSharedWaits, describeSharedWait } from '../../.ci/shared-waits.ts';

const tree = readTree();

/** The tree with a file changed; each replacement must be there to be made. */
function changed(file: string, ...replacements: readonly (readonly [string, string])[]): Map<string, string> {
  const text = replacements.reduce((before, [old, now]) => {
    expect(before, `${file} has ${old}`).toContain(old);
    return before.replace(old, now);
  }, tree.get(file) ?? '');
  return new Map(tree).set(file, text);
}

const namesIn = (files: ReadonlyMap<string, string>, file: string): string[] =>
  checkSharedWaits(files)
    .filter((wait) => wait.file === file)
    .map(({ name }) => name);

/** What is found in a file of the data plane with these lines in a factory. */
const found = (lines: string): string[] => {
  const file = 'src/gateway/pushes.ts';
  const files = new Map([
    ['src/runtime/worker.ts', "import '../gateway/pushes.ts';"],
    [file, `export async function createAny() {\n${lines}\n}`],
  ]);
  return namesIn(files, file);
};

test('no request of a Worker waits for what another one began', () => {
  expect(checkSharedWaits(tree).map(describeSharedWait)).toEqual([]);
});

describe('what wedged an isolate before is found when it is put back', () => {
  test('the gate around pushes', () => {
    const gate = `
      let free = 2;
      const waiting: (() => void)[] = [];
      return async (work: () => Promise<unknown>) => {
        if (free > 0) free -= 1;
        else await new Promise<void>((enter) => waiting.push(enter));
        try {
          return await work();
        } finally {
          const next = waiting.shift();
          if (next) next();
          else free += 1;
        }
      };`;
    expect(found(gate)).toEqual(['waiting']);
  });

  test('the same gate by the semaphore that there is', () => {
    expect(found('return createSemaphore(2);')).toEqual(['createSemaphore']);
    expect(found('return createKeyedSemaphore(2);')).toEqual(['createKeyedSemaphore']);
  });

  test("the flights of Entra's tokens", () => {
    const file = 'src/entra/tokens.ts';
    const flights = changed(
      file,
      ['createJoining<TokenResult>(options.sharing)', 'new Map<string, Promise<TokenResult>>()'],
      [
        'return flights.once(flight, () => acquire(need, fresh));',
        `const known = flights.get(flight);
         if (known !== undefined) return known;
         const started = acquire(need, fresh).finally(() => flights.delete(flight));
         flights.set(flight, started);
         return started;`,
      ],
    );
    expect(namesIn(flights, file)).toEqual(['flights']);
  });

  test('a renewal behind the answer, which would end with its request', () => {
    const file = 'src/entra/tokens.ts';
    expect(namesIn(changed(file, ['after(renew(need, cached))', 'void renew(need, cached)']), file)).toEqual([
      'renew',
    ]);
  });
});

describe('found is', () => {
  test.each([
    [
      'a promise in a variable',
      'let pending: Promise<void> | undefined; return () => (pending ??= go());',
      'pending',
    ],
    ['a promise in a cache', 'const kept = new LRUCache<string, Promise<Row>>({ max: 1 });', 'kept'],
    ['one behind a member', 'const m = new Map<string, { row: Promise<Row> }>();', 'row'],
    ['joining that nobody can keep apart', 'return createJoining<string>();', 'createJoining'],
    [
      'what resolves a promise, in an entry of a queue',
      'const queue: E[] = []; return (item) => new Promise((resolve) => { const e = { item, resolve }; queue.push(e); });',
      'queue',
    ],
    [
      'what resolves a promise, in a variable',
      'let tell: () => void; return () => new Promise<void>((resolve) => { tell = resolve; });',
      'tell',
    ],
    [
      'what `withResolvers` gives',
      'const trials = new Map<string, T>(); return (key) => { const { promise, resolve } = Promise.withResolvers<void>(); trials.set(key, { resolve }); return promise; };',
      'trials',
    ],
    ['a timer of its own', 'setInterval(() => look(), 1_000);', 'setInterval'],
    ['a promise of the module', '} const ready = new Map<string, Promise<void>>(); {', 'ready'],
  ])('%s', (_name, lines, name) => {
    expect(found(lines)).toContain(name);
  });
});

describe('not found is', () => {
  test.each([
    ['work that the sharing is handed on to', 'return createJoining<string>(options.sharing);'],
    ['a map of functions', 'const asks = new Map<string, () => Promise<void>>();'],
    ['a wait for a timer', 'return (ms) => new Promise((resolve) => setTimeout(resolve, ms));'],
    [
      'a timer that ends with its work',
      'const t = setInterval(look, 9); try { await go(); } finally { clearInterval(t); }',
    ],
    [
      'promises of one call',
      'return async (all) => { const under = all.map((one) => go(one)); return Promise.all(under); };',
    ],
    [
      'what resolves a promise, kept within the call',
      'return () => { const ends: (() => void)[] = []; return new Promise<void>((resolve) => { ends.push(resolve); }); };',
    ],
  ])('%s', (_name, lines) => {
    expect(found(lines)).toEqual([]);
  });
});
