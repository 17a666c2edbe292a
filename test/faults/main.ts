import { readOptions, type StormOptions, usage } from './options.ts';
import { tableOf, tableOfAll } from './show.ts';
import { runStorm, type StormResult } from './storm.ts';

/** `npm run test:faults [-- --seed N …]`: the fault storm; docs/testing.md. Exit 0 passed, 1 not, 2 usage. */

/** Aborted by the first signal; everything that was started is stopped then too. */
function interruption(): AbortSignal {
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(name, () => stop.abort(new Error(`stopped by ${name}`)));
  }
  process.on('uncaughtException', (error) => stop.abort(error));
  return stop.signal;
}

/** A storm on Workers takes four to five minutes; one that takes longer than this has failed. */
const workersMs = 600_000;

async function run(options: StormOptions): Promise<boolean> {
  const stopped = interruption();
  const results: StormResult[] = [];
  for (let seed = options.seed; seed < options.seed + options.seeds; seed += 1) {
    console.log(`seed ${seed}: ${options.seconds} s of storm over ${options.macs} Macs`);
    const signal =
      options.runtime === 'workers' ? AbortSignal.any([stopped, AbortSignal.timeout(workersMs)]) : stopped;
    const result = await runStorm({ ...options, seed }, signal, (line) => console.log(line));
    results.push(result);
    console.log(`${tableOf(result)}\n${JSON.stringify(result)}`);
    console.log(`seed ${seed}: ${result.passed ? 'passed' : 'NOT PASSED'}`);
  }
  if (results.length > 1) console.log(`\n${tableOfAll(results)}`);
  return results.every(({ passed }) => passed);
}

const args = process.argv.slice(2);
if (args.includes('--help')) console.log(usage);
else {
  let options: StormOptions | undefined;
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
    console.error(`seed ${options?.seed}`);
    process.exitCode = 1;
  }
}
