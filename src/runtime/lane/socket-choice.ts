/** Decides whether device calls are served past Node's streams in this process, and why (docs/forwarding.md). */

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { publicStreams, type SocketAccess } from '../../outbound/node-sockets.ts';
import type { Settings } from '../settings.ts';
import { internalsKnownOf, openInternals } from './node-internals.ts';

export interface SocketChoice {
  readonly mode: 'internals' | 'public' | 'off';
  readonly reason: 'trial-passed' | 'trial-failed' | 'untested-version' | 'setting';
  /** Explanation for people, in the log. */
  readonly detail: string;
  readonly sockets: SocketAccess;
}

/** The self-test takes a third of a second; one that hangs has failed. */
const selfTestMs = 5_000;

const besides = (name: string): string =>
  fileURLToPath(new URL(`./${name}${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url));

/** Undefined: it passed. Never rejects. */
export function runSelfTest(file: string = besides('self-test')): Promise<string | undefined> {
  return new Promise((resolve) => {
    // Nothing of our environment: NODE_OPTIONS could hold it up, and it needs no secret.
    const env: Record<string, string> = {};
    if (process.env.NODE_COMPILE_CACHE !== undefined) env.NODE_COMPILE_CACHE = process.env.NODE_COMPILE_CACHE;
    const child = spawn(process.execPath, [file], {
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: selfTestMs,
      killSignal: 'SIGKILL',
    });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      if (said.length < 2_000) said += chunk.toString('utf8');
    });
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, signal) => {
      const error = /^\w*Error\b.*$/m.exec(said)?.[0];
      resolve(
        code === 0 ? undefined : `it ended with ${code ?? signal}${error === undefined ? '' : `: ${error}`}`,
      );
    });
  });
}

/** Keeps a passed self-test between starts. One that failed is run again: the machine may only have been busy. */
export interface StoredVerdict {
  hasPassed(version: string): boolean;
  pass(version: string): void;
}

/** Digest of the subject of a verdict: this Node on this machine, and the very files that were tested. */
function subjectOf(version: string): string {
  const digest = createHash('sha256');
  for (const name of ['node-internals', 'self-test']) digest.update(readFileSync(besides(name)));
  return `Node ${version} ${process.platform} ${process.arch} ${digest.digest('hex')}`;
}

/** Keeps the verdict in a file of the data directory, which holds the keys and so belongs to nobody else. */
export function verdictIn(dataDir: string): StoredVerdict {
  const file = join(dataDir, 'fast-lane-self-test');
  return {
    hasPassed: (version) => {
      try {
        return readFileSync(file, 'utf8') === subjectOf(version);
      } catch {
        // The file is missing or unreadable: the self-test says what is true now.
        return false;
      }
    },
    pass: (version) => {
      const made = `${file}.${process.pid}`;
      try {
        writeFileSync(made, subjectOf(version), { mode: 0o600 });
        renameSync(made, file);
      } catch {
        // A directory that may not be written costs a self-test at each start, and nothing else.
      }
    },
  };
}

const inPublic = (reason: SocketChoice['reason'], detail: string): SocketChoice => ({
  mode: 'public',
  reason,
  detail,
  sockets: publicStreams,
});

const onInternals = (detail: string): SocketChoice => ({
  mode: 'internals',
  reason: 'trial-passed',
  detail,
  sockets: openInternals(),
});

export interface SelfTest {
  readonly version: string;
  readonly kept: StoredVerdict;
  /** Undefined: it passed. */
  readonly run: () => Promise<string | undefined>;
}

async function afterSelfTest({ kept, run, version }: SelfTest): Promise<SocketChoice> {
  try {
    if (kept.hasPassed(version))
      return onInternals(`the self-test passed on Node ${version} at an earlier start`);
    const fault = await run();
    if (fault !== undefined)
      return inPublic('trial-failed', `the self-test failed on Node ${version}: ${fault}`);
    const choice = onInternals(`the self-test passed on Node ${version}`);
    kept.pass(version);
    return choice;
  } catch (error) {
    // This process has less than its child had, as with other flags of Node.
    return inPublic('trial-failed', `Node ${version} keeps its internals: ${(error as Error).message}`);
  }
}

export async function chooseSocketAccess(
  setting: Settings['fastLane'],
  selfTest: SelfTest,
): Promise<SocketChoice> {
  if (setting === 'off')
    return {
      ...inPublic('setting', 'ESPALIER_FAST_LANE is off: every request takes the ordinary way'),
      mode: 'off',
    };
  if (setting === 'public') return inPublic('setting', 'ESPALIER_FAST_LANE is public');
  const { version } = selfTest;
  return internalsKnownOf.includes(Number.parseInt(version, 10))
    ? afterSelfTest(selfTest)
    : inPublic('untested-version', `Node ${version} is not among ${internalsKnownOf.join(', ')}`);
}
