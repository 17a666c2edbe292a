/**
 * Asks the instance that a move goes to what the one that it leaves has just answered, off the caller's path: after the
 * caller has its answer, a few at a time, the rest not at all. A sample is enough to see how the two differ.
 */

import { ChurningMap, ChurningSet } from '../../churn.ts';
import { monotonicMs } from '../../clock.ts';
import { newId } from '../../ids.ts';
import { type After, afterInProcess } from '../../joining.ts';
import { longestHeldMs, shadowAnswerBytes, shadowAtOnce, shadowLookMs } from '../../limits.ts';
import { columns, pick, type Row } from '../../store/columns.ts';
import type { Fragment, Queries, Sql } from '../../store/database.ts';
import type { Instance, InstanceDirectory } from '../../store/instances/instance.ts';
import { moves } from '../../store/schema.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Forward, ForwardAnswer } from '../forward.ts';
import { type ComparedCall, compareAnswers, type SeenAnswer, type ShadowAnswer } from './compare.ts';
import { createFindings, type Findings } from './findings.ts';

const planColumns = pick(moves, 'tenantId', 'moveId', 'fromInstanceId', 'toInstanceId');
/** An open move whose calls are compared. */
export type ShadowPlan = Row<typeof planColumns>;

/** Condition of such a move. */
export const comparesCalls = (sql: Queries): Fragment =>
  sql`shadow and not paused and state in ('shadowing', 'moving')`;

export interface AnsweredCall {
  readonly tenantId: string;
  readonly deviceId: string;
  /** Instance that answered. */
  readonly instanceId: string;
  readonly call: string;
}

/** Sees an answer as it goes to the caller. */
export interface AnswerObserver {
  chunk(part: Uint8Array): void;
  /** A whole body, one character a byte. */
  text(body: string): void;
  /** It was whole. */
  end(status: number): void;
  /** It was not, or will not be. */
  drop(): void;
}

export interface Shadow {
  /**
   * The observer of the answer, where this call is one that is compared. Cheap: from memory, for every call. An observer
   * is ended or dropped, else its place stays taken.
   */
  observe(asked: AnsweredCall): AnswerObserver | undefined;
  /** The same answer, for the caller; where the call is compared it is observed on its way. */
  onAnswered(asked: AnsweredCall, answer: ForwardAnswer): ForwardAnswer;
  /** Reads which moves are compared; without it none is. */
  refresh(): Promise<void>;
  /** Writes what was found. */
  flush(): Promise<void>;
}

export interface ShadowOptions {
  readonly sql: Sql;
  readonly log: Log;
  readonly instances: InstanceDirectory;
  readonly forward: Forward;
  /** Takes comparisons, which nobody waits for. */
  readonly after?: After;
  /**
   * Given where nothing runs between requests: whether this one asks the database anyway. Then a request looks which moves are
   * compared, and each comparison writes what it found.
   */
  readonly asksDatabase?: () => boolean;
}

/** A call that is observed or compared. */
interface Place {
  readonly atMs: number;
}

const comparedCalls: readonly string[] = ['compliance', 'inventory'] satisfies ComparedCall[];
const isCompared = (call: string): call is ComparedCall => comparedCalls.includes(call);

/** The body's text, or undefined when it breaks off or is too large. */
async function textOf(body: AsyncIterable<Uint8Array>): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes > shadowAnswerBytes) return undefined;
    chunks.push(chunk);
  }
  return joined(chunks);
}

function joined(chunks: readonly Uint8Array[]): string {
  const decoder = new TextDecoder();
  return chunks.map((chunk) => decoder.decode(chunk, { stream: true })).join('') + decoder.decode();
}

/** An observed call whose answer is whole. */
interface SeenCall {
  readonly plan: ShadowPlan;
  readonly call: ComparedCall;
  readonly deviceId: string;
  readonly old: SeenAnswer;
}

/** Asks the instance that the move goes to, and adds what differs to the findings. */
function createComparing({ forward, instances, sql }: ShadowOptions, findings: Findings) {
  /** The computer that the move will give the device to; undefined when it is not, or no longer, to be moved. */
  const targetOf = async (plan: ShadowPlan, deviceId: string): Promise<number | undefined> => {
    const [row] = await sql<{ computer: number | null }[]>`
      select to_jamf_computer_id as computer from move_devices
      where tenant_id = ${plan.tenantId} and move_id = ${plan.moveId} and device_id = ${deviceId} and state = 'planned'`;
    return row?.computer ?? undefined;
  };
  const ask = async (
    instance: Instance,
    call: ComparedCall,
    jamfComputerId: number,
  ): Promise<ShadowAnswer | undefined> => {
    const headers = new Headers({ accept: 'application/json' });
    const result = await forward({ call, instance, jamfComputerId, headers, requestId: newId() });
    if (!result.ok) return { ok: false, problem: result.problem.slug };
    const text = await textOf(result.answer.body);
    return text === undefined ? undefined : { ok: true, status: result.answer.status, text };
  };
  return async ({ call, deviceId, old, plan }: SeenCall): Promise<void> => {
    const { moveId, tenantId, toInstanceId } = plan;
    const computer = await targetOf(plan, deviceId);
    const instance = await instances.instance(tenantId, toInstanceId);
    if (computer === undefined || !instance) return;
    const answer = await ask(instance, call, computer);
    if (!answer) return;
    const comparison = compareAnswers(call, deviceId, old, answer);
    if (comparison === 'undecided') return;
    const difference = comparison === 'alike' ? undefined : comparison;
    findings.add({ tenantId, moveId, call, deviceId, difference });
  };
}

/** `whole` gets the answer once it is complete; it is undefined where the answer was dropped or is too large. */
function observerOf(whole: (answer: SeenAnswer | undefined) => void): AnswerObserver {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const chunk = (part: Uint8Array): void => {
    bytes += part.byteLength;
    if (bytes <= shadowAnswerBytes) chunks.push(part);
  };
  return {
    chunk,
    text: (body) => chunk(Uint8Array.from(body, (character) => character.charCodeAt(0))),
    drop: () => whole(undefined),
    end: (status) => whole(bytes > shadowAnswerBytes ? undefined : { status, text: joined(chunks) }),
  };
}

/**
 * Passes the body on; nothing is kept of one that nobody will compare. Observes from the first part on: a generator that is
 * never begun never ends either, and would hold a place for ever.
 */
async function* passOn(
  { body, status }: ForwardAnswer,
  observe: () => AnswerObserver | undefined,
): AsyncGenerator<Uint8Array> {
  const observer = observe();
  if (!observer) {
    yield* body;
    return;
  }
  let isWhole = false;
  try {
    for await (const chunk of body) {
      observer.chunk(chunk);
      yield chunk;
    }
    isWhole = true;
  } finally {
    if (isWhole) observer.end(status);
    else observer.drop();
  }
}

export function createShadow(options: ShadowOptions): Shadow {
  const { after = afterInProcess, asksDatabase, log, sql } = options;
  const findings = createFindings(sql);
  const compare = createComparing(options, findings);
  /** Calls of each move that are observed or compared, by the time at which they began. */
  const inWork = new ChurningMap<string, ChurningSet<Place>>();
  let lookedAtMs = monotonicMs();
  let plans: ReadonlyMap<string, ShadowPlan> = new Map();

  const planOf = ({ call, instanceId, tenantId }: AnsweredCall): ShadowPlan | undefined =>
    plans.size === 0 || !isCompared(call) ? undefined : plans.get(`${tenantId}/${instanceId}`);
  /** undefined: there is none. One of a request that was cut off, as on Workers it may be, comes back after a while. */
  const takePlace = ({ moveId }: ShadowPlan): Place | undefined => {
    const taken = inWork.get(moveId) ?? new ChurningSet<Place>();
    inWork.set(moveId, taken);
    const place = { atMs: monotonicMs() };
    for (const old of taken) if (place.atMs - old.atMs >= longestHeldMs) taken.delete(old);
    if (taken.size >= shadowAtOnce) return undefined;
    taken.add(place);
    return place;
  };
  const compareAndRelease = async (seen: SeenCall, release: () => void): Promise<void> => {
    try {
      await compare(seen);
      if (asksDatabase) await findings.flush();
    } catch (error) {
      log.warn('shadow.not-compared', { error, moveId: seen.plan.moveId });
    } finally {
      release();
    }
  };
  const observe: Shadow['observe'] = (asked) => {
    const { call, deviceId } = asked;
    const plan = planOf(asked);
    const place = plan && isCompared(call) ? takePlace(plan) : undefined;
    if (!plan || !isCompared(call) || !place) return undefined;
    const release = (): void => {
      inWork.get(plan.moveId)?.delete(place);
    };
    return observerOf((old) => {
      if (old === undefined) release();
      else after(compareAndRelease({ plan, call, deviceId, old }, release));
    });
  };
  const refresh = async (): Promise<void> => {
    const rows = await sql<ShadowPlan[]>`
      select ${columns(sql, planColumns)} from moves where ${comparesCalls(sql)}`;
    plans = new Map(rows.map((plan) => [`${plan.tenantId}/${plan.fromInstanceId}`, plan]));
    for (const [moveId, taken] of inWork) if (taken.size === 0) inWork.delete(moveId);
  };
  /**
   * A request that asks the database anyway looks for moves too, for a new one raises the version of its tenant, so that
   * what is remembered of that is read again. Where moves are known, others look as well, every few seconds.
   */
  const look = (): void => {
    const nowMs = monotonicMs();
    if (!asksDatabase) return;
    if (!asksDatabase() && (plans.size === 0 || nowMs - lookedAtMs < shadowLookMs)) return;
    lookedAtMs = nowMs;
    after(refresh());
  };

  return {
    observe,
    onAnswered: (asked, answer) => {
      look();
      return planOf(asked) ? { ...answer, body: passOn(answer, () => observe(asked)) } : answer;
    },
    refresh,
    flush: findings.flush,
  };
}
