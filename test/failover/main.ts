import { postgresBinaries } from './binaries.ts';
import { type FailoverResult, runFailover } from './failover.ts';
import { type FailoverOptions, readOptions, usage } from './options.ts';

/**
 * `npm run test:failover [-- --seed N …]`: a primary is lost under traffic and its replica promoted; docs/testing.md.
 * Exit 0 passed, 1 not, 2 usage.
 */

function interruption(): AbortSignal {
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(name, () => stop.abort(new Error(`stopped by ${name}`)));
  }
  process.on('uncaughtException', (error) => stop.abort(error));
  return stop.signal;
}

function show(result: FailoverResult): void {
  const { complaints, ...numbers } = result;
  const width = Math.max(...Object.keys(numbers).map((name) => name.length));
  for (const [name, value] of Object.entries(numbers)) {
    const shown = typeof value === 'number' && !Number.isInteger(value) ? value.toFixed(1) : String(value);
    console.log(`  ${name.padEnd(width)}  ${shown.padStart(8)}`);
  }
  console.log(JSON.stringify(numbers));
  for (const complaint of complaints) console.log(complaint);
}

async function run(options: FailoverOptions): Promise<boolean> {
  const signal = interruption();
  const startedAt = performance.now();
  const print = (line: string): void =>
    console.log(`${`${Math.round((performance.now() - startedAt) / 1_000)} s`.padStart(6)}  ${line}`);
  const binaries = await postgresBinaries(print);
  print(`PostgreSQL of ${binaries}`);
  let passed = true;
  for (let seed = options.seed; seed < options.seed + options.runs; seed += 1) {
    const result = await runFailover({ ...options, seed }, binaries, signal, print);
    show(result);
    console.log(`seed ${seed}: ${result.passed ? 'passed' : 'NOT PASSED'}`);
    passed &&= result.passed;
  }
  return passed;
}

const args = process.argv.slice(2);
if (args.includes('--help')) console.log(usage);
else {
  let options: FailoverOptions | undefined;
  try {
    options = readOptions(args);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${usage}`);
    process.exitCode = 2;
  }
  try {
    if (options && !(await run(options))) process.exitCode = 1;
  } catch (error) {
    const interrupted = error instanceof Error && error.name === 'AbortError' && error.cause instanceof Error;
    console.error(interrupted ? (error.cause as Error).message : error);
    process.exitCode = 1;
  }
}
