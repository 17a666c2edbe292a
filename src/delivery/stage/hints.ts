import { newId } from '../../ids.ts';
import type { Sql } from '../../store/database.ts';
import type { Lane } from '../../store/due-rows.ts';
import { dueChannel } from '../../store/notifications.ts';
import type { Log } from '../../telemetry/log.ts';
import type { StageName } from './run-stage.ts';

/**
 * Telling the stages of this process, and of the others on the same database, that lanes have due rows. Only hints:
 * what is lost is found by the next survey. Many are gathered into one notification, sent beside the transactions
 * that they are about: a notification takes a lock of the whole server at commit.
 */
export interface Hints {
  /** To be called after the commit. */
  due(stage: StageName, lane: Lane): void;
  /** This process's stage wants to know; without lanes: anything may be due. */
  listen(stage: StageName, wake: (lanes?: readonly Lane[]) => void): void;
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Others look by themselves every `pollDueMs`; it is no use being much faster. */
const gatherMs = 30;
/** PostgreSQL takes 7,999 bytes of payload. */
const lanesPerNotification = 60;

interface Payload {
  readonly from: string;
  readonly stage: StageName;
  readonly lanes: readonly Lane[] | null;
}

function readPayload(text: string): Payload | undefined {
  if (text === 'computers' || text === 'reports') return { from: '', stage: text, lanes: null };
  try {
    const { from, lanes, stage } = JSON.parse(text) as Payload;
    return (stage === 'computers' || stage === 'reports') && (lanes === null || Array.isArray(lanes))
      ? { from, stage, lanes }
      : undefined;
  } catch {
    // Somebody else's notification on our channel: it tells nothing.
    return undefined;
  }
}

export function createHints(sql: Sql, log: Log): Hints {
  const self = newId();
  const listeners = new Map<StageName, (lanes?: readonly Lane[]) => void>();
  const gathered = new Map<StageName, Map<string, Lane>>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let listening: { unlisten: () => Promise<void> } | undefined;

  const send = (): void => {
    timer = undefined;
    for (const [stage, lanes] of gathered) {
      const all = [...lanes.values()];
      const payload: Payload = { from: self, stage, lanes: all.length > lanesPerNotification ? null : all };
      sql
        .notify(dueChannel, JSON.stringify(payload))
        .catch((error: unknown) => log.debug('hints.not-sent', { error }));
    }
    gathered.clear();
  };
  return {
    due: (stage, lane) => {
      listeners.get(stage)?.([lane]);
      const lanes = gathered.get(stage) ?? new Map<string, Lane>();
      lanes.set(`${lane.tenantId}/${lane.instanceId ?? ''}/${lane.kind ?? ''}/${lane.background}`, lane);
      gathered.set(stage, lanes);
      timer ??= setTimeout(send, gatherMs);
    },
    listen: (stage, wake) => {
      listeners.set(stage, wake);
    },
    start: async () => {
      listening = await sql.listen(dueChannel, (text) => {
        const payload = readPayload(text);
        if (!payload || payload.from === self) return;
        listeners.get(payload.stage)?.(payload.lanes ?? undefined);
      });
    },
    stop: async () => {
      if (timer !== undefined) {
        clearTimeout(timer);
        send();
      }
      await listening?.unlisten().catch((error: unknown) => log.debug('hints.unlisten', { error }));
    },
  };
}
