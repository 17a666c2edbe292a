import type { MiddlewareHandler } from 'hono';
import { within } from '../deadline.ts';
import { adminVerbMs } from '../limits.ts';
import { ProblemError, problem } from '../problems.ts';
import { approvedDevices } from './approvals/approved-request.ts';
import type { AdminEnv, AdminServices } from './context.ts';
import { isSafeMethod } from './operators/csrf.ts';

/**
 * A write that waits for others is answered in time, whatever they do. The work it began goes on: a step that was sent to
 * Microsoft cannot be taken back; the place of its operator is free from the answer on. A request that an approval carries out is waited for to its end, because its answer is
 * recorded as the outcome; its caller is the approval's own request, which is answered in time.
 */
export const inTime =
  ({ after }: Pick<AdminServices, 'after'>, ms = adminVerbMs): MiddlewareHandler<AdminEnv> =>
  (c, next) => {
    if (isSafeMethod(c.req.method) || approvedDevices(c) !== undefined) return next();
    const work = next();
    return within(work, ms, () => {
      after(work.catch(() => undefined));
      throw new ProblemError(
        problem('overloaded', `This took longer than ${ms / 1_000} s and goes on; read what became of it.`, {
          retryAfterSeconds: 30,
        }),
      );
    });
  };
