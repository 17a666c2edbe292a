import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { isolateBytes, measuredVariable, peaksIn, showPeak } from './memory.ts';

/** Each file of tests measures the memory of the Workers that it starts, and fails where an isolate would have been ended. */

const dir = process.env.TESTED_MEMORY ?? '';
let own = '';

beforeAll(() => {
  const file = basename(expect.getState().testPath ?? '', '.test.ts');
  own = join(dir, file);
  process.env[measuredVariable] = own;
});
afterAll(() => {
  const [peak] = peaksIn(dir).filter(({ of }) => join(dir, of) === own);
  if (peak === undefined) throw new Error('nothing measured the memory of workerd');
  const largest = Math.max(...Object.values(peak.heaps));
  if (largest > isolateBytes) throw new Error(`an isolate has 128 MiB of memory: ${showPeak(peak)}`);
});
