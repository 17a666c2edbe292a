/** What the supervisor and its processes say to each other over the channel of node:cluster. Both are of one version. */

import type { Readiness } from '../../gateway/ops.ts';
import type { GaugesRead, MetricFamily } from '../../telemetry/counters.ts';

/** The first order: what a process has to know before it starts. */
export interface Beginning {
  readonly kind: 'begin';
  /** From 1; one that takes the place of another has its number. */
  readonly number: number;
  /** How many there are. */
  readonly processes: number;
  /** Others serve already: it takes no connection before it can answer. */
  readonly besides: boolean;
  /**
   * Under which the machine holds leases of instances, so that the process that delivers next need not wait until those of a
   * dead one run out. Only one delivers at a time.
   */
  readonly holder: string;
  /** Base64; keys of session tickets are made of it. */
  readonly ticketSecret: string;
}

/** What a process let pass of limits: name of the limit, key, amount. */
export type Taken = readonly (readonly [limit: string, key: string, amount: number])[];

export type Question =
  | { readonly what: 'readiness' }
  /** `gauges` undefined: only what is counted. */
  | { readonly what: 'metrics'; readonly gauges: GaugesRead | undefined };

export type Order =
  | Beginning
  | { readonly kind: 'deliver' }
  | { readonly kind: 'tickets'; readonly ticketSecret: string }
  /** By another process. */
  | { readonly kind: 'taken'; readonly taken: Taken }
  /** `closed`: takes no new connections during the delay, for another process does. A second one ends the delay. */
  | { readonly kind: 'stop'; readonly delayMs: number; readonly closed: boolean }
  | { readonly kind: 'ask'; readonly id: number; readonly question: Question };

export interface ReadyFacts {
  readonly urls: { readonly data?: string; readonly admin?: string };
  readonly degradedSeconds?: number;
}

export interface AnswerOf {
  readonly readiness: Readiness;
  readonly metrics: readonly MetricFamily[];
}

export type Report =
  | { readonly kind: 'hello' }
  | ({ readonly kind: 'ready' } & ReadyFacts)
  /** It cannot start, and ends; lines for a person. */
  | { readonly kind: 'fault'; readonly lines: readonly string[] }
  /** It delivers no more and holds no lease. */
  | { readonly kind: 'rested' }
  | { readonly kind: 'taken'; readonly taken: Taken }
  /** The last words of one that ends: all that it counted. */
  | { readonly kind: 'counted'; readonly families: readonly MetricFamily[] }
  | { readonly kind: 'answer'; readonly id: number; readonly value: AnswerOf[keyof AnswerOf] };
