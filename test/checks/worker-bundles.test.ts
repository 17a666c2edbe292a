import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { faultsOf } from '../../.ci/worker-bundles.ts';

test("a Worker's bundle that is too large, or holds a package of Node's, is refused", () => {
  expect(faultsOf({ text: 'export default {};', packages: new Set(['hono', 'postgres']) })).toEqual([]);
  expect(faultsOf({ text: 'export default {};', packages: new Set(['undici']) })).toEqual([
    'it holds undici, which needs Node',
  ]);
  const [large] = faultsOf({ text: randomBytes(1_000_000).toString('hex'), packages: new Set() });
  expect(large).toMatch(/^it has \d{7} bytes compressed, and 1000000 at most may be$/);
});
