import { createRoute, z } from '@hono/zod-openapi';
import { monotonicMs } from '../../clock.ts';
import { requestStreamMs, streamsInAll, streamsOfPerson } from '../../limits.ts';
import { ProblemError, problem } from '../../problems.ts';
import { createChangeFeed } from '../../store/change-feed.ts';
import { createChangeSource } from '../../store/change-source.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { commonProblems } from '../schemas.ts';
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
  },
});

/** One that finds the changes by itself: they are those since its first look. */
function createPollingHub({ log, sql }: Pick<AdminServices, 'log' | 'sql'>): EventHub {
  const feed = createChangeFeed({ source: createChangeSource(sql), log, now: monotonicMs });
  const pollRest = createPoll(sql);
  let listen = (): void => undefined;
  return createEventHub({
    log,
    ending: undefined,
    subscribe: (listener) => {
      listen = () => feed.subscribe(listener);
    },
    poll: async () => {
      const isFirst = !feed.started;
      await feed.poll();
      if (isFirst) listen();
      return pollRest();
    },
  });
}

/** The hub of the next stream. */
function createHubs({ ending, log, onChanges, sharing, sql }: AdminServices): () => EventHub {
  if (sharing === 'request') return () => createPollingHub({ log, sql });
  // Made with the first stream: a process without a stream hears of nothing.
  let made: EventHub | undefined;
  return () => {
    made ??= createEventHub({ subscribe: onChanges, poll: createPoll(sql), ending, log });
    return made;
  };
}

/** Bounds the streams of a person and of all. A place whose end is not told of comes back when its stream would have ended. */
function createStreamPlaces() {
  const taken = new Set<{ readonly person: string; readonly untilMs: number }>();
  return (person: string, lastsMs: number): (() => void) => {
    const now = monotonicMs();
    let theirs = 0;
    for (const place of taken) {
      if (place.untilMs <= now) taken.delete(place);
      else if (place.person === person) theirs += 1;
    }
    if (theirs >= streamsOfPerson || taken.size >= streamsInAll)
      throw new ProblemError(
        problem('rate-limited', 'Too many event streams are open: close some, or ask again later.', {
          retryAfterSeconds: 30,
        }),
      );
    const place = { person, untilMs: now + lastsMs };
    taken.add(place);
    return () => taken.delete(place);
  };
}

export function addEvents(app: AdminApp, services: AdminServices): void {
  const nextHub = createHubs(services);
  const takePlace = createStreamPlaces();
  const longestMs = services.sharing === 'request' ? requestStreamMs : Number.POSITIVE_INFINITY;
  app.openapi(read, (c) => {
    const operator = c.get('operator');
    const { seconds = Number.POSITIVE_INFINITY } = c.req.valid('query');
    const lastsMs = Math.min(seconds * 1_000, longestMs);
    const onEnd = takePlace(`${operator.kind} ${operator.id ?? operator.name}`, lastsMs);
    const stream = openStream({ hub: nextHub(), operator, identify: c.get('identify'), lastsMs, onEnd });
    return c.body(stream, 200, { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' });
  });
}
