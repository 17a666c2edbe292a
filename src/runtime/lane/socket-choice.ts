import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { publicStreams, type SocketAccess } from '../../outbound/node-sockets.ts';
import type { Settings } from '../settings.ts';
import { internalsKnownOf, internalsOfNode } from './node-internals.ts';

/** Whether device calls are served past Node's streams in this process, and why (docs/fast-lane.md). */

export interface SocketChoice {
  readonly way: 'internals' | 'public' | 'off';
  readonly reason: 'trial-passed' | 'trial-failed' | 'untested-version' | 'setting';
  /** For people, in the log. */
  readonly detail: string;
  readonly sockets: SocketAccess;
}

/** The trial takes a third of a second; one that hangs is a failed one. */
const trialMs = 5_000;

const trialFile = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './self-test.ts' : './self-test.js', import.meta.url),
);

/** Undefined: it passed. Never rejects. */
export function tryInternals(file: string = trialFile): Promise<string | undefined> {
  return new Promise((resolve) => {
    // Nothing of our environment: NODE_OPTIONS could hold it up, and it needs no secret.
    const env: Record<string, string> = {};
    if (process.env.NODE_COMPILE_CACHE !== undefined) env.NODE_COMPILE_CACHE = process.env.NODE_COMPILE_CACHE;
    const child = spawn(process.execPath, [file], {
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: trialMs,
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

const inPublic = (reason: SocketChoice['reason'], detail: string): SocketChoice => ({
  way: 'public',
  reason,
  detail,
  sockets: publicStreams,
});

export async function chooseSocketAccess(
  setting: Settings['fastLane'],
  version: string = process.versions.node,
  trial: () => Promise<string | undefined> = tryInternals,
): Promise<SocketChoice> {
  if (setting === 'off')
    return {
      ...inPublic('setting', 'ESPALIER_FAST_LANE is off: every request takes the ordinary way'),
      way: 'off',
    };
  if (setting === 'public') return inPublic('setting', 'ESPALIER_FAST_LANE is public');
  if (!internalsKnownOf.includes(Number.parseInt(version, 10)))
    return inPublic('untested-version', `Node ${version} is not among ${internalsKnownOf.join(', ')}`);
  const fault = await trial();
  return fault === undefined
    ? {
        way: 'internals',
        reason: 'trial-passed',
        detail: `the trial on Node ${version} passed`,
        sockets: internalsOfNode,
      }
    : inPublic('trial-failed', `the trial on Node ${version} failed: ${fault}`);
}
