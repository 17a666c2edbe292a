/**
 * Tells each target what it has not been told yet. A target is leased by one process at a time and has one message under
 * way, whose content and id are stored before it is sent: a process that ends in between leaves a message that the next one
 * sends again with the same id. Those that are due are told at the same time, and a slow one has one message a turn: what
 * hangs delays the others by the time limit of one message, and then backs off.
 */

import { monotonicMs } from '../clock.ts';
import { type Backoff, backoffSeconds } from '../delivery/stage/backoff.ts';
import { newId } from '../ids.ts';
import {
  alertHistoryCharacters,
  alertHistoryEntries,
  alertMessagesOfTurn,
  alertSlowMs,
  alertsOfMessage,
  alertTargetsAtOnce,
} from '../limits.ts';
import {
  noteSending,
  noteStreamed,
  readEntriesAfter,
  readNextChain,
} from '../store/alerts/history-cursors.ts';
import {
  type AlertTarget,
  claimTargets,
  noteRefused,
  noteTaken,
  restTarget,
} from '../store/alerts/targets.ts';
import { assignMessage, noteTold, readUnfinished } from '../store/alerts/tellings.ts';
import type { Sql } from '../store/database.ts';
import type { ChainedRow } from '../store/history.ts';
import { inTransaction } from '../store/retry.ts';
import type { Log } from '../telemetry/log.ts';
import { alertsMessage, historyMessage, type Message } from './message.ts';
import { type PostServices, postMessage } from './post-message.ts';

export interface TellServices extends PostServices {
  readonly sql: Sql;
  readonly log: Log;
  readonly backoff: Backoff;
  /** Where browsers reach the console; undefined: messages hold no links. */
  readonly adminUrl: string | undefined;
  /** Until a target with nothing to tell is looked at again. */
  readonly restSeconds: number;
  readonly onPosted: (outcome: 'taken' | 'refused' | 'given-up') => void;
}

/** A message that is to be sent, and what is noted when it was taken. */
interface Due {
  readonly message: Message;
  readonly taken: (tx: Parameters<Parameters<typeof inTransaction>[1]>[0]) => PromiseLike<unknown>;
}

async function dueAlerts({ adminUrl, sql }: TellServices, target: AlertTarget): Promise<Due | undefined> {
  const { targetId } = target;
  let alerts = await readUnfinished(sql, targetId);
  if (alerts.length === 0 && (await assignMessage(sql, target, newId(), alertsOfMessage)) > 0)
    alerts = await readUnfinished(sql, targetId);
  const message = alertsMessage(alerts, adminUrl);
  return message && { message, taken: (tx) => noteTold(tx, targetId, message.id) };
}

const charactersOf = ({ after, before }: ChainedRow): number =>
  1_000 + (before?.length ?? 0) + (after?.length ?? 0);

/** The first entries that fit into a message, at least one. */
function fitting(entries: readonly ChainedRow[]): readonly ChainedRow[] {
  let characters = 0;
  const end = entries.findIndex((entry, index) => {
    characters += charactersOf(entry);
    return index > 0 && characters > alertHistoryCharacters;
  });
  return end < 0 ? entries : entries.slice(0, end);
}

async function dueHistory({ sql }: TellServices, target: AlertTarget): Promise<Due | undefined> {
  if (!target.history) return undefined;
  const { targetId } = target;
  let place = await readNextChain(sql, target);
  if (place === undefined) return undefined;
  let found = await readEntriesAfter(sql, place, alertHistoryEntries);
  if (found.length === 0 && place.sendingTo !== null) {
    // Retention removed the whole message that was under way: the next one says how many entries are missing.
    place = { ...place, sendingTo: null };
    found = await readEntriesAfter(sql, place, alertHistoryEntries);
  }
  const { sequence, tenantId, trimmedSequence } = place;
  const entries = place.sendingTo === null ? fitting(found) : found;
  const last = entries.at(-1);
  const message = historyMessage(place, entries);
  if (last === undefined || message === undefined) {
    await noteStreamed(sql, targetId, tenantId, Math.max(sequence, trimmedSequence));
    return undefined;
  }
  if (place.sendingTo === null) await noteSending(sql, targetId, place, last.sequence);
  return { message, taken: (tx) => noteStreamed(tx, targetId, tenantId, last.sequence) };
}

async function noteFailure(
  { backoff, log, onPosted, sql }: TellServices,
  { attempts, name, targetId }: AlertTarget,
  posted: Extract<Awaited<ReturnType<typeof postMessage>>, { ok: false }>,
): Promise<void> {
  const { detail, isGone, retryAfterSeconds = 0 } = posted;
  const retryInSeconds = Math.max(retryAfterSeconds, backoffSeconds(attempts + 1, backoff));
  const isGivenUp = await noteRefused(sql, targetId, { error: detail, isGone, retryInSeconds });
  onPosted(isGivenUp ? 'given-up' : 'refused');
  log.warn(isGivenUp ? 'alerts.target-given-up' : 'alerts.not-taken', {
    targetId,
    name,
    detail,
    retryInSeconds,
  });
}

async function tellTarget(services: TellServices, target: AlertTarget): Promise<void> {
  const { onPosted, restSeconds, sql } = services;
  for (let sent = 0; sent < alertMessagesOfTurn; sent += 1) {
    const due = (await dueAlerts(services, target)) ?? (await dueHistory(services, target));
    if (due === undefined) break;
    const beganAtMs = monotonicMs();
    const posted = await postMessage(services, target, due.message);
    if (!posted.ok) return noteFailure(services, target, posted);
    await inTransaction(sql, async (tx) => {
      await due.taken(tx);
      await noteTaken(tx, target.targetId);
    });
    onPosted('taken');
    if (monotonicMs() - beganAtMs > alertSlowMs) break;
  }
  await restTarget(sql, target.targetId, restSeconds);
}

/** Tells every target that is due; a fault of one is logged, and its lease ends by itself. */
export async function tellTargets(services: TellServices): Promise<void> {
  const { log, sql } = services;
  for (;;) {
    const targets = await claimTargets(sql, alertTargetsAtOnce);
    await Promise.all(
      targets.map((target) =>
        tellTarget(services, target).catch((error: unknown) =>
          log.warn('alerts.not-told', { targetId: target.targetId, error }),
        ),
      ),
    );
    if (targets.length < alertTargetsAtOnce) return;
  }
}
