import { beforeAll, describe, expect, test } from 'vitest';
import { readTree } from '../../.ci/layers.ts';
import { checkSharedWaits, describeSharedWait, type SharedWait } from '../../.ci/shared-waits.ts';

const tree = readTree();

/** The files with one of them changed; each replacement must be there to be made. */
function changed(
  files: ReadonlyMap<string, string>,
  file: string,
  ...replacements: readonly (readonly [string, string])[]
): Map<string, string> {
  const text = replacements.reduce((before, [old, now]) => {
    expect(before, `${file} has ${old}`).toContain(old);
    return before.replace(old, now);
  }, files.get(file) ?? '');
  return new Map(files).set(file, text);
}

const namesIn = (waits: readonly SharedWait[], file: string): string[] =>
  waits.filter((wait) => wait.file === file).map(({ name }) => name);

/** Names of the waits that the check finds in a file of the data plane whose factory has these lines. */
const found = (lines: string): string[] => {
  const file = 'src/gateway/pushes.ts';
  const files = new Map([
    ['src/runtime/worker.ts', "import '../gateway/pushes.ts';"],
    [file, `export async function createAny() {\n${lines}\n}`],
  ]);
  return namesIn(checkSharedWaits(files), file);
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

  describe('in the tree', () => {
    /** Each in a place of its own: one look at the whole tree, which takes seconds, finds them all. */
    let waits: readonly SharedWait[];
    beforeAll(() => {
      const flights = changed(
        tree,
        'src/entra/tokens.ts',
        ['createJoining<TokenResult>(options.sharing)', 'new Map<string, Promise<TokenResult>>()'],
        [
          'return flights.once(flight, () => acquire(need, fresh));',
          `const known = flights.get(flight);
         if (known !== undefined) return known;
         const started = acquire(need, fresh).finally(() => flights.delete(flight));
         flights.set(flight, started);
         return started;`,
        ],
        ['after(renew(need, cached))', 'void renew(need, cached)'],
      );
      const unawaited = changed(
        flights,
        'src/runtime/moves.ts',
        ['parts.after(\n      addTimelines', 'addTimelines'],
        ['{ error }),\n      ),\n    );', '{ error }),\n      );'],
      );
      const twice = changed(unawaited, 'src/jamf/token.ts', [
        '  const cached = ',
        "  const others = createJoining<string>('process');\n  const cached = ",
      ]);
      const fewer = changed(twice, 'src/runtime/gateway.ts', [
        'turns: createKeyedSemaphore(notificationsOfTenant)',
        'turns: undefined',
      ]);
      waits = checkSharedWaits(fewer);
    });

    test("the flights of Entra's tokens, and a renewal behind the answer, which would end with its request", () => {
      expect(namesIn(waits, 'src/entra/tokens.ts').sort()).toEqual(['flights', 'renew']);
    });

    test("the timelines of a move's devices, which nobody waited for", () => {
      expect(namesIn(waits, 'src/runtime/moves.ts')).toEqual(['addTimelines']);
    });

    test('a place more than is allowed, by a name that is', () => {
      expect(namesIn(waits, 'src/jamf/token.ts')).toContain('createJoining');
    });

    test('an allowance for more places than there are', () => {
      expect(namesIn(waits, 'src/runtime/gateway.ts')).toEqual(['createKeyedSemaphore']);
    });
  });
});

describe('found is', () => {
  test.each([
    [
      'a promise in a variable',
      'let pending: Promise<void> | undefined; return () => (pending ??= go());',
      'pending',
    ],
    ['a promise in a cache', 'const kept = createBoundedCache<string, Promise<Row>>(1);', 'kept'],
    ['one behind a member', 'const m = new Map<string, { row: Promise<Row> }>();', 'row'],
    ['joining that nobody can keep apart', "return createJoining<string>('process');", 'createJoining'],
    ['sharing as in a process', "return createIssuedTokens({ sharing: 'process' });", 'process'],
    ['sharing that is one by default', "const { sharing = 'process' } = options;", 'process'],
    ['sharing that is one where nothing is said', "return max[options.sharing ?? 'process'];", 'process'],
    ['work that only catches its errors', 'addTimelines(1).catch((error) => warn(error));', 'addTimelines'],
    ['work that goes on', 'a.b(1).then(() => go());', 'a'],
    ['work with an end', 'go().finally(() => under.clear());', 'go'],
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
    ['a cache whose clock a timer holds', 'return new LRUCache<string, Row>({ max: 9, ttl: 1_000 });', 'ttl'],
    ['a promise of the module', '} const ready = new Map<string, Promise<void>>(); {', 'ready'],
  ])('%s', (_name, lines, name) => {
    expect(found(lines)).toContain(name);
  });
});

describe('not found is', () => {
  test.each([
    ['work that the sharing is handed on to', 'return createJoining<string>(options.sharing);'],
    ['a cache with a clock', 'return new LRUCache<string, Row>({ max: 9, ttl: 1_000, ttlResolution: 0 });'],
    ['a look at the sharing', "return options.sharing === 'process' ? 1 : 2;"],
    ['work that is handed over', 'after(go().catch((error) => warn(error)));'],
    ['work that is awaited', 'await go().catch((error) => warn(error));'],
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
