import { createHash } from 'node:crypto';
import htmx from 'htmx.org/dist/htmx.min.js' with { type: 'text' };
import uplot from 'uplot/dist/uPlot.iife.min.js' with { type: 'text' };
import uplotCss from 'uplot/dist/uPlot.min.css' with { type: 'text' };
import chart from '../../console/assets/chart.js' with { type: 'text' };
import consoleCss from '../../console/assets/console.css' with { type: 'text' };
import console from '../../console/assets/console.js' with { type: 'text' };
import icon from '../../console/assets/icon.svg' with { type: 'text' };
import { type Assets, assetType } from '../../console/assets.ts';

/** The console's files as they lie in the bundle. Cloudflare compresses them on their way to the browser. */

const files: Readonly<Record<string, string>> = {
  'icon.svg': icon,
  'console.css': consoleCss,
  'console.js': console,
  'chart.js': chart,
  'htmx.js': htmx,
  'uplot.js': uplot,
  'uplot.css': uplotCss,
};

export const readBundledAssets = (): Assets =>
  new Map(
    Object.entries(files).map(([name, body]) => [
      name,
      {
        type: assetType(name),
        body,
        gzip: undefined,
        digest: createHash('sha256').update(body).digest('hex').slice(0, 16),
      },
    ]),
  );
