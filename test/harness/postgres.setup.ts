import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { startEmbeddedPostgres } from '../../src/runtime/node-embedded-postgres.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** A server on which every test file makes a database of its own. */
    databaseServer: string;
  }
}

/** One PostgreSQL for the whole run, the embedded one, and one place for compiled code, in a directory of their own. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dir = mkdtempSync(join(tmpdir(), 'espalier-test-'));
  // Inherited by the workers, and handed on by ownEnvironment.
  process.env.NODE_COMPILE_CACHE = join(dir, 'compiled');
  const server = await startEmbeddedPostgres(dir);
  project.provide('databaseServer', server.url);
  return async () => {
    await server.stop();
    rmSync(dir, { recursive: true, force: true });
  };
}
