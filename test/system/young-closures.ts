/**
 * Run with --allow-natives-syntax: prints, as JSON, whether what a query and a transaction of the guarded client are
 * settled by is in V8's young generation. Argument: URL of a database.
 */

import { openDatabase } from '../../src/store/database.ts';

const isYoung = new Function('value', 'return %InYoungGeneration(value)') as (value: unknown) => boolean;
const sql = openDatabase(process.argv[2] ?? '', { connections: 1, applicationName: 'young' });
const query = sql`select 1 as one`;
const made = query as unknown as { readonly resolve: unknown; readonly reject: unknown };
const asMade = [made.resolve, made.reject].map(isYoung);
const answered = query.then(() => undefined);
await Promise.resolve();
await Promise.resolve();
const asSent = [made.resolve, made.reject].map(isYoung);
await answered;
const inTransaction = await sql.begin(async (tx) => {
  const { prepare } = tx as unknown as { readonly prepare: unknown };
  return isYoung(prepare);
});
await sql.end({ timeout: 1 });
process.stdout.write(JSON.stringify({ asMade, asSent, inTransaction }));
