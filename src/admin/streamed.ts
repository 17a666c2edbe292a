import type { Context } from 'hono';
import type { After } from '../joining.ts';
import { type Problem, ProblemError, problem, problemAnswer } from '../problems.ts';
import { isStoreUnavailable } from '../store/database.ts';
import type { Log } from '../telemetry/log.ts';

/** Answers of lines that begin before their work is done: the last line has its `result`, or a `problem`. */

export const linesType = 'application/x-ndjson';

export const asksForLines = (c: Context): boolean =>
  /\bapplication\/x-ndjson\b/i.test(c.req.header('accept') ?? '');

function problemOf(error: unknown, requestId: string, log: Log): Problem {
  if (error instanceof ProblemError) return error.problem;
  if (isStoreUnavailable(error)) {
    log.warn('store.unavailable', { requestId, error });
    return problem('store-unavailable', 'The database does not answer; try again.');
  }
  log.error('request.failed', { requestId, error: error instanceof Error ? error.stack : String(error) });
  return problem('internal-error', 'An error inside Espalier; its log has this request id.');
}

/** Problem of a failure in a stream that has begun with 200, as it would have been answered. */
export const problemLine = (error: unknown, requestId: string, log: Log): { readonly problem: unknown } => ({
  problem: JSON.parse(problemAnswer(problemOf(error, requestId, log), requestId).body),
});

/** True where the work of an answer of lines failed. */
export const endsInProblem = (text: string): boolean =>
  (text.trimEnd().split('\n').at(-1) ?? '').startsWith('{"problem":');

/** Lines as they are told. The work goes on when nobody reads any more; it must not reject. */
export function tellLines(
  after: After,
  work: (tell: (line: object) => void) => Promise<object>,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let left = false;
  return new ReadableStream<Uint8Array>({
    start: (controller) => {
      const tell = (line: object): void => {
        if (!left) controller.enqueue(encoder.encode(`${JSON.stringify(line)}\n`));
      };
      after(
        work(tell).then((last) => {
          tell(last);
          if (!left) controller.close();
        }),
      );
    },
    cancel: () => {
      left = true;
    },
  });
}
