import type { Sql, Transaction } from './database.ts';

/** Deadlock and serialisation failure: the database undid the transaction, the same again may pass. */
const isRetryable = (error: unknown): boolean =>
  ['40P01', '40001'].includes((error as { code?: string } | null)?.code ?? '');

const tries = 4;

/**
 * A transaction that is begun anew when the database chose it as the victim of a deadlock. Rows are locked in a
 * fixed order wherever that is possible; where two orders meet, nothing that was accepted may be lost by it.
 */
export const inTransaction = <T>(sql: Sql, work: (tx: Transaction) => Promise<T>): Promise<T> =>
  withRetries(async () => (await sql.begin(work)) as T);

/** The same for one statement, which is a transaction of its own. */
export async function withRetries<T>(work: () => PromiseLike<T>, mayPass = isRetryable): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (attempt >= tries || !mayPass(error)) throw error;
    }
  }
}

class Undone<T> extends Error {
  readonly result: T;
  constructor(result: T) {
    super('a dry run was undone');
    this.result = result;
  }
}

/** Returns the result that a transaction's work would have: the work is carried out and rolled back. */
export async function withoutTrace<T>(sql: Sql, work: (tx: Transaction) => Promise<T>): Promise<T> {
  try {
    return await inTransaction<T>(sql, async (tx) => {
      throw new Undone(await work(tx));
    });
  } catch (error) {
    if (error instanceof Undone) return error.result as T;
    throw error;
  }
}

/**
 * Gives `work` a client all of whose statements go into one transaction; what it begins as transactions are savepoints of it.
 */
export const withinTransaction = <T>(sql: Sql, work: (inside: Sql) => Promise<T>): Promise<T> =>
  sql.begin((tx) =>
    work(
      new Proxy(tx as unknown as Sql, {
        get: (client, name) =>
          name === 'begin'
            ? (...given: readonly unknown[]) =>
                tx.savepoint(given.at(-1) as (inner: Transaction) => Promise<unknown>)
            : Reflect.get(client, name),
      }),
    ),
  ) as Promise<T>;
