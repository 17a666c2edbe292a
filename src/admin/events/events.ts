import { createRoute, z } from '@hono/zod-openapi';
import { streamsInAll, streamsOfPerson } from '../../limits.ts';
import { ProblemError, problem } from '../../problems.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { commonProblems, problemAnswer } from '../schemas.ts';
import { createEventHub, type EventHub } from './hub.ts';
import { createPoll } from './poll.ts';
import { openStream } from './stream.ts';

/** `/events`: changes as they come, for pages that bring themselves up to date. */

const read = createRoute({
  method: 'get',
  path: '/api/v1/events',
  operationId: 'streamEvents',
  tags: ['About'],
  summary: 'What changed, as server-sent events',
  request: {
    query: z
      .object({
        seconds: z.coerce
          .number()
          .int()
          .min(1)
          .max(3_600)
          .optional()
          .openapi({ example: 1, description: 'The stream ends after that; else with the credential' }),
      })
      .strict(),
  },
  responses: {
    200: {
      description:
        'Events `changed` with `{"changes":[{"kind","tenantId"}]}`; a kind `all` or a tenant null stands for any',
      content: { 'text/event-stream': { schema: z.string() } },
    },
    ...commonProblems,
    429: problemAnswer('rate-limited'),
  },
});

export function addEvents(app: AdminApp, services: AdminServices): void {
  const { ending, log, onChanges, sql } = services;
  // The hub is made with the first stream: a process without a stream hears of nothing.
  let made: EventHub | undefined;
  const open = new Map<string, number>();
  app.openapi(read, (c) => {
    made ??= createEventHub({ subscribe: onChanges, poll: createPoll(sql), ending, log });
    const hub = made;
    const operator = c.get('operator');
    const person = `${operator.kind} ${operator.id ?? operator.name}`;
    const theirs = open.get(person) ?? 0;
    if (theirs >= streamsOfPerson || hub.size >= streamsInAll)
      throw new ProblemError(
        problem('rate-limited', 'Too many event streams are open: close some, or ask again later.', {
          retryAfterSeconds: 30,
        }),
      );
    open.set(person, theirs + 1);
    const { seconds } = c.req.valid('query');
    const stream = openStream({
      hub,
      operator,
      identify: c.get('identify'),
      lastsMs: seconds === undefined ? undefined : seconds * 1_000,
      onEnd: () => {
        const left = (open.get(person) ?? 1) - 1;
        if (left > 0) open.set(person, left);
        else open.delete(person);
      },
    });
    return c.body(stream, 200, { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' });
  });
}
