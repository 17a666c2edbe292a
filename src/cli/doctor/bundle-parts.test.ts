import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inOrder, withDeadline } from './in-order.ts';
import { createHide, createScrubber, formsOf } from './scrub.ts';
import { makeTar } from './tar.ts';

describe('a tar archive', () => {
  it('is read by the system\u2019s tar, byte for byte', () => {
    const dir = mkdtempSync(join(tmpdir(), 'espalier-tar-'));
    try {
      const files = [0, 1, 511, 512, 513, 70_000].map((size) => ({
        name: `folder/file-${size}`,
        content: Buffer.alloc(size, `${size} bytes `),
      }));
      writeFileSync(join(dir, 'a.tar'), makeTar(files, new Date('2026-11-26T12:00:00Z')));
      execFileSync('tar', ['-xf', 'a.tar'], { cwd: dir });
      for (const { content, name } of files) {
        expect(readFileSync(join(dir, name)).equals(content), name).toBe(true);
        expect(statSync(join(dir, name)).mode & 0o077).toBe(0);
      }
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it('refuses a name that it cannot hold', () => {
    const content = Buffer.alloc(0);
    expect(() => makeTar([{ name: 'a'.repeat(101), content }], new Date())).toThrow(RangeError);
    expect(() => makeTar([{ name: 'f\u00fcr', content }], new Date())).toThrow(RangeError);
  });
});

describe('scrubbing', () => {
  it('takes a secret out in every form', () => {
    const secret = 'p?ss w\u00f6rd/"quoted"+&=%';
    const scrub = createScrubber([secret]);
    for (const form of formsOf(secret)) expect(scrub(`before ${form} after`)).toBe('before [removed] after');
  });

  it('takes a secret out as a whole that holds another, and leaves short words alone', () => {
    const scrub = createScrubber(['postgres://u:hunter22@db/x', 'hunter22', 'abc']);
    expect(scrub('postgres://u:hunter22@db/x, hunter22, abc')).toBe('[removed], [removed], abc');
  });

  it('takes out keys, tokens and private keys that it does not know', () => {
    const scrub = createScrubber([]);
    const pem = '-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----';
    expect(scrub(`esp_${'a'.repeat(43)} eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln ${pem}`)).toBe(
      '[removed] [removed] [removed]',
    );
  });
});

describe('hiding', () => {
  it('hides ids, addresses and what is quoted, the same each time, and keeps what support needs', () => {
    const tenant = '6fa30000-0000-4000-8000-000000000001';
    const device = '0a1b2c3d-0000-4000-8000-00000000000f';
    const hide = createHide(new Set([tenant]), (text) => text);
    const text = hide.text(`${tenant}: ${device.toUpperCase()} of ann.lee@example.com has 'C02XK0AAJGH5'`);
    expect(text).toBe(`${tenant}: ${hide.name(device)} of ${hide.name('ann.lee@example.com')} has '\u2026'`);
    expect(createHide(new Set(), (text) => text).name(device)).not.toBe(hide.name(device));
  });
});

describe('hiding and scrubbing', () => {
  it('leaves no half of a secret that has an id in it', () => {
    const secret = `first/0a1b2c3d-0000-4000-8000-00000000000f/'last'`;
    expect(createHide(new Set(), createScrubber([secret])).text(`it's ${secret}, isn't it`)).toBe(
      "it's [removed], isn't it",
    );
  });
});

describe('work in order', () => {
  it('runs a few at a time and keeps the order of the work', async () => {
    let running = 0;
    let maxRunning = 0;
    const work = [30, 5, 20, 1, 10].map((ms) => async () => {
      running += 1;
      maxRunning = Math.max(maxRunning, running);
      await new Promise((resolve) => setTimeout(resolve, ms));
      running -= 1;
      return ms;
    });
    expect(await inOrder(2, work)).toEqual([30, 5, 20, 1, 10]);
    expect(maxRunning).toBe(2);
  });

  it('does not wait for what hangs', async () => {
    expect(
      await withDeadline(
        5,
        () => new Promise<string>(() => undefined),
        () => 'late',
      ),
    ).toBe('late');
    expect(
      await withDeadline(
        5_000,
        async () => 'done',
        () => 'late',
      ),
    ).toBe('done');
  });
});
