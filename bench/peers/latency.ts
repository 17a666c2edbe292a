import { median } from '../rounds.ts';
import type { Finding, Run } from '../run.ts';
import { columns } from '../table.ts';
import { startWorker, type Worker } from '../worker.ts';
import { espalierAlone } from './contestants.ts';
import { machineLines } from './findings.ts';
import { prove, proveUpstream } from './prove.ts';
import { answerBytes, devicePath, type PeerScene, startPeerScene } from './scene.ts';
import type { SteadyPlan, SteadyTimes } from './steady.ts';
import { requireTools } from './tools.ts';
import { connections } from './wrk.ts';

/** What a call through the gateway takes longer than the same call straight to the instance, at a quiet rate. */

const perSecond = 500;
const defaultDevices = 1_000_000;
const defaultRounds = 9;
const defaultSeconds = 5;
const patienceMs = 20_000;
/** Different devices of a run, so that the whole plan fits in a message to the generator. */
const askedDevices = 2_000;
const boundMs = { p50: 1, p99: 5 } as const;

interface Times {
  readonly p50: number;
  readonly p99: number;
  /** Most milliseconds that the generator itself was late: where it is much, the machine was not calm. */
  readonly late: number;
}

const at = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;

const timesOf = ({ fromDue, latestSendMs }: SteadyTimes): Times => ({
  ...{ p50: at(fromDue, 0.5), p99: at(fromDue, 0.99), late: latestSendMs },
});

const bearer = (token: string): string => `authorization: Bearer ${token}\r\naccept: application/json\r\n`;

/** The same calls both ways; straight ones go to the first instance, whose computers they are. */
function plans(scene: PeerScene, origin: string): { direct: SteadyPlan; through: SteadyPlan } {
  const own = scene.called.filter(({ instance }) => instance === 0).slice(0, askedDevices);
  const both = { ca: undefined, connections, perSecond, durationMs: 0, answerBytes };
  const upstream = scene.instances[0]!;
  return {
    direct: {
      ...both,
      origin: upstream.origin,
      paths: own.map(
        ({ computerId }) => `/api/v1/conditional-access/device-compliance-information/computer/${computerId}`,
      ),
      heads: [bearer(upstream.token)],
    },
    through: {
      ...both,
      origin,
      paths: own.map(({ deviceId }) => devicePath(scene.tenantId, deviceId)),
      heads: [bearer(scene.tokens.good)],
    },
  };
}

export async function addedLatency(run: Run): Promise<Finding> {
  const { options, signal, stack } = run;
  const machine = requireTools();
  const scene = await startPeerScene(stack, options.devices ?? defaultDevices);
  await proveUpstream(scene);
  const gateway = await espalierAlone[0]!(stack, scene);
  await prove(gateway, scene);
  const generator: Worker<SteadyPlan, SteadyTimes> = startWorker('./peers/steady.ts');
  stack.defer(() => generator.stop());
  const durationMs = (options.seconds ?? defaultSeconds) * 1_000;
  const { direct, through } = plans(scene, gateway.origin);
  const measure = async (plan: SteadyPlan): Promise<Times> => {
    signal.throwIfAborted();
    return timesOf(await generator.ask({ ...plan, durationMs }, durationMs + patienceMs));
  };
  await measure(through);
  await measure(direct);
  const rounds: { direct: Times; through: Times }[] = [];
  for (let round = 0; round < (options.rounds ?? defaultRounds); round += 1) {
    // In turn, so that neither always comes second.
    if (round % 2 === 0) rounds.push({ direct: await measure(direct), through: await measure(through) });
    else {
      const second = await measure(through);
      rounds.push({ direct: await measure(direct), through: second });
    }
  }
  return latencyFinding(rounds, machine, durationMs);
}

function latencyFinding(
  rounds: readonly { readonly direct: Times; readonly through: Times }[],
  machine: ReturnType<typeof requireTools>,
  durationMs: number,
): Finding {
  const value = (way: 'direct' | 'through', which: keyof Times): number =>
    median(rounds.map((round) => round[way][which]));
  const added = (which: 'p50' | 'p99'): number =>
    median(rounds.map(({ direct, through }) => through[which] - direct[which]));
  const ms = (number: number): string => number.toFixed(3);
  const line = (which: 'p50' | 'p99'): string =>
    `${added(which) < boundMs[which] ? 'holds ' : 'missed'}  ${which} added, below ${boundMs[which]} ms: ${ms(added(which))}`;
  return {
    title: `added latency at ${perSecond} requests/s over ${connections} connections, ${rounds.length} rounds of ${durationMs / 1_000} s each way`,
    lines: [
      ...columns([
        ['', 'p50 ms', 'p99 ms', 'sent late by, at most'],
        ...(['direct', 'through'] as const).map((way) => [
          way === 'direct' ? 'straight to the instance' : 'through espalier serve',
          ...(['p50', 'p99', 'late'] as const).map((which) => ms(value(way, which))),
        ]),
        ['added, by rounds', ms(added('p50')), ms(added('p99')), ''],
      ]),
      '',
      line('p50'),
      line('p99'),
      ...machineLines(machine),
    ],
    data: { machine, rounds, addedMs: { p50: added('p50'), p99: added('p99') } },
  };
}
