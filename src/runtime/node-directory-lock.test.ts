import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { DirectoryInUse, lockDirectory, shareDirectory } from './node-directory-lock.ts';

describe('a directory', () => {
  const dir = mkdtempSync(join(tmpdir(), 'espalier-lock-'));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it('is shared by some, or one’s alone', () => {
    const [one, other] = [shareDirectory(dir), shareDirectory(dir)];
    expect(() => lockDirectory(dir)).toThrow(DirectoryInUse);
    one();
    expect(() => lockDirectory(dir)).toThrow(DirectoryInUse);
    other();
    const alone = lockDirectory(dir);
    expect(() => shareDirectory(dir)).toThrow(`pid ${process.pid}`);
    expect(() => lockDirectory(dir)).toThrow(`pid ${process.pid}`);
    alone();
    shareDirectory(dir)();
  });
});
