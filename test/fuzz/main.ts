import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';

/** `npm run test:fuzz [-- --seed N --minutes M]`: docs/testing.md. Exit 0: every property held; 1: one did not; 2: usage. */

const usage = `npm run test:fuzz -- [--seed N] [--minutes M] [WORD …]

  --seed N      the seed of all properties; default: by chance, and printed
  --minutes M   how long in all, 10 at most (5)
  WORD          only files with it in their name: parsers, gateway, wire, instances`;

const maxMinutes = 10;
const maxSeed = 2 ** 31 - 1;

function numberOf(name: string, text: string | undefined, high: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= high))
    throw new RangeError(`--${name} has to be a number from 0 to ${high}, not ${text}`);
  return value;
}

function readOptions() {
  const { positionals, values } = parseArgs({
    options: { seed: { type: 'string' }, minutes: { type: 'string' }, help: { type: 'boolean' } },
    allowPositionals: true,
  });
  return {
    seed: Math.trunc(numberOf('seed', values.seed, maxSeed) ?? Math.random() * maxSeed),
    minutes: numberOf('minutes', values.minutes, maxMinutes) ?? 5,
    files: positionals,
    isHelp: values.help === true,
  };
}

function run({ files, minutes, seed }: ReturnType<typeof readOptions>): void {
  console.log(`seed ${seed}, ${minutes} minutes`);
  const vitest = spawn('vitest', ['run', '--config', 'vitest.fuzz.config.ts', ...files], {
    stdio: 'inherit',
    env: {
      ...process.env,
      ESPALIER_FUZZ_SEED: String(seed),
      ESPALIER_FUZZ_MINUTES: String(minutes),
    },
  });
  vitest.once('close', (code) => {
    if (code !== 0) console.log(`the same again: npm run test:fuzz -- --seed ${seed} --minutes ${minutes}`);
    process.exitCode = code ?? 1;
  });
}

try {
  const options = readOptions();
  if (options.isHelp) console.log(usage);
  else run(options);
} catch (error) {
  console.error(`${error instanceof Error ? error.message : error}\n\n${usage}`);
  process.exitCode = 2;
}
