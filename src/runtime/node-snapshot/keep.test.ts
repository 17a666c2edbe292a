import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../../test/harness/eventually.ts';
import { jsonPart } from '../../snapshot-part.ts';
import { createLog } from '../../telemetry/log.ts';
import { keepSnapshot, type SnapshotKeeping } from './keep.ts';
import { loadSnapshot } from './load.ts';
import { manifestFile } from './manifest.ts';
import { createSnapshotWriter } from './write.ts';

const key = { id: 'keeping0', secret: new Uint8Array(32).fill(9) };
const own = { deployment: 'ours', schema: 1 };

describe('keeping the snapshot', () => {
  let dir: string;
  let folder: string;
  let keepings: SnapshotKeeping[];
  const lines: { event: string; level: string; [name: string]: unknown }[] = [];
  const log = createLog({ level: 'debug', format: 'json', write: (line) => lines.push(JSON.parse(line)) });
  const said = (event: string) => lines.filter((line) => line.event === event);

  /** The record that is written holds this word; `silentMs` is what the change feed would say. */
  function keeper(word: string, everyMs = 20) {
    const state: { word: string; silentMs: number | undefined } = { word, silentMs: 0 };
    const part = jsonPart<string>({
      name: 'words',
      version: 1,
      rows: () => [state.word],
      stamp: () => state.word,
      restored: () => undefined,
    });
    const keeping = keepSnapshot({
      ...{ folder, log, parts: [part], firstMs: 1, everyMs },
      writer: createSnapshotWriter({ ...own, folder, key }),
      knownForMs: () => state.silentMs,
    });
    keepings.push(keeping);
    return { state, keeping };
  }

  /** The word on disk with its age, or the cause of a refusal. */
  async function read(): Promise<{ word?: string; ageMs?: number; cause?: string }> {
    let word: string | undefined;
    const part = jsonPart<string>({
      name: 'words',
      version: 1,
      rows: () => [],
      restored: ([first]) => {
        word = first;
      },
    });
    const ages = { maxAgeMs: 3_600_000, maxAheadMs: 0, now: Date.now };
    const loaded = await loadSnapshot({ ...own, ...ages, folder, keys: [key] }, [part]);
    return loaded.loaded ? { word: word ?? '', ageMs: loaded.ageMs } : { cause: loaded.cause };
  }
  const until = (word: string) => eventually(async () => expect(await read()).toMatchObject({ word }));
  /** Long enough for some turns. */
  const turns = () => wait(200);

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'espalier-keep-'));
    folder = join(dir, 'snapshot');
    keepings = [];
    lines.length = 0;
  });
  afterEach(async () => {
    await Promise.all(keepings.map((keeping) => keeping.stop()));
    rmSync(dir, { recursive: true, force: true });
  });

  it('writes again and again, and what changed last at the end', async () => {
    const { keeping, state } = keeper('first');
    await until('first');
    state.word = 'second';
    await until('second');
    expect(
      said('snapshot.written').filter(({ level }) => level === 'info'),
      'said once',
    ).toHaveLength(1);
    state.word = 'last';
    await keeping.stop();
    expect(await read()).toMatchObject({ word: 'last' });
  });

  it('is dated when its data were last known to be current', async () => {
    const { state } = keeper('first');
    state.silentMs = 9_000;
    await until('first');
    expect((await read()).ageMs).toBeGreaterThanOrEqual(9_000);
  });

  it.each([undefined, 10_001])(
    'writes nothing while data are not known to be current (%s ms)',
    async (silentMs) => {
      const { keeping, state } = keeper('first');
      await until('first');
      state.silentMs = silentMs;
      state.word = 'guessed';
      await turns();
      await keeping.stop();
      expect(await read()).toMatchObject({ word: 'first' });
    },
  );

  it('is written soon when its data become known, and not only at the next turn', async () => {
    const { state } = keeper('first', 600_000);
    state.silentMs = undefined;
    await turns();
    state.silentMs = 0;
    await until('first');
  });

  it('is left to the process that began, and taken over when that ends', async () => {
    const first = keeper('first');
    await until('first');
    keeper('second');
    await eventually(async () => expect(said('snapshot.another-process-writes')).toHaveLength(1));
    await turns();
    expect(await read()).toMatchObject({ word: 'first' });
    expect(said('snapshot.another-process-writes'), 'said once').toMatchObject([{ pid: process.pid }]);
    await first.keeping.stop();
    await until('second');
  });

  it('is made again when somebody deletes it, and is still of one process', async () => {
    const first = keeper('first');
    await until('first');
    rmSync(folder, { recursive: true });
    await until('first');
    keeper('second');
    await eventually(async () => expect(said('snapshot.another-process-writes')).toHaveLength(1));
    await first.keeping.stop();
    await until('second');
  });

  it('says once why it cannot be written, and when it could again', async () => {
    writeFileSync(folder, 'no directory');
    keeper('first');
    await eventually(async () => expect(said('snapshot.not-written')).toHaveLength(1));
    await turns();
    expect(said('snapshot.not-written')).toMatchObject([
      { level: 'warn', cause: expect.stringContaining('EEXIST') },
    ]);
    expect(existsSync(join(folder, manifestFile))).toBe(false);
    rmSync(folder);
    await until('first');
    expect(said('snapshot.written').at(0)).toMatchObject({ level: 'info' });
  });
});
