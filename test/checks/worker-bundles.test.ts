import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { busyMs, faultsOf } from '../../.ci/worker-bundles.ts';

test("a Worker's bundle that is too large, or holds a package of Node's, is refused", () => {
  expect(faultsOf({ text: 'export default {};', packages: new Set(['hono', 'postgres']) }, 150)).toEqual([]);
  expect(faultsOf({ text: 'export default {};', packages: new Set(['undici']) }, 150)).toEqual([
    'it holds undici, which needs Node',
  ]);
  const [large] = faultsOf({ text: randomBytes(1_000_000).toString('hex'), packages: new Set() }, 150);
  expect(large).toMatch(/^it has \d{7} bytes compressed, and 1000000 at most may be$/);
});

test('a start is refused that takes far longer than the platform allows, and what is idle is no start', () => {
  const nodes = ['(root)', '(idle)', '(program)', 'open'].map((functionName, id) => ({
    id,
    callFrame: { functionName },
  }));
  const started = busyMs({
    nodes,
    samples: [1, 2, 3, 1],
    timeDeltas: [500_000, 900_000, 1_600_000, 9_000_000],
  });
  expect(started).toBe(2_500);
  expect(faultsOf({ text: '', packages: new Set() }, started)).toEqual([
    'its start takes 2500 ms, and the platform allows 1000',
  ]);
});
