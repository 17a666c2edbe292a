import type { Context, MiddlewareHandler } from 'hono';
import type { Sql, Transaction } from '../store/database.ts';
import { type Change, type HistoryOrigin, type Note, recorded, recordHistory } from '../store/history.ts';
import type { Log } from '../telemetry/log.ts';
import type { AdminEnv } from './context.ts';

/** History as the admin plane writes it: who, why and from where come of the request. */

export type { Change };

/** The operator and the request, for services that write the history of what they do for them. */
export function originOf(c: Context<AdminEnv>): HistoryOrigin {
  const { id, kind, name } = c.get('operator');
  return {
    author: { kind, id, name },
    reason: c.get('reason'),
    requestId: c.get('requestId'),
    source: c.get('source'),
    approvedBy: c.get('approvedBy'),
    onRecorded: () => c.set('recorded', true),
  };
}

/** Appends an entry to the tenant's history, in the transaction of the change; call it last in there. */
export async function recordChange(c: Context<AdminEnv>, tx: Transaction, change: Change): Promise<void> {
  const { onRecorded, reason, ...by } = originOf(c);
  await recordHistory(tx, { ...change, ...by, reason: change.reason ?? reason });
  onRecorded?.();
}

/** A transaction whose notes are the operator's entries. */
export const changing = <T>(
  c: Context<AdminEnv>,
  sql: Sql,
  work: (tx: Transaction, note: Note) => Promise<T>,
): Promise<T> => recorded(sql, originOf(c), work);

/** This request changes nothing, so there is nothing to record. */
export const nothingChanged = (c: Context<AdminEnv>): void => c.set('recorded', true);

/** Methods that write nothing. */
export const reading = ['GET', 'HEAD', 'OPTIONS'];

/** A write that succeeds and leaves no trace is a fault of ours; tests fail on this line. */
export function noticeUnrecorded(log: Log): MiddlewareHandler<AdminEnv> {
  return async (c, next) => {
    await next();
    if (reading.includes(c.req.method) || !c.res.ok || c.get('recorded') === true) return;
    if (c.req.query('dry-run') === 'true') return;
    log.error('history.missing', {
      method: c.req.method,
      route: c.req.matchedRoutes.findLast(({ path }) => !path.endsWith('*'))?.path ?? 'none',
      requestId: c.get('requestId'),
    });
  };
}

type Shown = Readonly<Record<string, unknown>>;

/** The members that differ, as they were and as they are; by their JSON, which is what is kept. */
export function differing(before: Shown, after: Shown): { readonly before: Shown; readonly after: Shown } {
  const names = Object.keys({ ...before, ...after }).filter(
    (name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]),
  );
  const of = (shown: Shown): Shown =>
    Object.fromEntries(names.flatMap((name) => (shown[name] === undefined ? [] : [[name, shown[name]]])));
  return { before: of(before), after: of(after) };
}
