import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { workers } from '../../.ci/worker-bundles.ts';
import { bundleWorker } from './workerd.ts';

/** For the whole run: both Workers are bundled once, and whatever starts `serve` starts them in its place. */
export async function setup(): Promise<() => void> {
  const dir = mkdtempSync(join(tmpdir(), 'espalier-bundles-'));
  await Promise.all(
    (['data', 'admin'] as const).map(async (which) =>
      writeFileSync(join(dir, workers[which].file), await bundleWorker(which)),
    ),
  );
  process.env.ESPALIER_TESTED_GATEWAY = fileURLToPath(new URL('./workers-gateway.ts', import.meta.url));
  process.env.TESTED_BUNDLES = dir;
  return () => rmSync(dir, { recursive: true, force: true });
}
