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
  /** Rows of one query; 1 is a query without `unnest`. */
  readonly rows: number;
}

answerQuestions(async (plan: InsertPlan): Promise<Pace> => {
  const sql = postgres(plan.url, { max: plan.connections, onnotice: () => undefined });
  const one = async (): Promise<void> => {
    const { jamfComputerId, text } = checkIn();
    await sql`insert into plain_check_ins (computer_id, body) values (${jamfComputerId}, ${text})`;
  };
  const many = async (): Promise<void> => {
    const made = records(plan.rows);
    await sql`
      insert into plain_records (computer_id, body)
      select * from unnest(${made.map((record) => record.jamfComputerId)}::int[],
                           ${made.map((record) => record.text)}::text[])`;
  };
  try {
    await Promise.all(Array.from({ length: plan.connections }, () => sql`select 1`));
    return await pace(plan.concurrency, plan.durationMs, plan.rows === 1 ? one : many);
  } finally {
    await sql.end({ timeout: 2 });
  }
});
