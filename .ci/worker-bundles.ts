import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { notOnWorkers } from './layers.ts';

/**
 * Both Workers as wrangler would deploy them: `node .ci/worker-bundles.ts` bundles them (`wrangler deploy --dry-run`, which
 * sends nothing anywhere), prints how large they are, and exits 1 where one is too large or holds a package of Node's.
 */

/** Name and configuration of a Worker, and the file that its bundle is. */
export const workers = {
  data: { name: 'espalier', config: 'wrangler.toml', file: 'worker.js' },
  admin: { name: 'espalier-admin', config: 'wrangler.admin.toml', file: 'worker-admin.js' },
} as const;

export interface Bundle {
  readonly text: string;
  /** Names of the packages that it holds parts of. */
  readonly packages: ReadonlySet<string>;
}

/** Compressed, as the platform counts it. Its own limit is 10 MB, and a start takes longer with what is larger. */
const maxBytes = 1_000_000;

const root = join(import.meta.dirname, '..');
const run = promisify(execFile);

const packagesIn = (metafile: string): Set<string> => {
  const { inputs } = JSON.parse(metafile) as { inputs: Record<string, unknown> };
  const names = Object.keys(inputs).map((path) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]);
  return new Set(names.filter((name) => name !== undefined));
};

export async function bundle(which: keyof typeof workers): Promise<Bundle> {
  const { config, file } = workers[which];
  const dir = mkdtempSync(join(tmpdir(), 'espalier-bundle-'));
  const manifest = createRequire(import.meta.url).resolve('wrangler/package.json');
  const wrangler = join(dirname(manifest), 'bin/wrangler.js');
  const metafile = join(dir, 'meta.json');
  try {
    await run(
      process.execPath,
      [wrangler, 'deploy', '--dry-run', '--config', config, '--outdir', dir, '--metafile', metafile],
      {
        cwd: root,
        env: {
          PATH: process.env.PATH,
          HOME: dir,
          WRANGLER_SEND_METRICS: 'false',
          WRANGLER_HIDE_BANNER: 'true',
          WRANGLER_LOG_PATH: dir,
        },
      },
    );
    return {
      text: readFileSync(join(dir, file), 'utf8'),
      packages: packagesIn(readFileSync(metafile, 'utf8')),
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** What keeps a bundle from being deployed. */
export function faultsOf({ packages, text }: Bundle): string[] {
  const bytes = gzipSync(text).byteLength;
  return [
    ...(bytes > maxBytes ? [`it has ${bytes} bytes compressed, and ${maxBytes} at most may be`] : []),
    ...[...packages]
      .filter((name) => notOnWorkers.has(name))
      .map((name) => `it holds ${name}, which needs Node`),
  ];
}

async function main(): Promise<void> {
  const names = Object.keys(workers) as (keyof typeof workers)[];
  const bundles = await Promise.all(names.map(async (name) => ({ name, made: await bundle(name) })));
  for (const { made, name } of bundles) {
    const { config } = workers[name];
    const kilobytes = Math.round(gzipSync(made.text).byteLength / 1_000);
    process.stdout.write(`${config}: ${kilobytes} kB compressed\n`);
    for (const fault of faultsOf(made)) {
      process.stderr.write(`${config}: ${fault}\n`);
      process.exitCode = 1;
    }
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();
