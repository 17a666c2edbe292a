import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { areInternalsKnown } from '../../../test/harness/sockets.ts';
import { publicStreams } from '../../outbound/node-sockets.ts';
import { internalsKnownOf } from './node-internals.ts';
import {
  chooseSocketAccess,
  runSelfTest,
  type SelfTest,
  type StoredVerdict,
  verdictIn,
} from './socket-choice.ts';

const major = Number.parseInt(process.versions.node, 10);
const own = process.versions.node;

describe('the way that device calls take', () => {
  const nothingKept: StoredVerdict = { hasPassed: () => false, pass: () => undefined };
  const passes = async () => undefined;
  const never = (): never => {
    throw new Error('nothing may be tested here');
  };
  const choose = (
    setting: 'on' | 'public' | 'off',
    version: string,
    run: SelfTest['run'],
    kept = nothingKept,
  ) => chooseSocketAccess(setting, { version, run, kept });

  test.runIf(areInternalsKnown)(
    'is past the streams on a version that is known, after the self-test passed',
    async () => {
      expect(await choose('on', own, passes)).toMatchObject({ mode: 'internals', reason: 'trial-passed' });
    },
  );

  test('is through the public streams where the self-test failed', async () => {
    const version = `${internalsKnownOf[0]}.1.0`;
    expect(await choose('on', version, async () => 'it ended with SIGABRT')).toEqual({
      mode: 'public',
      reason: 'trial-failed',
      detail: `the self-test failed on Node ${version}: it ended with SIGABRT`,
      sockets: publicStreams,
    });
  });

  test.each(['22.12.0', '25.1.0', '27.0.0', '240.0.0'])(
    'is through the public streams on Node %s, untested',
    async (version) => {
      expect(await choose('on', version, never)).toMatchObject({
        mode: 'public',
        reason: 'untested-version',
        sockets: publicStreams,
      });
    },
  );

  test.each(['public', 'off'] as const)('is what ESPALIER_FAST_LANE=%s says, untested', async (setting) => {
    expect(await choose(setting, `${internalsKnownOf[0]}.1.0`, never)).toMatchObject({
      mode: setting,
      reason: 'setting',
      sockets: publicStreams,
    });
  });

  describe.runIf(areInternalsKnown)('with a verdict that is kept', () => {
    let dir: string;
    beforeEach(() => {
      dir = mkdtempSync(join(tmpdir(), 'espalier-verdict-'));
    });
    afterEach(() => rmSync(dir, { recursive: true, force: true }));

    test('a second start on the same Node tests nothing', async () => {
      await choose('on', own, passes, verdictIn(dir));
      expect(await choose('on', own, never, verdictIn(dir))).toMatchObject({ mode: 'internals' });
    });

    test('another Node is tested anew, and so are other files', async () => {
      await choose('on', own, passes, verdictIn(dir));
      const [name = ''] = readdirSync(dir);
      expect(verdictIn(dir).hasPassed(`${major}.0.0`)).toBe(false);
      const text = readFileSync(join(dir, name), 'utf8');
      writeFileSync(
        join(dir, name),
        text.replace(/.$/, (last) => (last === '0' ? '1' : '0')),
      );
      expect(verdictIn(dir).hasPassed(own)).toBe(false);
    });

    test('a failure is not kept: the next start tests again', async () => {
      await choose('on', own, async () => 'it was slow', verdictIn(dir));
      expect(readdirSync(dir)).toEqual([]);
      expect(await choose('on', own, passes, verdictIn(dir))).toMatchObject({ mode: 'internals' });
    });

    test('a directory that cannot be written costs a self-test, and nothing else', async () => {
      const nowhere = verdictIn(join(dir, 'absent'));
      expect(await choose('on', own, passes, nowhere)).toMatchObject({ mode: 'internals' });
      expect(nowhere.hasPassed(own)).toBe(false);
    });
  });
});

test.runIf(areInternalsKnown)(
  'a process whose sockets lack what the self-test had goes through the public streams',
  () => {
    const script = `
    Object.getOwnPropertySymbols = () => [];
    const { chooseSocketAccess } = await import(${JSON.stringify(join(import.meta.dirname, 'socket-choice.ts'))});
    const kept = { hasPassed: () => true, pass: () => undefined };
    const { mode, reason } = await chooseSocketAccess('on', { version: process.versions.node, kept, run: undefined });
    console.log(mode, reason);`;
    const args = ['--input-type=module', '--eval', script];
    const { stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect(stdout).toBe('public trial-failed\n');
  },
);

describe.runIf(areInternalsKnown)(`the self-test on Node ${major}`, () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'espalier-trial-'));
    mkdirSync(join(dir, 'outbound'));
    mkdirSync(join(dir, 'runtime', 'lane'), { recursive: true });
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  /** The product's files with one change to what touches Node. */
  const tryWith = (from: string, to: string): Promise<string | undefined> => {
    const outbound = join(import.meta.dirname, '..', '..', 'outbound');
    copyFileSync(join(outbound, 'node-sockets.ts'), join(dir, 'outbound', 'node-sockets.ts'));
    copyFileSync(join(import.meta.dirname, 'self-test.ts'), join(dir, 'runtime', 'lane', 'self-test.ts'));
    const text = readFileSync(join(import.meta.dirname, 'node-internals.ts'), 'utf8');
    expect(text).toContain(from);
    writeFileSync(join(dir, 'runtime', 'lane', 'node-internals.ts'), text.replaceAll(from, to));
    writeFileSync(join(dir, 'package.json'), '{"type":"module"}');
    return runSelfTest(join(dir, 'runtime', 'lane', 'self-test.ts'));
  };

  test('passes as it is', async () => {
    expect(await runSelfTest()).toBeUndefined();
  });

  test.each([
    ['reads go the ordinary way', 'take(view);', 'socket.push(Buffer.from(view));'],
    ['reads have lost their symbol', "named('kBufferCb')", "named('kBufferXx')"],
    ['a socket that was handed on is read by its first reader', '!isDirect || ', ''],
    ['the buffer is handed on, not a copy', 'Buffer.from(arrival.subarray(0, length))', 'arrival'],
    ['the process crashes', 'const handle = handleOf(socket);', 'process.abort();'],
  ])('fails where %s', async (_, from, to) => {
    expect(await tryWith(from, to)).toMatch(/^it ended with /);
  });
});
