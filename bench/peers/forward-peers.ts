import type { Finding, Run } from '../run.ts';
import { whole } from '../table.ts';
import { type Course, contest } from './contest.ts';
import { type Contestant, type Start, table, withTls } from './contestants.ts';
import { type Circumstances, tableFinding, tlsFinding } from './findings.ts';
import { addedLatency } from './latency.ts';
import { proveUpstream } from './prove.ts';
import { answerBytes, startPeerScene } from './scene.ts';
import { requireTools } from './tools.ts';
import { connections, loadCommand } from './wrk.ts';

/**
 * A device call beside others that do the same: verify an RS256 token of Entra's, look (tenant, device) up among a
 * million routes, forward to the right instance with its token, bring 300 bytes back; docs/performance.md.
 */

const defaultDevices = 1_000_000;
const defaultRounds = 9;
const defaultSeconds = 3;

interface Measured {
  readonly courses: readonly Course[];
  readonly circumstances: Circumstances;
}

async function measure(run: Run, starts: readonly Start[], what: string): Promise<Measured> {
  const { options, signal, stack } = run;
  const machine = requireTools();
  const devices = options.devices ?? defaultDevices;
  const rounds = options.rounds ?? defaultRounds;
  const seconds = options.seconds ?? defaultSeconds;
  const scene = await startPeerScene(stack, devices);
  await proveUpstream(scene);
  const contestants: Contestant[] = [];
  for (const start of starts) {
    signal.throwIfAborted();
    contestants.push(await start(stack, scene));
  }
  const courses = await contest({ scene, contestants, rounds, seconds, signal });
  const title = `${what}, ${whole(devices)} routes, ${connections} connections, ${rounds} rounds of ${seconds} s`;
  return {
    courses,
    circumstances: {
      ...{ title, machine },
      command: loadCommand(contestants[0]!.origin, seconds, scene.load),
      proof: `every answer was 200 with ${answerBytes} bytes; whoever decides refused what it has to refuse`,
    },
  };
}

export async function forwardPeers(run: Run): Promise<Finding[]> {
  if (run.options.mode === 'latency') return [await addedLatency(run)];
  if (run.options.mode === 'tls') {
    const { circumstances, courses } = await measure(run, withTls, 'TLS on the front');
    return [tlsFinding(courses, circumstances)];
  }
  const { circumstances, courses } = await measure(run, table, 'device calls');
  return [tableFinding(courses, circumstances)];
}
