import { newId } from '../../ids.ts';
import { shadowAnswerBytes, shadowAtOnce } from '../../limits.ts';
import type { Sql } from '../../store/database.ts';
import type { Instance, InstanceDirectory } from '../../store/instances/instance.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Forward, ForwardAnswer } from '../forward.ts';
import { type ComparedCall, compareAnswers, type SeenAnswer, type ShadowAnswer } from './compare.ts';
import { createFindings } from './findings.ts';

/**
 * Asks the instance that a move goes to what the one that it leaves has just answered, off the caller's path: after the
 * caller has its answer, a few at a time, the rest not at all. A sample is enough to see how the two differ.
 */

/** An open move whose calls are compared. */
export interface ShadowPlan {
  readonly tenantId: string;
  readonly moveId: string;
  readonly fromInstanceId: string;
  readonly toInstanceId: string;
}

export interface AnsweredCall {
  readonly tenantId: string;
  readonly deviceId: string;
  /** That answered. */
  readonly instanceId: string;
  readonly call: string;
}

/** Hears an answer as it goes to the caller. */
export interface ShadowEar {
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
   * What the answer is to be told to on its way, where this call is one that is compared. Cheap: from memory, for every
   * call. Whoever takes it ends or drops it.
   */
  listen(asked: AnsweredCall): ShadowEar | undefined;
  /** The same answer, for the caller; where the call is compared it is listened to on its way. */
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

export function createShadow({ forward, instances, log, sql }: ShadowOptions): Shadow {
  const findings = createFindings(sql);
  const inWork = new Map<string, number>();
  let plans: ReadonlyMap<string, ShadowPlan> = new Map();

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

  const compare = async (
    plan: ShadowPlan,
    call: ComparedCall,
    deviceId: string,
    old: SeenAnswer,
  ): Promise<void> => {
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

  const shadowed = (tenantId: string, instanceId: string): ShadowPlan | undefined =>
    plans.size === 0 ? undefined : plans.get(`${tenantId}/${instanceId}`);
  const listen: Shadow['listen'] = ({ call, deviceId, instanceId, tenantId }) => {
    const plan = shadowed(tenantId, instanceId);
    if (!plan || !isCompared(call)) return undefined;
    const taken = inWork.get(plan.moveId) ?? 0;
    if (taken >= shadowAtOnce) return undefined;
    inWork.set(plan.moveId, taken + 1);
    const release = (): void => {
      inWork.set(plan.moveId, (inWork.get(plan.moveId) ?? 1) - 1);
    };
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    const chunk = (part: Uint8Array): void => {
      bytes += part.byteLength;
      if (bytes <= shadowAnswerBytes) chunks.push(part);
    };
    return {
      chunk,
      text: (body) => chunk(Uint8Array.from(body, (character) => character.charCodeAt(0))),
      drop: release,
      end: (status) => {
        if (bytes > shadowAnswerBytes) {
          release();
          return;
        }
        void compare(plan, call, deviceId, { status, text: joined(chunks) })
          .catch((error: unknown) => log.warn('shadow.not-compared', { error, moveId: plan.moveId }))
          .finally(release);
      },
    };
  };
  /**
   * Passes the body on; nothing is kept of one that nobody will compare. Listens from the first part on: a generator that is
   * never begun never ends either, and would hold a place for ever.
   */
  async function* passOn({ body, status }: ForwardAnswer, asked: AnsweredCall): AsyncGenerator<Uint8Array> {
    const observer = listen(asked);
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

  return {
    listen,
    onAnswered: (asked, answer) =>
      shadowed(asked.tenantId, asked.instanceId) && isCompared(asked.call)
        ? { ...answer, body: passOn(answer, asked) }
        : answer,
    refresh: async () => {
      const rows = await sql<ShadowPlan[]>`
        select tenant_id as "tenantId", move_id as "moveId", from_instance_id as "fromInstanceId",
          to_instance_id as "toInstanceId"
        from moves where shadow and not paused and state in ('shadowing', 'moving')`;
      plans = new Map(rows.map((plan) => [`${plan.tenantId}/${plan.fromInstanceId}`, plan]));
      for (const [moveId, taken] of inWork) if (taken <= 0) inWork.delete(moveId);
    },
    flush: findings.flush,
  };
}
