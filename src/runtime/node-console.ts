import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { constants, gzipSync } from 'node:zlib';
import type { Asset, Assets } from '../console/assets.ts';

/** The console's files as Node finds them: ours beside its code, the others where npm put their packages. */

const ours = fileURLToPath(new URL('../console/assets', import.meta.url));
const require = createRequire(import.meta.url);
const inPackage = (name: string, file: string): string =>
  join(dirname(require.resolve(`${name}/package.json`)), file);

const javascript = 'text/javascript; charset=utf-8';
const css = 'text/css; charset=utf-8';

export function readConsoleAssets(): Assets {
  const files: readonly (readonly [name: string, type: string, path: string])[] = [
    ['icon.svg', 'image/svg+xml', join(ours, 'icon.svg')],
    ['console.css', css, join(ours, 'console.css')],
    ['console.js', javascript, join(ours, 'console.js')],
    ['chart.js', javascript, join(ours, 'chart.js')],
    ['htmx.js', javascript, inPackage('htmx.org', 'dist/htmx.min.js')],
    ['uplot.js', javascript, inPackage('uplot', 'dist/uPlot.iife.min.js')],
    ['uplot.css', css, inPackage('uplot', 'dist/uPlot.min.css')],
  ];
  return new Map(
    files.map(([name, type, path]): [string, Asset] => {
      const body = readFileSync(path, 'utf8');
      const digest = createHash('sha256').update(body).digest('hex').slice(0, 16);
      const gzip = new Uint8Array(gzipSync(body, { level: constants.Z_BEST_COMPRESSION }));
      return [name, { type, body, gzip, digest }];
    }),
  );
}
