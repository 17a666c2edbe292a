/**
 * A client whose single statements are given up when they are not answered in time. Through a pooler no setting of the
 * session bounds how long a statement waits for a lock, and a server that falls silent ends nothing: what waits for an
 * answer would wait for ever. Transactions are bounded by their own settings (`settingEachTransaction`).
 */

import type postgres from 'postgres';
import { type DriverQuery, isQuery } from './driver-query.ts';
import { StoreUnavailableError } from './store-failure.ts';

type Sql = postgres.Sql<{ int8: number }>;

/** A server that was asked to cancel a statement answers it within this time, or does not answer at all. */
const cancelMs = 2_000;

const unanswered = (ms: number): StoreUnavailableError =>
  new StoreUnavailableError('STORE_BUSY', `a statement was not answered within ${ms} ms`);

export function boundStatements(sql: Sql, ms: number): Sql {
  const bounded = <T>(made: T): T => {
    if (!isQuery(made)) return made;
    const { handler, reject, resolve } = made;
    const send: DriverQuery['handler'] = (query) => {
      // Cancelled, it takes no effect when its lock is free at last: nobody is told before that is certain.
      const cancel = (): void => {
        query.canceller?.(query).catch(() => undefined);
        // Its connection stays taken until the driver itself has an answer (unpipelined.ts).
        timer = setTimeout(() => fail(unanswered(ms)), cancelMs);
      };
      let timer = setTimeout(cancel, ms);
      const answered: DriverQuery['resolve'] = (result) => {
        clearTimeout(timer);
        resolve(result);
      };
      const fail = (error: unknown): void => {
        clearTimeout(timer);
        reject(error);
      };
      query.resolve = answered;
      query.reject = fail;
      handler(query);
    };
    made.handler = send;
    return made;
  };
  return new Proxy(sql, {
    apply: (client, self, given) => bounded(Reflect.apply(client, self, given)),
    get: (client, name) =>
      name === 'unsafe'
        ? (...given: Parameters<Sql['unsafe']>) => bounded(client.unsafe(...given))
        : Reflect.get(client, name),
  });
}
