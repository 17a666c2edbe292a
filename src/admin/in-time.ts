import type { MiddlewareHandler } from 'hono';
import { within } from '../deadline.ts';
import { adminVerbMs } from '../limits.ts';
import { ProblemError, problem } from '../problems.ts';
import { approvedDevices } from './approvals/approved-request.ts';
import type { AdminEnv } from './context.ts';
import { isSafeMethod } from './operators/csrf.ts';

/**
 * A write that waits for others is answered in time, whatever they do. The work it began goes on: a step that was sent to
 * Microsoft cannot be taken back. A request that an approval carries out is waited for to its end, because its answer is
 * recorded as the outcome; its caller is the approval's own request, which is answered in time.
 */
export const inTime =
  (ms = adminVerbMs): MiddlewareHandler<AdminEnv> =>
  (c, next) =>
    isSafeMethod(c.req.method) || approvedDevices(c) !== undefined
      ? next()
      : within(next(), ms, () => {
          throw new ProblemError(
            problem(
              'overloaded',
              `This took longer than ${ms / 1_000} s and goes on; read what became of it.`,
              { retryAfterSeconds: 30 },
            ),
          );
        });
