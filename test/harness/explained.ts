import type { Sql } from '../../src/store/database.ts';

/** Plans of the statements that a function of the product sends. */
export interface Explained {
  /** In the order in which they were sent, with what each read: `explain (analyze, buffers)`. */
  readonly plans: readonly string[];
}

/** The same client, whose statements are explained rather than answered; fragments within them stay as they are. */
function explaining(sql: Sql, plans: string[]): Sql {
  return new Proxy(sql, {
    apply: (target, self, args: unknown[]) => {
      const [text, ...values] = args;
      const isStatement =
        Array.isArray(text) && 'raw' in text && /^\s*(with|select|update|insert|delete)\b/.test(text[0]);
      if (!isStatement) return Reflect.apply(target, self, args);
      const parts = text.map((part, index) => (index === 0 ? `explain (analyze, buffers) ${part}` : part));
      const query = Reflect.apply(target, self, [Object.assign(parts, { raw: parts }), ...values]);
      const explained = query.then((rows: readonly Record<string, string>[]) => {
        plans.push(rows.map((row) => Object.values(row)[0] ?? '').join('\n'));
        return [];
      });
      return explained;
    },
  });
}

/** Runs `work` with its statements explained, in a transaction that is taken back. */
export async function explain(sql: Sql, work: (sql: Sql) => PromiseLike<unknown>): Promise<Explained> {
  const plans: string[] = [];
  const takenBack = new Error('taken back');
  await sql
    .begin(async (tx) => {
      // A transaction has all that a statement asks of a client.
      await work(explaining(tx as unknown as Sql, plans));
      throw takenBack;
    })
    .catch((error: unknown) => {
      if (error !== takenBack) throw error;
    });
  return { plans };
}

/** Pages of 8 kB that a plan read, from memory or disk; making the plan reads the catalogue, which is left out. */
export const buffersOf = (plan: string): number => {
  const [execution = ''] = plan.split('\nPlanning:');
  const [, hit = '0', read = '0'] = /Buffers: shared(?: hit=(\d+))?(?: read=(\d+))?/.exec(execution) ?? [];
  return Number(hit) + Number(read);
};
