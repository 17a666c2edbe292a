/**
 * Bundles of both Workers, as they would be deployed. wrangler takes seconds for one, and a run of tests needs them in a dozen
 * files: the first that asks has it made (`TESTED_BUNDLES`, test/harness/postgres.setup.ts), and the others read it.
 */

import { existsSync, mkdirSync, readFileSync, renameSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { bundle, workers } from '../../.ci/worker-bundles.ts';

type Which = keyof typeof workers;

const lookMs = 100;

/** True: this process makes it, and nobody else until the folder is removed. */
function takes(lock: string): boolean {
  try {
    mkdirSync(lock);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Makes the bundle in the folder, unless it is there or another process makes it just now. */
export async function bundleInto(directory: string, which: Which): Promise<string> {
  const file = join(directory, workers[which].file);
  const lock = `${file}.lock`;
  while (!existsSync(file)) {
    if (!takes(lock)) {
      await wait(lookMs);
      continue;
    }
    try {
      if (existsSync(file)) break;
      const { text } = await bundle(which);
      // The file gets its name when it is whole, so nobody reads a part of it.
      writeFileSync(`${file}.part`, text);
      renameSync(`${file}.part`, file);
    } finally {
      rmdirSync(lock);
    }
  }
  return readFileSync(file, 'utf8');
}

/** The bundle's text. */
export async function bundleWorker(which: Which = 'data'): Promise<string> {
  const { TESTED_BUNDLES: shared } = process.env;
  return shared === undefined ? (await bundle(which)).text : bundleInto(shared, which);
}
