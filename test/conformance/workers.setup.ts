import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { workers } from '../../.ci/worker-bundles.ts';
import { peaksIn, showPeak } from './memory.ts';
import { bundleWorker } from './workerd.ts';

/** For the whole run: both Workers are bundled once, whatever starts `serve` starts them in its place, and their memory is told. */
export async function setup(): Promise<() => void> {
  const dir = mkdtempSync(join(tmpdir(), 'espalier-bundles-'));
  await Promise.all(
    (['data', 'admin'] as const).map(async (which) =>
      writeFileSync(join(dir, workers[which].file), await bundleWorker(which)),
    ),
  );
  process.env.ESPALIER_TESTED_GATEWAY = fileURLToPath(new URL('./workers-gateway.ts', import.meta.url));
  process.env.TESTED_BUNDLES = dir;
  const memory = join(dir, 'memory');
  mkdirSync(memory);
  process.env.TESTED_MEMORY = memory;
  return () => {
    const peaks = peaksIn(memory).sort((a, b) => b.heaps.data - a.heaps.data);
    // biome-ignore lint/suspicious/noConsole: the result of the run
    console.log(['The most memory of each file:', ...peaks.map(showPeak)].join('\n  '));
    rmSync(dir, { recursive: true, force: true });
  };
}
