/**
 * Installs the readers of Dockerfiles, compose files and Kubernetes objects that these tests alone need into a temporary
 * directory, so that nobody else's installation has them.
 */

import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** Directory whose node_modules has them. */
    readonly tools: string;
  }
}

export function setup(project: TestProject): () => void {
  const dir = mkdtempSync(join(tmpdir(), 'espalier-tools-'));
  for (const file of ['package.json', 'package-lock.json'])
    copyFileSync(join(import.meta.dirname, 'tools', file), join(dir, file));
  execFileSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'], {
    cwd: dir,
    stdio: 'inherit',
  });
  project.provide('tools', dir);
  return () => rmSync(dir, { recursive: true, force: true });
}
