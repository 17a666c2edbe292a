import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { loadSnapshot } from '../../src/runtime/node-snapshot/load.ts';
import { createSnapshotWriter } from '../../src/runtime/node-snapshot/write.ts';
import { createRandom } from '../../src/simulator/random.ts';
import { countedPart, type Read, written } from '../harness/snapshot-writer.ts';

const kills = 30;
const seed = randomInt(2 ** 31);
const program = fileURLToPath(new URL('../harness/snapshot-writer.ts', import.meta.url));

/** Runs the writer until it has written once, and kills it a moment later; the last count that it told. */
async function writeAndKill(folder: string, first: number, afterMs: number): Promise<number> {
  const child = spawn(process.execPath, [program, folder, String(first)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let told = '';
  child.stdout.on('data', (chunk: Buffer) => {
    told += chunk.toString();
  });
  try {
    await once(child.stdout, 'data');
    await wait(afterMs);
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  return Number(told.trim().split('\n').at(-1));
}

it(`a process that is killed while it writes leaves the last snapshot or the new one (seed ${seed})`, {
  timeout: 180_000,
}, async () => {
  const random = createRandom(seed);
  const folder = mkdtempSync(join(tmpdir(), 'espalier-killed-'));
  try {
    let count = 0;
    let halfWritten = 0;
    for (let kill = 0; kill < kills; kill += 1) {
      const last = await writeAndKill(folder, count, random.next() * 60);
      const read: Read = { count: undefined };
      const part = countedPart(() => 0, read);
      const options = {
        ...written,
        folder,
        keys: [written.key],
        maxAgeMs: 1e6,
        maxAheadMs: 0,
        now: () => 1e6,
      };
      expect(await loadSnapshot(options, [part]), `kill ${kill}`).toMatchObject({ loaded: true });
      // The writer may have been killed between the new snapshot and its word.
      expect([last, last + 1], `kill ${kill}`).toContain(read.count);
      if (readdirSync(folder).length > 6) halfWritten += 1;
      count = (read.count ?? 0) + 1;
    }
    expect(halfWritten, 'some were killed in the middle of it').toBeGreaterThan(0);
    // What the killed ones left behind goes with the next write.
    await createSnapshotWriter({ ...written, folder }).write(
      [countedPart(() => count)],
      count,
      new AbortController().signal,
    );
    expect(readdirSync(folder)).toHaveLength(6);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
