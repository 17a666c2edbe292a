import { type MoveOptions, readOptions, usage } from './options.ts';
import { type MoveFindings, runMoves } from './run.ts';
import { startScene } from './scene.ts';

/** `npm run test:moves`: docs/moves.md. Exit 0 passed, 1 not, 2 usage. */

const settleMs = 600_000;

function tableOf(findings: MoveFindings): string {
  const rows = Object.entries(findings).flatMap(([name, value]) =>
    name === 'complaints'
      ? []
      : typeof value === 'object'
        ? Object.entries(value).map(([part, count]) => [`${name} ${part}`, count] as const)
        : [[name, value] as const],
  );
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `  ${name.padEnd(width)}  ${String(value).padStart(8)}`).join('\n');
}

/** Rejects with the first signal, so that everything that was started is stopped. */
const interruption = (): Promise<never> =>
  new Promise((_, reject) => {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.once(name, () => reject(new Error(`stopped by ${name}`)));
  });

async function run(options: MoveOptions): Promise<boolean> {
  await using stack = new AsyncDisposableStack();
  const startedAt = Date.now();
  const print = (line: string): void =>
    console.log(`${`${Math.round((Date.now() - startedAt) / 1_000)} s`.padStart(6)}  ${line}`);
  const scene = await startScene(options, stack);
  print(`${options.macs} Macs, ${options.gateways} gateways`);
  try {
    const plan = {
      callsPerSecond: options.rate,
      changesPerSecond: options.changes,
      percent: options.percent,
      stepMs: options.step * 1_000,
      settleMs,
      allTheWay: options.all === 1,
    };
    const findings = await Promise.race([runMoves(scene, plan, print), interruption()]);
    console.log(`${tableOf(findings)}\n${JSON.stringify(findings)}`);
    for (const complaint of findings.complaints) console.log(complaint);
    const passed = findings.complaints.length === 0;
    console.log(passed ? 'passed' : 'NOT PASSED');
    if (!passed) {
      scene.keep();
      console.log(`the gateways' logs are kept in ${scene.dir}`);
    }
    return passed;
  } catch (error) {
    scene.keep();
    console.log(`the gateways' logs are kept in ${scene.dir}`);
    throw error;
  }
}

const args = process.argv.slice(2);
if (args.includes('--help')) console.log(usage);
else {
  let options: MoveOptions | undefined;
  try {
    options = readOptions(args);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${usage}`);
    process.exitCode = 2;
  }
  if (options && !(await run(options))) process.exitCode = 1;
}
