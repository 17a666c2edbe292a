/**
 * A client that sends nothing behind a statement whose answer is still to come. The driver would, on a connection that is
 * busy, and a pooler that gives each transaction another connection loses count of it: pgbouncer gives the server away when
 * the first answer is whole, and the second one is never sent, or reaches whoever has the server next
 * (docs/upstream/postgres.md). Statements of one transaction may follow each other, since the server stays theirs.
 */

import type postgres from 'postgres';
import { createConnectionPlaces, leaveOnce, type Operation } from './connection-places.ts';
import { type DriverQuery, isQuery } from './driver-query.ts';

type Sql = postgres.Sql<{ int8: number }>;
type Begin = (...given: unknown[]) => Promise<unknown>;

export function unpipelined(sql: Sql): Sql {
  const places = createConnectionPlaces<Operation>(sql.options.max);
  const alone = <T>(made: T): T => {
    if (!isQuery(made)) return made;
    const { handler } = made;
    const send: DriverQuery['handler'] = (query) => {
      const { reject, resolve } = query;
      const leave = leaveOnce(places);
      let begun = false;
      let over = false;
      const end = (): void => {
        over = true;
        if (begun) leave();
      };
      const answered: DriverQuery['resolve'] = (result) => {
        // A COPY resolves with its stream first.
        if (!query.streaming || over) end();
        over = true;
        resolve(result);
      };
      const failed: DriverQuery['reject'] = (error) => {
        end();
        reject(error);
      };
      query.resolve = answered;
      query.reject = failed;
      places.enter({
        isOver: () => over,
        begin: () => {
          begun = true;
          handler(query);
        },
      });
    };
    made.handler = send;
    return made;
  };
  const begin: Begin = (...given) =>
    new Promise((resolve, reject) => {
      const work = async (): Promise<void> => {
        const leave = leaveOnce(places);
        try {
          resolve(await (sql.begin as Begin)(...given));
        } catch (error) {
          reject(error);
        } finally {
          leave();
        }
      };
      places.enter({ isOver: () => false, begin: () => void work() });
    });
  return new Proxy(sql, {
    apply: (client, self, given) => alone(Reflect.apply(client, self, given)),
    get: (client, name) => {
      if (name === 'begin') return begin;
      if (name === 'unsafe') return (...given: Parameters<Sql['unsafe']>) => alone(client.unsafe(...given));
      return Reflect.get(client, name);
    },
  });
}
