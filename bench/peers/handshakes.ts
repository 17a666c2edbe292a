import { readFileSync } from 'node:fs';
import { wait } from '../run.ts';
import { familyProcessorSeconds } from '../usage.ts';
import { startWorker } from '../worker.ts';
import type { Contest, Course } from './contest.ts';
import type { Contestant } from './contestants.ts';
import type { HandshakePlan, HandshakeTimes } from './handshake-client.ts';
import { devicePath, type PeerScene } from './scene.ts';
import type { Round } from './wrk.ts';

/**
 * New connections, each with a handshake of TLS 1.3 and one call: full handshakes, and those that resume a session. The client
 * needs more of its processor than any contestant, so what counts is what a contestant's processor takes for each.
 */

export const handshakePlaces = 16;
/** Beyond the time of a round. */
const patienceMs = 20_000;
/** Until what the last one left behind is done with. */
const betweenMs = 200;

export interface Handshakes {
  readonly full: readonly Course[];
  readonly resumed: readonly Course[];
}

const percentile = (ascending: readonly number[], share: number): number =>
  ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * share))] ?? Number.NaN;

function requestOf({ called, load, tenantId }: PeerScene): string {
  const path = devicePath(tenantId, called[0]!.deviceId);
  return `GET ${path} HTTP/1.1\r\n${readFileSync(load.headers, 'latin1')}`;
}

async function roundOf(
  { ca, origin, pid }: Contestant,
  plan: Pick<HandshakePlan, 'request' | 'resumes'> & { readonly seconds: number },
): Promise<Round> {
  const client = startWorker<HandshakePlan, HandshakeTimes>('./peers/handshake-client.ts');
  try {
    const { request, resumes, seconds } = plan;
    const durationMs = seconds * 1_000;
    const before = familyProcessorSeconds(pid);
    const began = performance.now();
    const { seconds: took, times } = await client.ask(
      {
        ...{ ca: ca ?? '', durationMs, places: handshakePlaces, request, resumes },
        port: Number(new URL(origin).port),
      },
      durationMs + patienceMs,
    );
    const cpuSeconds = (familyProcessorSeconds(pid) ?? Number.NaN) - (before ?? Number.NaN);
    return {
      requestsPerSecond: times.length / took,
      cpuMicros: (cpuSeconds * 1e6) / times.length,
      p50Ms: percentile(times, 0.5),
      p99Ms: percentile(times, 0.99),
      processors: cpuSeconds / ((performance.now() - began) / 1_000),
    };
  } finally {
    await client.stop();
  }
}

/** Everyone takes turns, as in the contest of calls. */
export async function contestOfHandshakes(options: Contest): Promise<Handshakes> {
  const { contestants, rounds, scene, seconds, signal } = options;
  const request = requestOf(scene);
  const kind = async (resumes: boolean): Promise<Course[]> => {
    const measured = contestants.map(() => [] as Round[]);
    for (let round = 0; round < rounds; round += 1)
      for (let turn = 0; turn < contestants.length; turn += 1) {
        const at = (round + turn) % contestants.length;
        measured[at]!.push(await roundOf(contestants[at]!, { request, resumes, seconds }));
        await wait(betweenMs, signal);
      }
    return contestants.map(({ name }, at) => ({ name, rounds: measured[at]!, lookUps: undefined }));
  };
  return { full: await kind(false), resumed: await kind(true) };
}
