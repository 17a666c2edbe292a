import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { areInternalsKnown } from '../../../test/harness/sockets.ts';
import { publicStreams } from '../../outbound/node-sockets.ts';
import { internalsKnownOf, internalsOfNode } from './node-internals.ts';
import { chooseSocketAccess, tryInternals } from './socket-choice.ts';

const major = Number.parseInt(process.versions.node, 10);

describe('the way that device calls take', () => {
  const passes = async () => undefined;
  const never = (): never => {
    throw new Error('nothing may be tried here');
  };

  test('is past the streams only on a version that is tested, and after the trial passed', async () => {
    const known = `${internalsKnownOf[0]}.1.0`;
    expect(await chooseSocketAccess('on', known, passes)).toMatchObject({
      way: 'internals',
      reason: 'trial-passed',
      sockets: internalsOfNode,
    });
    expect(await chooseSocketAccess('on', known, async () => 'it ended with SIGABRT')).toMatchObject({
      way: 'public',
      reason: 'trial-failed',
      detail: `the trial on Node ${known} failed: it ended with SIGABRT`,
      sockets: publicStreams,
    });
  });

  test.each(['22.12.0', '25.1.0', '27.0.0', '240.0.0'])(
    'is through the public streams on Node %s, untried',
    async (version) => {
      expect(await chooseSocketAccess('on', version, never)).toMatchObject({
        way: 'public',
        reason: 'untested-version',
        sockets: publicStreams,
      });
    },
  );

  test.each(['public', 'off'] as const)('is what ESPALIER_FAST_LANE=%s says, untried', async (setting) => {
    expect(await chooseSocketAccess(setting, `${internalsKnownOf[0]}.1.0`, never)).toMatchObject({
      way: setting,
      reason: 'setting',
      sockets: publicStreams,
    });
  });
});

describe.runIf(areInternalsKnown)(`the trial on Node ${major}`, () => {
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
    return tryInternals(join(dir, 'runtime', 'lane', 'self-test.ts'));
  };

  test('passes as it is', async () => {
    expect(await tryInternals()).toBeUndefined();
  });

  test.each([
    ['a write says nothing of its end', 'writeForm ??= ', 'if (Math.random() > 2) writeForm ??= '],
    ['the form of a write is guessed wrongly', 'request === null', 'request !== null'],
    [
      'a failed write goes unnoticed',
      'if (status >= 0 || this.#socket.destroyed) return;',
      'if (status < 99) return;',
    ],
    ['reads have lost their symbol', "named('kBufferCb')", "named('kBufferXx')"],
    ['a socket that was handed on is read by its first reader', '!isDirect || ', ''],
    ['the buffer is handed on, not a copy', 'Buffer.from(view)', 'view'],
    ['the process crashes', 'const handle = handleOf(socket);', 'process.abort();'],
  ])('fails where %s', async (_, from, to) => {
    expect(await tryWith(from, to)).toMatch(/^it ended with /);
  });
});
