import { eventsPollMs, eventsRestMs, eventsTickMs, maxChangesSent } from '../../limits.ts';
import type { Change, ChangeListener } from '../../store/change-feed.ts';
import type { Log } from '../../telemetry/log.ts';

/**
 * Gathers what changed for open streams, and hands it out within a second, then every two while changes go on. It does nothing while no stream is open. A process
 * has one hub for all of them; where requests share nothing (Workers), each stream has its own.
 */

/** With `all`, any part of what was seen may be wrong: more changed than is announced one by one. */
export const changedKinds = ['all', 'tenant', 'instance', 'move', 'routes', 'reports', 'approvals'] as const;

export interface Changed {
  readonly kind: (typeof changedKinds)[number];
  /** null: of any. */
  readonly tenantId: string | null;
}

export interface EventStream {
  /** Once a second, with what changed and was not handed out yet. */
  turn(changes: readonly Changed[]): void;
  /** The process ends. */
  end(): void;
}

export interface EventHub {
  add(stream: EventStream): void;
  remove(stream: EventStream): void;
}

export interface EventHubOptions {
  readonly subscribe: (listener: ChangeListener) => void;
  /** Finds the changes that the feed does not carry. */
  readonly poll: () => Promise<readonly Changed[]>;
  readonly ending: AbortSignal | undefined;
  readonly log: Log;
}

export function createEventHub({ ending, log, poll, subscribe }: EventHubOptions): EventHub {
  const streams = new Set<EventStream>();
  let gathered = new Map<string, Changed>();
  let timer: ReturnType<typeof setInterval> | undefined;
  let turns = 0;
  let restUntil = 0;
  let polling = false;

  const note = ({ kind, tenantId }: Change | Changed): void => {
    if (streams.size === 0) return;
    if (gathered.size < maxChangesSent) gathered.set(`${kind} ${tenantId}`, { kind, tenantId });
    else gathered = new Map([['all', { kind: 'all', tenantId: null }]]);
  };
  const pollOnce = async (): Promise<void> => {
    if (polling) return;
    polling = true;
    try {
      for (const change of await poll()) note(change);
    } catch (error) {
      log.debug('events.not-looked', { error });
    } finally {
      polling = false;
    }
  };
  const turn = (): void => {
    turns += 1;
    if (turns % Math.round(eventsPollMs / eventsTickMs) === 0) void pollOnce();
    const changes = turns < restUntil ? [] : [...gathered.values()];
    if (changes.length > 0) {
      gathered.clear();
      restUntil = turns + Math.round(eventsRestMs / eventsTickMs);
    }
    for (const stream of streams) stream.turn(changes);
  };
  subscribe({
    apply: (changes) => {
      for (const change of changes) note(change);
    },
    forget: () => note({ kind: 'all', tenantId: null }),
  });
  ending?.addEventListener('abort', () => {
    for (const stream of streams) stream.end();
  });
  return {
    add: (stream) => {
      streams.add(stream);
      if (timer !== undefined) return;
      timer = setInterval(turn, eventsTickMs);
      void pollOnce();
    },
    remove: (stream) => {
      streams.delete(stream);
      if (streams.size > 0) return;
      clearInterval(timer);
      timer = undefined;
      gathered.clear();
    },
  };
}
