import type { Pace } from './pace.ts';
import { processorSeconds } from './usage.ts';

/** One of the two that are measured against each other. */
export interface Contestant {
  readonly name: string;
  /** Its process: what it takes of the machine is part of the finding. */
  readonly pid: number;
  run(durationMs: number): Promise<Pace>;
}

export interface Measured {
  readonly name: string;
  /** Medians of the rounds. */
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Processors its process kept busy; undefined where the system does not say. */
  readonly processors: number | undefined;
  /** Every round's rate, in order. */
  readonly rounds: readonly number[];
}

export interface Comparison {
  readonly title: string;
  /** What `perSecond` counts. */
  readonly unit: string;
  readonly espalier: Measured;
  readonly peer: Measured;
  /** Espalier's median rate over the peer's. */
  readonly ratio: number;
  /** What was proved after the load. */
  readonly proof: string;
}

export interface RoundsOptions {
  readonly title: string;
  readonly unit: string;
  /** Units in one operation. */
  readonly unitsEach: number;
  readonly espalier: Contestant;
  readonly peer: Contestant;
  readonly signal: AbortSignal;
  readonly rounds: number | undefined;
  /** Looks whether all of it arrived; throws when it did not. */
  readonly prove: () => Promise<string>;
}

/** Unless told otherwise. */
const defaultRounds = 3;
const warmUpMs = 1_000;
const roundMs = 2_500;

interface Round extends Pace {
  readonly processors: number | undefined;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

async function once(contestant: Contestant, durationMs: number, signal: AbortSignal): Promise<Round> {
  signal.throwIfAborted();
  const before = processorSeconds(contestant.pid);
  const started = performance.now();
  const measured = await contestant.run(durationMs);
  const after = processorSeconds(contestant.pid);
  const wallSeconds = (performance.now() - started) / 1_000;
  const known = before !== undefined && after !== undefined;
  return { ...measured, processors: known ? (after - before) / wallSeconds : undefined };
}

function summarize(name: string, measured: readonly Round[], unitsEach: number): Measured {
  const rates = measured.map(({ operations, seconds }) => (operations * unitsEach) / seconds);
  const processors = measured.map((round) => round.processors).filter((value) => value !== undefined);
  return {
    name,
    perSecond: median(rates),
    p50Ms: median(measured.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(measured.map(({ p99Ms }) => p99Ms)),
    processors: processors.length === measured.length ? median(processors) : undefined,
    rounds: rates,
  };
}

/** Both warm up, then take turns: what the machine does meanwhile meets both. Throws when the signal is aborted. */
export async function compare(options: RoundsOptions): Promise<Comparison> {
  const { espalier, peer, prove, rounds = defaultRounds, signal, title, unit, unitsEach } = options;
  await once(espalier, warmUpMs, signal);
  await once(peer, warmUpMs, signal);
  const ours: Round[] = [];
  const theirs: Round[] = [];
  for (let round = 0; round < rounds; round += 1) {
    ours.push(await once(espalier, roundMs, signal));
    theirs.push(await once(peer, roundMs, signal));
  }
  const proof = await prove();
  const first = summarize(espalier.name, ours, unitsEach);
  const second = summarize(peer.name, theirs, unitsEach);
  return {
    ...{ title, unit, proof },
    espalier: first,
    peer: second,
    ratio: first.perSecond / second.perSecond,
  };
}
