import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';

/**
 * Makes `dist/`, what the npm package holds: type stripping does not work under node_modules, so the package needs
 * plain JavaScript. `migrations/` stays beside `dist/` as it stays beside `src/`, so the code finds it in both.
 */

const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');
const shebang = '#!/usr/bin/env node\n';

function compile(project: string): boolean {
  const manifest = createRequire(import.meta.url).resolve('typescript/package.json');
  const compiler = join(dirname(manifest), 'bin', 'tsc');
  const { error, status } = spawnSync(process.execPath, [compiler, '-p', join(root, project)], {
    stdio: 'inherit',
  });
  if (error) throw error;
  return status === 0;
}

/** Files that the code reads beside itself, which the compiler leaves behind. */
function copyAssets(): void {
  const source = join(root, 'src');
  for (const entry of readdirSync(source, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || /\.tsx?$/.test(entry.name)) continue;
    const path = join(entry.parentPath, entry.name);
    const target = join(dist, relative(source, path));
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(path, target);
  }
}

function makeExecutable(path: string): void {
  const text = readFileSync(path, 'utf8');
  if (!text.startsWith(shebang)) writeFileSync(path, shebang + text);
  chmodSync(path, 0o755);
}

rmSync(dist, { recursive: true, force: true });
// Of the client alone others use the types, which need no more than `fetch`.
if (compile('tsconfig.build.json') && compile('tsconfig.client.json')) {
  copyAssets();
  makeExecutable(join(dist, 'cli', 'main.js'));
} else {
  process.exitCode = 1;
}
