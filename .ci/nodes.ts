import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { internalsKnownOf } from '../src/runtime/lane/node-internals.ts';

/**
 * `npm run test:nodes`: the tests of what comes close to Node itself (the fast lane, forwarding, listeners, intake), on
 * the pinned Node and on the newest one, each past Node's streams and through them, and those of whole gateways without a
 * lane. The newest one is fetched into node_modules, where it is out of the way of the pinned one's name.
 */

const root = join(import.meta.dirname, '..');
/** The newest release of the npm package `node`. */
const newest = '26.10.0';

/** Tests of the way that `ESPALIER_TESTED_SOCKETS` names (test/harness/sockets.ts). */
const ofOneWay = [
  'src/outbound/node-upstream',
  'src/outbound/upstream-circuit.test.ts',
  'test/system/fast-lane.test.ts',
  'test/system/forwarding.test.ts',
  'test/system/intake.test.ts',
  'test/system/connections.test.ts',
];

/** These take every way by themselves, or none: one round on each Node says all. */
const ofEveryWay = [
  'src/outbound/',
  'src/runtime/lane/',
  'test/conformance/upstream.test.ts',
  'test/system/lane-modes.test.ts',
  'test/system/pipelining.test.ts',
];

/** Of the first, the ones that start whole gateways: without a lane nothing else is different. */
const ofGateways = ['test/system/forwarding.test.ts', 'test/system/intake.test.ts'];

type Way = 'internals' | 'public' | 'off';
const testsOf: Readonly<Record<Way, readonly string[]>> = {
  internals: [...ofOneWay, ...ofEveryWay],
  public: ofOneWay,
  off: ofGateways,
};
const modeNames: Readonly<Record<Way, string>> = {
  internals: "past Node's streams",
  public: 'public streams',
  off: 'no lane',
};

function fetchNode(version: string): string {
  const dir = join(root, 'node_modules', '.nodes', version);
  const binary = join(dir, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  if (existsSync(binary)) return binary;
  mkdirSync(dir, { recursive: true });
  // Its install script chooses the binary of this platform.
  const manifest = { private: true, allowScripts: { node: true } };
  writeFileSync(join(dir, 'package.json'), JSON.stringify(manifest));
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const { status } = spawnSync(npm, ['install', '--no-save', '--no-audit', '--no-fund', `node@${version}`], {
    cwd: dir,
    stdio: 'inherit',
  });
  if (status !== 0 || !existsSync(binary)) throw new Error(`Node ${version} could not be installed`);
  return binary;
}

interface Round {
  readonly name: string;
  readonly passed: number;
  readonly failed: number;
  readonly seconds: number;
}

function run(node: string, version: string, way: Way): Round {
  const name = `Node ${version}, ${modeNames[way]}`;
  console.log(`\n== ${name}`);
  const report = join(root, 'node_modules', '.nodes', 'report.json');
  const from = performance.now();
  const { status } = spawnSync(
    node,
    [
      join(root, 'node_modules', 'vitest', 'vitest.mjs'),
      'run',
      // They wait more than they work.
      '--maxWorkers=4',
      ...['--reporter=dot', '--reporter=json', `--outputFile.json=${report}`],
      ...testsOf[way],
    ],
    { cwd: root, stdio: 'inherit', env: { ...process.env, NO_COLOR: '1', ESPALIER_TESTED_SOCKETS: way } },
  );
  const { numFailedTests, numPassedTests } = JSON.parse(readFileSync(report, 'utf8')) as Record<
    string,
    number
  >;
  const seconds = Math.round((performance.now() - from) / 1_000);
  // A file that could not be read has no failed test.
  const failed = numFailedTests || (status === 0 ? 0 : 1);
  return { name, passed: numPassedTests ?? 0, failed, seconds };
}

for (const version of [process.versions.node, newest])
  if (!internalsKnownOf.includes(Number.parseInt(version, 10)))
    throw new Error(`src/runtime/lane/node-internals.ts does not know Node ${version}`);

mkdirSync(join(root, 'node_modules', '.nodes'), { recursive: true });
/** `--shortest` leaves out what `npm test` runs, and on either Node the ways that the other one's round goes. */
const ways = ['internals', 'public', 'off'] as const;
const shortest: readonly (readonly Way[])[] = [['public'], ['internals']];
const rounds = [process.execPath, fetchNode(newest)].flatMap((node, at) =>
  (process.argv.includes('--shortest') ? (shortest[at] ?? []) : ways).map((way) =>
    run(node, at === 0 ? process.versions.node : newest, way),
  ),
);
console.table(rounds);
if (rounds.some(({ failed, passed }) => failed > 0 || passed === 0)) process.exitCode = 1;
