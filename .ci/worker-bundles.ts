import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { notOnWorkers } from './layers.ts';
import { readEnvironments } from './worker-bindings.ts';

/**
 * Both Workers as wrangler would deploy them: `node .ci/worker-bundles.ts` bundles them for each environment (`wrangler deploy
 * --dry-run`, which sends nothing anywhere), prints how large they are and how long they take to start (`wrangler check
 * startup`, on this machine's workerd), and exits 1 where one is too large or too slow, or holds a package of Node's.
 */

/** Name and configuration of a Worker, and the file that its bundle is. */
export const workers = {
  data: { name: 'espalier', config: 'wrangler.toml', file: 'worker.js' },
  admin: { name: 'espalier-admin', config: 'wrangler.admin.toml', file: 'worker-admin.js' },
} as const;

type Which = keyof typeof workers;

export interface Bundle {
  readonly text: string;
  /** Names of the packages that it holds parts of. */
  readonly packages: ReadonlySet<string>;
}

/** Part of a CPU profile as V8 writes it. */
export interface Profile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: { readonly functionName: string } }[];
  /** Ids of nodes, and the microseconds before each. */
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** Compressed, as the platform counts it. Its own limit is 10 MB, and a start takes longer with what is larger. */
const maxBytes = 1_000_000;
/**
 * The platform allows a second of processor time. Samples are taken by the clock, and other work on this machine counts in them:
 * only a start that is far beyond is refused, when it was so each time.
 */
const maxStartMs = 2_000;
const startsAtMost = 3;

const root = join(import.meta.dirname, '..');
const run = promisify(execFile);

async function wrangler(dir: string, args: readonly string[]): Promise<void> {
  const manifest = createRequire(import.meta.url).resolve('wrangler/package.json');
  await run(process.execPath, [join(dirname(manifest), 'bin/wrangler.js'), ...args], {
    cwd: root,
    env: {
      PATH: process.env.PATH,
      HOME: dir,
      WRANGLER_SEND_METRICS: 'false',
      WRANGLER_HIDE_BANNER: 'true',
      WRANGLER_LOG_PATH: dir,
    },
  });
}

async function inDirectory<T>(work: (dir: string) => Promise<T>): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), 'espalier-bundle-'));
  try {
    return await work(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const packagesIn = (metafile: string): Set<string> => {
  const { inputs } = JSON.parse(metafile) as { inputs: Record<string, unknown> };
  const names = Object.keys(inputs).map((path) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]);
  return new Set(names.filter((name) => name !== undefined));
};

/** `environment`: undefined is production. */
export const bundle = (which: Which, environment?: string): Promise<Bundle> =>
  inDirectory(async (dir) => {
    const { config, file } = workers[which];
    const metafile = join(dir, 'meta.json');
    // An empty name says that none is meant, where the file has some.
    const args = ['--config', config, '--env', environment ?? '', '--outdir', dir, '--metafile', metafile];
    await wrangler(dir, ['deploy', '--dry-run', ...args]);
    return {
      text: readFileSync(join(dir, file), 'utf8'),
      packages: packagesIn(readFileSync(metafile, 'utf8')),
    };
  });

/** Milliseconds in which the processor was at work. */
export function busyMs({ nodes, samples, timeDeltas }: Profile): number {
  const names = new Map(nodes.map(({ callFrame, id }) => [id, callFrame.functionName]));
  const busy = samples.map((id, at) => (names.get(id) === '(idle)' ? 0 : (timeDeltas[at] ?? 0)));
  return busy.reduce((sum, microseconds) => sum + microseconds, 0) / 1_000;
}

/** The Worker's start as far as its modules: what it does with its first request is not in it. */
const startMs = (which: Which): Promise<number> =>
  inDirectory(async (dir) => {
    const profile = join(dir, 'start.cpuprofile');
    await wrangler(dir, ['check', 'startup', '--config', workers[which].config, '--outfile', profile]);
    return busyMs(JSON.parse(readFileSync(profile, 'utf8')) as Profile);
  });

async function fastestStartMs(which: Which): Promise<number> {
  let fastest = Number.POSITIVE_INFINITY;
  for (let start = 0; start < startsAtMost && fastest > maxStartMs; start += 1)
    fastest = Math.min(fastest, await startMs(which));
  return fastest;
}

/** What keeps a bundle from being deployed. */
export function faultsOf({ packages, text }: Bundle, startedInMs: number): string[] {
  const bytes = gzipSync(text).byteLength;
  return [
    ...(bytes > maxBytes ? [`it has ${bytes} bytes compressed, and ${maxBytes} at most may be`] : []),
    ...(startedInMs > maxStartMs
      ? [`its start takes ${Math.round(startedInMs)} ms, and the platform allows 1000`]
      : []),
    ...[...packages]
      .filter((name) => notOnWorkers.has(name))
      .map((name) => `it holds ${name}, which needs Node`),
  ];
}

async function main(): Promise<void> {
  for (const which of Object.keys(workers) as Which[]) {
    const { config } = workers[which];
    const startedInMs = await fastestStartMs(which);
    for (const { name } of await readEnvironments()) {
      const made = await bundle(which, name);
      const where = name === undefined ? config : `${config} [env.${name}]`;
      const kilobytes = Math.round(gzipSync(made.text).byteLength / 1_000);
      process.stdout.write(`${where}: ${kilobytes} kB compressed, starts in ${Math.round(startedInMs)} ms\n`);
      for (const fault of faultsOf(made, startedInMs)) {
        process.stderr.write(`${where}: ${fault}\n`);
        process.exitCode = 1;
      }
    }
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();
