import { randomBytes, randomInt } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createRandom } from '../../simulator/random.ts';
import type { SnapshotPart } from '../../snapshot-part.ts';
import { type LoadOptions, loadSnapshot, type SnapshotLoad } from './load.ts';
import { manifestFile } from './manifest.ts';
import { createSnapshotWriter } from './write.ts';

const hourMs = 3_600_000;
const key = (id: string, fill: number) => ({ id: id.padEnd(8, '0'), secret: new Uint8Array(32).fill(fill) });
const never = new AbortController().signal;

/** A part in memory: by segment its stamp and records. */
type Content = Record<string, { readonly stamp?: string; readonly records: readonly string[] }>;

function memoryPart(content: Content, { name = 'words', version = 1 } = {}) {
  const restored: { finished: number[]; records: string[] } = { finished: [], records: [] };
  const part: SnapshotPart = {
    name,
    version,
    segments: () =>
      Object.entries(content).map(([segment, { records, stamp }]) => ({
        name: segment,
        stamp,
        records: () => records.map((record) => new TextEncoder().encode(record)),
      })),
    restore: () => {
      const taken: string[] = [];
      return {
        take: (record) => {
          taken.push(new TextDecoder().decode(record));
        },
        finish: (ageMs) => {
          restored.finished.push(ageMs);
          restored.records = taken;
        },
      };
    },
  };
  return { part, restored };
}

describe('a snapshot', () => {
  let folder: string;
  const nowMs = Date.parse('2026-11-29T12:00:00Z');
  const writerOptions = () => ({ folder, key: key('first', 1), deployment: 'ours', schema: 7 });
  const loadOptions = (more: Partial<LoadOptions> = {}): LoadOptions => ({
    ...{ folder, keys: [key('first', 1)], deployment: 'ours', schema: 7 },
    ...{ maxAgeMs: 24 * hourMs, maxAheadMs: 300_000, now: () => nowMs },
    ...more,
  });
  const load = (part: SnapshotPart, more: Partial<LoadOptions> = {}): Promise<SnapshotLoad> =>
    loadSnapshot(loadOptions(more), [part]);
  const files = (): string[] => readdirSync(folder).sort();
  const first = ['alpha', '', 'x'.repeat(300_000), 'beta'];
  const content: Content = {
    a: { stamp: '1', records: first },
    b: { stamp: '1', records: ['gamma'] },
    empty: { records: [] },
  };
  const all = Object.values(content).flatMap(({ records }) => records);

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'espalier-snapshot-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('gives back what was written, with the age of its data', async () => {
    const { part, restored } = memoryPart(content);
    await createSnapshotWriter(writerOptions()).write([part], nowMs - hourMs, never);
    expect(await load(part)).toMatchObject({ loaded: true, ageMs: hourMs });
    expect(restored).toEqual({ finished: [hourMs], records: all });
  });

  it('is for its owner alone and holds nothing that can be read', async () => {
    await createSnapshotWriter(writerOptions()).write([memoryPart(content).part], nowMs, never);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    for (const name of files()) {
      expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
      const text = readFileSync(join(folder, name), 'latin1');
      for (const word of ['alpha', 'gamma', 'xxxxxxxx', 'words', 'ours']) expect(text).not.toContain(word);
    }
  });

  it('writes again only what changed, and deletes what is gone', async () => {
    const writer = createSnapshotWriter(writerOptions());
    await writer.write([memoryPart(content).part], nowMs, never);
    const before = files();
    const changed = { ...content, b: { stamp: '2', records: ['delta'] } };
    const written = await writer.write([memoryPart(changed).part], nowMs, never);
    // The one without a stamp as well.
    expect(written).toMatchObject({ segments: 3, newSegments: 2 });
    expect(files().filter((name) => before.includes(name))).toHaveLength(2);
    expect(files()).toHaveLength(4);
    const { part, restored } = memoryPart(changed);
    expect(await load(part)).toMatchObject({ loaded: true });
    expect(restored.records).toEqual([...first, 'delta']);
    const rest = await writer.write([memoryPart({ b: changed.b }).part], nowMs, never);
    expect(rest).toMatchObject({ segments: 1, newSegments: 0 });
    expect(files()).toHaveLength(2);
  });

  it('writes again what somebody deleted', async () => {
    const writer = createSnapshotWriter(writerOptions());
    const { part } = memoryPart(content);
    await writer.write([part], nowMs, never);
    rmSync(folder, { recursive: true });
    await writer.write([part], nowMs, never);
    expect(await load(part)).toMatchObject({ loaded: true });
  });

  it.each<[string, Partial<LoadOptions>, object]>([
    ['older than allowed', { now: () => nowMs + 25 * hourMs }, { cause: 'too-old', ageMs: 25 * hourMs }],
    ['dated in the future', { now: () => nowMs - hourMs }, { cause: 'from-the-future', ageMs: -hourMs }],
    ['of another deployment', { deployment: 'theirs' }, { cause: 'another-deployment' }],
    ['of another schema', { schema: 8 }, { cause: 'another-schema' }],
    ['of another key', { keys: [key('other', 2)] }, { cause: 'another-key' }],
    ['of a key of the same name', { keys: [key('first', 2)] }, { cause: 'damaged' }],
  ])('is refused when it is %s', async (_, more, expected) => {
    const { part, restored } = memoryPart(content);
    await createSnapshotWriter(writerOptions()).write([part], nowMs, never);
    expect(await load(part, more)).toMatchObject({ loaded: false, ...expected });
    expect(restored.finished).toEqual([]);
  });

  it('within the leeway of clocks is dated now', async () => {
    const { part, restored } = memoryPart(content);
    await createSnapshotWriter(writerOptions()).write([part], nowMs + 60_000, never);
    expect(await load(part)).toMatchObject({ loaded: true, ageMs: 0 });
    expect(restored.finished).toEqual([0]);
  });

  it('of other parts, or of another form of one, is refused', async () => {
    await createSnapshotWriter(writerOptions()).write([memoryPart(content).part], nowMs, never);
    expect(await load(memoryPart(content, { version: 2 }).part)).toMatchObject({ cause: 'another-schema' });
    expect(await load(memoryPart(content, { name: 'deeds' }).part)).toMatchObject({
      cause: 'another-schema',
    });
    const both = [memoryPart(content).part, memoryPart(content, { name: 'deeds' }).part];
    expect(await loadSnapshot(loadOptions(), both)).toMatchObject({ cause: 'another-schema' });
  });

  it('that a part cannot read is refused', async () => {
    const { part } = memoryPart(content);
    await createSnapshotWriter(writerOptions()).write([part], nowMs, never);
    const broken: SnapshotPart = {
      ...part,
      restore: () => ({ ...part.restore(), take: () => JSON.parse('{') }),
    };
    expect(await load(broken)).toMatchObject({ cause: 'another-format' });
  });

  it('is absent where there is none', async () => {
    const { part } = memoryPart(content);
    expect(await load(part)).toEqual({ loaded: false, cause: 'absent' });
    rmSync(folder, { recursive: true });
    expect(await load(part)).toEqual({ loaded: false, cause: 'absent' });
  });

  it('opens with every key and is sealed anew by the first', async () => {
    const old = key('old', 3);
    const { part } = memoryPart(content);
    await createSnapshotWriter({ ...writerOptions(), key: old }).write([part], nowMs, never);
    const before = files();
    expect(await load(part, { keys: [key('first', 1), old] })).toMatchObject({ loaded: true });
    await createSnapshotWriter(writerOptions()).write([part], nowMs, never);
    expect(await load(part)).toMatchObject({ loaded: true });
    expect(await load(part, { keys: [old] })).toMatchObject({ cause: 'another-key' });
    expect(files().filter((name) => before.includes(name))).toEqual([manifestFile]);
  });

  it('stays as it was when a write is given up', async () => {
    const { part, restored } = memoryPart(content);
    await createSnapshotWriter(writerOptions()).write([part], nowMs, never);
    const before = files();
    const gone = createSnapshotWriter(writerOptions()).write(
      [part],
      nowMs,
      AbortSignal.abort(new Error('over')),
    );
    await expect(gone).rejects.toThrow('over');
    expect(files()).toEqual(before);
    expect(await load(part)).toMatchObject({ loaded: true });
    expect(restored.records).toEqual(all);
  });

  describe('with damage', () => {
    const times = 200;
    const seed = randomInt(2 ** 31);
    const random = createRandom(seed);
    let whole: [name: string, bytes: Buffer][];
    const put = (name: string, bytes: Uint8Array): void => writeFileSync(join(folder, name), bytes);
    const refused = async (what: string): Promise<void> => {
      const { part, restored } = memoryPart(content);
      const told = `seed ${seed}, ${what}`;
      const cause = expect.stringMatching(/^(damaged|another-(key|format))$/);
      expect(await load(part), told).toMatchObject({ loaded: false, cause });
      expect(restored.finished, told).toEqual([]);
    };
    beforeEach(async () => {
      await createSnapshotWriter(writerOptions()).write([memoryPart(content).part], nowMs, never);
      whole = files().map((name) => [name, readFileSync(join(folder, name))]);
    });

    it(`is refused when it is cut at ${times} random places (seed ${seed})`, async () => {
      for (let time = 0; time < times; time += 1) {
        const [name, bytes] = random.pick(whole);
        const at = random.integer(0, bytes.length - 1);
        put(name, bytes.subarray(0, at));
        await refused(`${name} cut at ${at} of ${bytes.length}`);
        put(name, bytes);
      }
    });

    it(`is refused when ${times} random bytes are altered (seed ${seed})`, async () => {
      for (let time = 0; time < times; time += 1) {
        const [name, bytes] = random.pick(whole);
        const at = random.integer(0, bytes.length - 1);
        const by = random.integer(1, 255);
        const altered = new Uint8Array(bytes);
        altered[at] = (altered[at] ?? 0) ^ by;
        put(name, altered);
        await refused(`${name}: byte ${at} xor ${by}`);
        put(name, bytes);
      }
    });

    it('is refused when a file is longer', async () => {
      for (const [name, bytes] of whole) {
        put(name, Buffer.concat([bytes, randomBytes(28)]));
        await refused(name);
        put(name, bytes);
      }
    });

    it('is refused when a file is missing or another', async () => {
      const sealed = whole.filter(([name]) => name !== manifestFile);
      for (const [name, bytes] of sealed) {
        rmSync(join(folder, name));
        await refused(`${name} is missing`);
        for (const [other, otherBytes] of sealed.filter(([one]) => one !== name)) {
          put(name, otherBytes);
          await refused(`${name} is ${other}`);
        }
        put(name, bytes);
      }
    });

    it('is refused when a file is the one of the generation before', async () => {
      await createSnapshotWriter(writerOptions()).write([memoryPart(content).part], nowMs, never);
      const newer = files().filter((name) => name !== manifestFile);
      for (const [index, name] of newer.entries()) {
        const bytes = readFileSync(join(folder, name));
        const [, older] = whole[index] ?? ['', Buffer.alloc(0)];
        expect(older).toHaveLength(bytes.length);
        put(name, older);
        await refused(name);
        put(name, bytes);
      }
    });
  });
});
