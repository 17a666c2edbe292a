import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { checkLivingDatabase } from './living-database.ts';

/**
 * `npm run migrations -- --name=…` writes the next migration with drizzle-kit and takes the schema out of it: drizzle-kit
 * always writes "public" in foreign keys, and the tables may be in another schema. With `--check` it only looks, also
 * for what would stop a database that is being worked on.
 */

const root = join(import.meta.dirname, '..');
const folder = join(root, 'migrations');
const qualified = /"public"\./g;

function generate(args: readonly string[]): number {
  const manifest = createRequire(import.meta.url).resolve('drizzle-kit');
  const { error, status } = spawnSync(
    process.execPath,
    [join(dirname(manifest), 'bin.cjs'), 'generate', ...args],
    {
      cwd: root,
      stdio: 'inherit',
    },
  );
  if (error) throw error;
  return status ?? 1;
}

const files = (): string[] => readdirSync(folder).filter((name) => name.endsWith('.sql'));
const textOf = (name: string): string => readFileSync(join(folder, name), 'utf8');

const args = process.argv.slice(2);
if (args.includes('--check')) {
  for (const name of files().filter((one) => textOf(one).includes('"public".'))) {
    console.error(
      `migrations/${name} names the schema "public": leave it out, the tables may be in another one`,
    );
    process.exitCode = 1;
  }
  for (const fault of checkLivingDatabase(new Map(files().map((name) => [name, textOf(name)])))) {
    console.error(fault);
    process.exitCode = 1;
  }
} else {
  process.exitCode = generate(args);
  for (const name of files()) {
    const text = textOf(name);
    if (text.includes('"public".')) writeFileSync(join(folder, name), text.replace(qualified, ''));
  }
}
