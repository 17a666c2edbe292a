import { describe, expect, it } from 'vitest';
import { parseInTurns } from './json-in-turns.ts';
import { createTurns } from './turns.ts';

const limits = {
  nodes: 600_000,
  unit: { bytes: 1e7, keptBytes: 1e6, keptNodes: 50_000, membersOfObject: 10_000, depth: 64 },
};
const work = () => createTurns().work('berlin');

describe('JSON in turns', () => {
  it('is what JSON.parse makes of it, wherever the text is cut', async () => {
    const results = Array.from({ length: 3_000 }, (_, at) => ({
      id: String(at),
      general: { name: `é😀${'x'.repeat(at % 90)}`, managed: at % 2 === 0, none: null, n: -1.5e3 },
      groups: [[], {}, [1, [2, { a: '\u0000"\\' }]]],
    }));
    const text = JSON.stringify({
      totalCount: 3_000,
      __proto__x: 1,
      results,
      deep: { a: { b: { c: { d: { e: [1] } } } } },
    });
    expect(text.length).toBeGreaterThan(262_144);
    expect(await parseInTurns(text, limits, work())).toEqual(JSON.parse(text));
    expect(await parseInTurns('{"a":1}', limits, work())).toEqual({ a: 1 });
    const own = `{"__proto__":{"x":1},"a":"${'x'.repeat(300_000)}"}`;
    expect(Object.hasOwn((await parseInTurns(own, limits, work())) as object, '__proto__')).toBe(true);
  });

  it('leaves the event loop to others meanwhile', async () => {
    const text = JSON.stringify(Array.from({ length: 100_000 }, (_, at) => ({ id: at, name: `n${at}` })));
    let turns = 0;
    let open = true;
    const count = (): void => {
      turns += 1;
      if (open) setImmediate(count);
    };
    setImmediate(count);
    await Promise.all([parseInTurns(text, limits, work()), parseInTurns(text, limits, work())]);
    open = false;
    expect(turns).toBeGreaterThan(10);
  });

  it('is refused where it is deeper or wider than the limits, or no JSON', async () => {
    for (const text of [
      '['.repeat(1_000_000),
      `[${'1,'.repeat(700_000)}1]`,
      `${'{"a":'.repeat(100)}1`,
      '',
      '[1',
      '{"a":1}}',
    ]) {
      await expect(parseInTurns(text, limits, work())).rejects.toThrow(SyntaxError);
    }
    const long = ' '.repeat(300_000);
    for (const text of [`[1${long}`, `{"a":1}${long}}`, `${long}x`, `[1,${long}]`]) {
      await expect(parseInTurns(text, limits, work())).rejects.toThrow(SyntaxError);
    }
  });
});
