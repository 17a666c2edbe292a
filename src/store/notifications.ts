/**
 * Notifications that a stage of delivery has due rows. A lost one costs only time, for the next look finds the rows. One a
 * transaction, never one a row: a notification takes a lock of the whole server at commit.
 */

import { monotonicMs } from '../clock.ts';
import { newId } from '../ids.ts';
import { pollDueMs } from '../limits.ts';
import type { Log } from '../telemetry/log.ts';
import type { Sql } from './database.ts';
import type { Schedule, StageName } from './due-rows.ts';

/** The payload is a stage's name or, from a gateway, the schedules. */
export const dueChannel = 'espalier_due';

/**
 * Wakes the stages of this process and of the others on the same database. Many schedules are gathered into one
 * notification, which is sent beside the transactions that it is about.
 */
export interface DueNotifications {
  /** Announces due work; called after the commit. */
  due(stage: StageName, schedule: Schedule): void;
  /** This process's stage wants to know; without schedules: anything may be due. */
  listen(stage: StageName, wake: (schedules?: readonly Schedule[]) => void): void;
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** The first notification after a rest waits so long, so that what comes at the same moment goes with it. */
const gatherMs = 30;
/** PostgreSQL takes 7,999 bytes of payload. */
const schedulesPerNotification = 60;

/** `lanes` is what earlier versions named the schedules, and processes of two versions wake each other. */
interface Payload {
  readonly from: string;
  readonly stage: StageName;
  readonly lanes: readonly Schedule[] | null;
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

export function createDueNotifications(sql: Sql, log: Log): DueNotifications {
  const self = newId();
  const listeners = new Map<StageName, (schedules?: readonly Schedule[]) => void>();
  const gathered = new Map<StageName, Map<string, Schedule>>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let sentAtMs = Number.NEGATIVE_INFINITY;
  let listening: { unlisten: () => Promise<void> } | undefined;

  const send = (): void => {
    timer = undefined;
    sentAtMs = monotonicMs();
    for (const [stage, schedules] of gathered) {
      const all = [...schedules.values()];
      const payload: Payload = {
        from: self,
        stage,
        lanes: all.length > schedulesPerNotification ? null : all,
      };
      sql
        .notify(dueChannel, JSON.stringify(payload))
        .catch((error: unknown) => log.debug('due.notification-not-sent', { error }));
    }
    gathered.clear();
  };
  return {
    due: (stage, schedule) => {
      listeners.get(stage)?.([schedule]);
      const schedules = gathered.get(stage) ?? new Map<string, Schedule>();
      schedules.set(
        `${schedule.tenantId}/${schedule.instanceId ?? ''}/${schedule.kind ?? ''}/${schedule.background}`,
        schedule,
      );
      gathered.set(stage, schedules);
      // Others look by themselves as often: it is no use telling them more often than that.
      timer ??= setTimeout(send, Math.max(gatherMs, sentAtMs + pollDueMs - monotonicMs()));
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
      await listening?.unlisten().catch((error: unknown) => log.debug('due.unlisten-failed', { error }));
    },
  };
}
