import postgres from 'postgres';
import { checkIn, records } from './messages.ts';
import { type Pace, pace } from './pace.ts';
import { answerQuestions } from './worker.ts';

/** Intake's peer: inserts the same bytes into a plain table of the same server, and does nothing else. */

export interface InsertPlan {
  readonly url: string;
  readonly connections: number;
  /** Queries at a time. */
  readonly concurrency: number;
  readonly durationMs: number;
  /** Check-ins go one by one, records with as many rows in a query. */
  readonly insert:
    | { readonly kind: 'check-in'; readonly table: string }
    | { readonly kind: 'records'; readonly table: string; readonly rows: number };
}

answerQuestions(async (plan: InsertPlan): Promise<Pace> => {
  const sql = postgres(plan.url, { max: plan.connections, onnotice: () => undefined });
  const { insert } = plan;
  const table = sql(insert.table);
  const one = async (): Promise<void> => {
    const { jamfComputerId, text } = checkIn();
    await sql`insert into ${table} (computer_id, body) values (${jamfComputerId}, ${text})`;
  };
  const many = async (rows: number): Promise<void> => {
    const made = records(rows);
    await sql`
      insert into ${table} (computer_id, body)
      select * from unnest(${made.map((record) => record.jamfComputerId)}::int[],
                           ${made.map((record) => record.text)}::text[])`;
  };
  const operation = insert.kind === 'check-in' ? one : () => many(insert.rows);
  try {
    await Promise.all(Array.from({ length: plan.connections }, () => sql`select 1`));
    return await pace(plan.concurrency, plan.durationMs, operation);
  } finally {
    await sql.end({ timeout: 2 });
  }
});
