import { type CallerScene, drained, startCallerScene } from './caller-scene.ts';
import type { Caller, CallerResult } from './callers.ts';
import { answerBytesHeader } from './crowd.ts';
import { type Noise, noises } from './noises.ts';
import {
  compared,
  noiseHeads,
  noiseRow,
  pool,
  quietHeads,
  quietKinds,
  quietRow,
  type Round,
  type Side,
  verdict,
} from './noisy-findings.ts';
import { type Finding, type Run, wait } from './run.ts';
import { columns, tenths } from './table.ts';
import { familyProcessorSeconds, machineProcessorSeconds, processorSeconds } from './usage.ts';

/**
 * Whether one noisy caller is noticed by a quiet tenant: its device calls, webhooks and pushes at steady rates, beside each
 * kind of noise, and beside the same noise that goes to a server which does nothing (control): between the two is the
 * gateway's doing, and not the machine's. Limits are the defaults.
 */

/** Of each side of each noise. */
const defaultRounds = 2;
const defaultSeconds = 5;
/** Below what one instance may send, webhooks and pushes together. */
const perSecond = { calls: 100, webhooks: 20, pushes: 10 } as const;
const quietConnections = 24;
/** The noise has begun. */
const leadInMs = 500;
const limits = { ESPALIER_RATE_PER_INSTANCE: '200', ESPALIER_RATE_PER_TENANT: '1000' };

interface Playing {
  readonly scene: CallerScene;
  readonly quiet: readonly Caller[];
  readonly seconds: number;
  readonly signal: AbortSignal;
}

const quietCallers = ({ callerOf }: CallerScene): Caller[] =>
  quietKinds.map((kind) =>
    callerOf('quiet', { kind, connections: quietConnections }, { of: 'steady', perSecond: perSecond[kind] }),
  );

const noisyCallers = ({ callerOf }: CallerScene, { isPatient = false, of }: Noise): Caller[] =>
  of.map((asked) => callerOf('noisy', asked, { of: 'flood', isPatient }));

/** The same requests to the sink, as many as were answered and with answers as long. */
function controlCallers(
  callers: readonly Caller[],
  answered: readonly CallerResult[],
  sink: string,
): Caller[] {
  return callers.map((caller) => {
    const { answerBytes, seconds, statuses } = answered.find(({ name }) => name === caller.name)!;
    const { 0: _none = 0, ...others } = statuses;
    const answers = Object.values(others).reduce((sum, count) => sum + count, 0);
    const bytes = { [answerBytesHeader]: `${Math.round(answerBytes)}` };
    return {
      ...caller,
      origin: sink,
      requests: caller.requests.map((one) => ({ ...one, headers: { ...one.headers, ...bytes } })),
      manner: { of: 'flood', atMostPerSecond: Math.max(1, answers / seconds) },
    };
  });
}

function secondsOf({ crowds, scene }: CallerScene): Round['processors'] {
  const postgres = familyProcessorSeconds(scene.processes.postgres) ?? 0;
  return {
    gateway: processorSeconds(scene.processes.gateway) ?? 0,
    postgres,
    noise: processorSeconds(crowds.noisy.pid) ?? 0,
    others: (machineProcessorSeconds() ?? 0) - (familyProcessorSeconds(process.pid) ?? 0) - postgres,
  };
}

async function playRound(
  { quiet, scene, seconds, signal }: Playing,
  noise: string,
  side: Side,
  callers: readonly Caller[],
): Promise<Round> {
  const { crowds, watched } = scene;
  const { gateway } = scene.scene;
  // The quiet one first: its handshakes are over before there is any noise.
  await crowds.quiet.connect(quiet);
  await crowds.noisy.connect(callers);
  const end = crowds.noisy.begin(callers);
  await wait(leadInMs, signal);
  await watched.seen(gateway);
  const [before, beganMs] = [secondsOf(scene), performance.now()];
  const heard = await crowds.quiet.play(quiet, seconds);
  const [after, tookMs] = [secondsOf(scene), performance.now() - beganMs];
  const noisy = await end();
  const loop = await watched.seen(gateway);
  await drained(scene.scene, signal);
  const busy = (which: keyof typeof before): number => (after[which] - before[which]) / (tookMs / 1_000);
  const [postgres, noiseMaker] = [busy('postgres'), busy('noise')];
  const processors = { gateway: busy('gateway'), postgres, noise: noiseMaker, others: busy('others') };
  return { noise, side, quiet: heard, noisy, processors, loop };
}

/** In pairs in changing order; the first begins beside the gateway, for the control offers what was answered there. */
async function playNoise(playing: Playing, noise: Noise, pairs: number): Promise<Round[]> {
  const callers = noisyCallers(playing.scene, noise);
  const first = await playRound(playing, noise.name, 'beside', callers);
  const control = controlCallers(callers, first.noisy, playing.scene.sink);
  const rounds = [first, await playRound(playing, noise.name, 'control', control)];
  for (let pair = 1; pair < pairs; pair += 1) {
    for (const side of pair % 2 === 1 ? (['control', 'beside'] as const) : (['beside', 'control'] as const))
      rounds.push(await playRound(playing, noise.name, side, side === 'control' ? control : callers));
  }
  return rounds;
}

function aloneLine(alone: readonly Round[]): string {
  const kinds = quietKinds.map((kind) => {
    const found = pool(alone, kind);
    return found ? `${kind} p50 ${tenths(found.p50Ms)}, p99 ${tenths(found.p99Ms)}` : `${kind} void`;
  });
  return `alone, ms: ${kinds.join('; ')}`;
}

export async function noisyNeighbour(run: Run): Promise<Finding[]> {
  const { only = '', rounds: pairs = defaultRounds, seconds = defaultSeconds } = run.options;
  const scene = await startCallerScene(run, { isApart: true, settings: limits });
  const playing: Playing = { scene, quiet: quietCallers(scene), seconds, signal: run.signal };
  const playAlone = () => playRound(playing, 'nothing', 'alone', []);
  await drained(scene.scene, run.signal);
  await playAlone();
  const alone = [await playAlone(), await playAlone()];
  const played: { readonly name: string; readonly rounds: readonly Round[] }[] = [];
  for (const noise of noises.filter(({ name }) => new RegExp(only).test(name)))
    played.push({ name: noise.name, rounds: await playNoise(playing, noise, pairs) });
  const found = played.map(({ name, rounds }) => ({ name, all: compared(rounds) }));
  const { calls, pushes, webhooks } = perSecond;
  return [
    {
      title: `a quiet tenant, ${calls} device calls, ${webhooks} webhooks and ${pushes} pushes a second, beside one noisy caller; ms; fast lane: ${scene.laneWay}`,
      lines: [
        ...columns([quietHeads, ...found.flatMap(({ all, name }) => all.map((one) => quietRow(name, one)))]),
        aloneLine(alone),
        '',
        ...columns([
          noiseHeads,
          noiseRow('nothing', alone, 'alone'),
          ...played.map(({ name, rounds }) => noiseRow(name, rounds, 'beside')),
        ]),
        '',
        ...found.map(({ all, name }) => verdict(name, all)),
      ],
      data: { perSecond, seconds, found, alone: aloneLine(alone) },
    },
  ];
}
