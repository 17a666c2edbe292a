import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorker } from './bundles.ts';
import { peaksIn, showPeak } from './memory.ts';

/** For the whole run: both Workers are bundled before the first test, whatever starts `serve` starts them in its place, and their memory is told. */
export async function setup(): Promise<() => void> {
  await Promise.all((['data', 'admin'] as const).map(bundleWorker));
  process.env.ESPALIER_TESTED_GATEWAY = fileURLToPath(new URL('./workers-gateway.ts', import.meta.url));
  const memory = mkdtempSync(join(tmpdir(), 'espalier-memory-'));
  process.env.TESTED_MEMORY = memory;
  return () => {
    const peaks = peaksIn(memory).sort((a, b) => b.heaps.data - a.heaps.data);
    // biome-ignore lint/suspicious/noConsole: the result of the run
    console.log(['The most memory of each file:', ...peaks.map(showPeak)].join('\n  '));
    rmSync(memory, { recursive: true, force: true });
  };
}
