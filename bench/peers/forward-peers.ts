import type { Finding, Run } from '../run.ts';
import { whole } from '../table.ts';
import { type Course, contest } from './contest.ts';
import { type Contestant, type Start, table, withAndWithoutInternals, withTls } from './contestants.ts';
import { type Circumstances, internalsFinding, tableFinding, tlsFinding } from './findings.ts';
import { addedLatency } from './latency.ts';
import { proveUpstream } from './prove.ts';
import { answerBytes, type PeerScene, startPeerScene } from './scene.ts';
import { type Machine, requireTools } from './tools.ts';
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

interface Place {
  readonly machine: Machine;
  readonly scene: PeerScene;
}

async function openPlace({ options, stack }: Run): Promise<Place> {
  const machine = requireTools();
  const scene = await startPeerScene(stack, options.devices ?? defaultDevices);
  await proveUpstream(scene);
  return { machine, scene };
}

/** The contestants live for this contest only. */
async function measure(
  { options, signal }: Run,
  { machine, scene }: Place,
  starts: readonly Start[],
  what: string,
): Promise<Measured> {
  const rounds = options.rounds ?? defaultRounds;
  const seconds = options.seconds ?? defaultSeconds;
  await using stack = new AsyncDisposableStack();
  const contestants: Contestant[] = [];
  for (const start of starts) {
    signal.throwIfAborted();
    contestants.push(await start(stack, scene));
  }
  const courses = await contest({ scene, contestants, rounds, seconds, signal });
  const title = `${what}, ${whole(scene.devices)} routes, ${connections} connections, ${rounds} rounds of ${seconds} s`;
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
  const { mode } = run.options;
  if (mode === 'latency') return [await addedLatency(run)];
  const place = await openPlace(run);
  if (mode === 'tls') {
    const { circumstances, courses } = await measure(run, place, withTls, 'TLS on the front');
    return [tlsFinding(courses, circumstances)];
  }
  if (mode === 'internals') {
    const findings: Finding[] = [];
    for (const secure of [false, true]) {
      const what = `Node's internals, ${secure ? 'TLS on the front' : 'plain'}`;
      const { circumstances, courses } = await measure(run, place, withAndWithoutInternals(secure), what);
      findings.push(internalsFinding(courses, circumstances));
    }
    return findings;
  }
  const { circumstances, courses } = await measure(run, place, table, 'device calls');
  return [tableFinding(courses, circumstances)];
}
