import { root } from './copy.ts';
import { mutations } from './mutations.ts';
import { chosen, readOptions, usage } from './options.ts';
import { runMutations, tableOf } from './run.ts';
import { staleness } from './source.ts';

/**
 * `npm run test:mutations [-- --only NAME …]`: whether the tests see what they are for; docs/testing.md. Exit 0 when
 * every mutation is noticed, 1 when one is not or cannot be tried, 2 usage.
 */

function interruption(): AbortSignal {
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(name, () => stop.abort(new Error(`stopped by ${name}`)));
  }
  return stop.signal;
}

async function run(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  const asked = chosen(mutations, options);
  if (options.list) {
    for (const { kind, name } of asked) console.log(`${kind.padEnd(8)}  ${name}`);
    return 0;
  }
  const stale = asked.flatMap((mutation) => staleness(mutation, root) ?? []);
  for (const text of stale) console.error(text);
  if (stale.length > 0) return 1;
  const { jobs } = options;
  const verdicts = await runMutations(asked, {
    jobs,
    signal: interruption(),
    print: (line) => console.log(line),
  });
  console.log(`\n${tableOf(verdicts)}`);
  const noticed = verdicts.filter(({ verdict }) => verdict === 'noticed').length;
  console.log(`\n${noticed} of ${verdicts.length} mutations noticed`);
  return noticed === asked.length ? 0 : 1;
}

const args = process.argv.slice(2);
if (args.includes('--help')) console.log(usage);
else {
  try {
    process.exitCode = await run(args);
  } catch (error) {
    const isUsage = error instanceof RangeError || error instanceof TypeError;
    console.error(isUsage ? `${error.message}\n\n${usage}` : error);
    process.exitCode = isUsage ? 2 : 1;
  }
}
