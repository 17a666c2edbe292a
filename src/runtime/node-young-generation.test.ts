import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { youngGenerationBytes } from './node-young-generation.ts';

/** Megabytes of the young generation of a process of its own that has 200,000 objects in work. */
function megabytes(bounded: boolean): number {
  const file = new URL('./node-young-generation.ts', import.meta.url).href;
  const program = `
    import { getHeapSpaceStatistics } from 'node:v8';
    ${bounded ? `import { boundYoungGeneration } from '${file}'; boundYoungGeneration();` : ''}
    const inWork = [];
    let largest = 0;
    for (let turn = 0; turn < 300; turn += 1) {
      for (let nth = 0; nth < 10_000; nth += 1) inWork[(turn * 10_000 + nth) % 200_000] = { nth, text: 'x' + nth, list: [nth] };
      await new Promise((resolve) => setImmediate(resolve));
      const { space_size } = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space');
      largest = Math.max(largest, space_size);
    }
    console.log(largest / 1024 / 1024);`;
  return Number(execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' }));
}

describe('the young generation', () => {
  it('grows as far as it is let, and without a bound much farther', () => {
    expect(megabytes(true)).toBeLessThanOrEqual((2 * youngGenerationBytes) / 1024 / 1024);
    // V8's own doing. Should this fall one day, the bound has no reason any more.
    expect(megabytes(false)).toBeGreaterThan((2 * youngGenerationBytes) / 1024 / 1024);
  }, 60_000);
});
