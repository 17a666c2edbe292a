import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { constants, gzipSync } from 'node:zlib';
import { type Asset, type Assets, assetType } from '../console/assets.ts';

/** The console's files as Node finds them: ours beside its code, the others where npm put their packages. */

const ours = fileURLToPath(new URL('../console/assets', import.meta.url));
const require = createRequire(import.meta.url);
const inPackage = (name: string, file: string): string =>
  join(dirname(require.resolve(`${name}/package.json`)), file);

export function readConsoleAssets(): Assets {
  const files: readonly (readonly [name: string, path: string])[] = [
    ['icon.svg', join(ours, 'icon.svg')],
    ['console.css', join(ours, 'console.css')],
    ['console.js', join(ours, 'console.js')],
    ['chart.js', join(ours, 'chart.js')],
    ['htmx.js', inPackage('htmx.org', 'dist/htmx.min.js')],
    ['uplot.js', inPackage('uplot', 'dist/uPlot.iife.min.js')],
    ['uplot.css', inPackage('uplot', 'dist/uPlot.min.css')],
  ];
  return new Map(
    files.map(([name, path]): [string, Asset] => {
      const body = readFileSync(path, 'utf8');
      const digest = createHash('sha256').update(body).digest('hex').slice(0, 16);
      const gzip = new Uint8Array(gzipSync(body, { level: constants.Z_BEST_COMPRESSION }));
      return [name, { type: assetType(name), body, gzip, digest }];
    }),
  );
}
