import type { Finding, Run } from '../run.ts';
import { whole } from '../table.ts';
import { type Contest, type Course, contest } from './contest.ts';
import { type Contestant, type Start, table, withAndWithoutInternals, withTls } from './contestants.ts';
import { type Circumstances, frontFinding, internalsFinding, tableFinding } from './findings.ts';
import { contestOfHandshakes } from './handshakes.ts';
import { addedLatency } from './latency.ts';
import { proveUpstream } from './prove.ts';
import { answerBytes, type PeerScene, startPeerScene } from './scene.ts';
import { tlsTable } from './tls-contestants.ts';
import { tlsTableFinding } from './tls-findings.ts';
import { type Machine, requireTools } from './tools.ts';
import { connections, loadCommand } from './wrk.ts';

/**
 * A device call beside others that do the same: verify an RS256 token of Entra's, look (tenant, device) up among a
 * million routes, forward to the right instance with its token, bring 300 bytes back; docs/performance.md.
 */

const defaultDevices = 1_000_000;
const defaultRounds = 9;
const defaultSeconds = 3;

interface Measured<More> {
  readonly courses: readonly Course[];
  readonly more: More;
  readonly circumstances: Circumstances;
}

interface Place {
  readonly machine: Machine;
  readonly scene: PeerScene;
}

async function openPlace({ options, stack }: Run, isSecure = false): Promise<Place> {
  const machine = requireTools();
  const scene = await startPeerScene(stack, options.devices ?? defaultDevices, isSecure);
  await proveUpstream(scene);
  return { machine, scene };
}

const nothingMore = async (): Promise<void> => undefined;

/** The contestants live for this contest only. */
async function measure<More>(
  { options, signal }: Run,
  { machine, scene }: Place,
  starts: readonly Start[],
  what: string,
  measureMore: (among: Contest) => Promise<More>,
): Promise<Measured<More>> {
  const rounds = options.rounds ?? defaultRounds;
  const seconds = options.seconds ?? defaultSeconds;
  await using stack = new AsyncDisposableStack();
  const contestants: Contestant[] = [];
  for (const start of starts) {
    signal.throwIfAborted();
    contestants.push(await start(stack, scene));
  }
  const among = { scene, contestants, rounds, seconds, signal };
  const courses = await contest(among);
  const more = await measureMore(among);
  const title = `${what}, ${whole(scene.devices)} routes, ${connections} connections, ${rounds} rounds of ${seconds} s`;
  return {
    courses,
    more,
    circumstances: {
      ...{ title, machine },
      command: loadCommand(contestants[0]!.origin, seconds, scene.load),
      proof: `every answer was 200 with ${answerBytes} bytes; whoever decides refused what it has to refuse`,
    },
  };
}

/** In a scene of its own, whose instances speak TLS. */
async function tlsOnBothSides(run: Run): Promise<Finding> {
  await using stack = new AsyncDisposableStack();
  const own = { ...run, stack };
  const place = await openPlace(own, true);
  const what = 'device calls, TLS on both sides';
  const { circumstances, courses, more } = await measure(own, place, tlsTable, what, contestOfHandshakes);
  return tlsTableFinding(courses, more, circumstances);
}

export async function forwardPeers(run: Run): Promise<Finding[]> {
  const { mode } = run.options;
  if (mode === 'latency') return [await addedLatency(run)];
  if (mode === 'tls') return [await tlsOnBothSides(run)];
  const first = mode === undefined ? [await tlsOnBothSides(run)] : [];
  const place = await openPlace(run);
  if (mode === 'front') {
    const { circumstances, courses } = await measure(run, place, withTls, 'TLS on the front', nothingMore);
    return [frontFinding(courses, circumstances)];
  }
  if (mode === 'internals') {
    const findings: Finding[] = [];
    for (const secure of [false, true]) {
      const what = `Node's internals, ${secure ? 'TLS on the front' : 'plain'}`;
      const { circumstances, courses } = await measure(
        run,
        place,
        withAndWithoutInternals(secure),
        what,
        nothingMore,
      );
      findings.push(internalsFinding(courses, circumstances));
    }
    return findings;
  }
  const { circumstances, courses } = await measure(run, place, table, 'device calls', nothingMore);
  return [...first, tableFinding(courses, circumstances)];
}
