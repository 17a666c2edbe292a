import type { Log, LogFields } from '../telemetry/log.ts';
import type { Breaker } from './breaker.ts';
import { storeFailure } from './store-failure.ts';

/**
 * A log that tells of a database that fails once, and once more when it is over. Every request and every background
 * turn notices an outage: a line for each of them would be hundreds a minute that all say the same.
 */
export interface EpisodeLog extends Log {
  /** An episode that has not ended is told as far as it went. */
  close(): void;
}

/** Requests that were under way when the database came back, or that fail one by one, belong to the same episode. */
const quietMs = 2_000;

interface Episode {
  readonly sinceMs: number;
  failures: number;
  lastMs: number;
  /** The line that began it, kept back while the prober looks whether the database is away. */
  pendingReport: (() => void) | undefined;
  wasAway: boolean;
}

export function createEpisodeLog(
  log: Log,
  breaker: Pick<Breaker, 'isAway' | 'observe' | 'refusals'>,
  now: () => number = () => performance.now(),
): EpisodeLog {
  let episode: Episode | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const reportEnd = ({ failures, lastMs, sinceMs, pendingReport, wasAway }: Episode): void => {
    pendingReport?.();
    if (failures === 1 && !wasAway) return;
    log.info(breaker.isAway ? 'store.not-back' : 'store.available', {
      seconds: Math.round((lastMs - sinceMs) / 100) / 10,
      failures,
      ...(wasAway ? { refused: breaker.refusals } : {}),
    });
  };
  const endWhenQuiet = (): void => {
    timer = undefined;
    if (!episode) return;
    const restMs = breaker.isAway ? quietMs : episode.lastMs + quietMs - now();
    if (restMs > 0) {
      timer = setTimeout(endWhenQuiet, restMs);
      return;
    }
    reportEnd(episode);
    episode = undefined;
  };
  const note = (): Episode => {
    episode ??= { sinceMs: now(), failures: 0, lastMs: 0, pendingReport: undefined, wasAway: false };
    episode.failures += 1;
    episode.lastMs = now();
    timer ??= setTimeout(endWhenQuiet, quietMs);
    return episode;
  };
  const stopObserving = breaker.observe({
    away: (error) => {
      const noted = note();
      noted.pendingReport = undefined;
      if (!noted.wasAway) log.warn('store.unavailable', { error });
      noted.wasAway = true;
    },
    back: () => {
      if (episode) episode.lastMs = now();
    },
  });
  // The outage began before this log: whoever found it has told of it.
  if (breaker.isAway) note().wasAway = true;
  const take = (level: 'warn' | 'error', event: string, fields: LogFields | undefined): void => {
    const failure = storeFailure(fields?.error);
    const tell = (): void => log[level](event, fields);
    if (failure === undefined) {
      tell();
      return;
    }
    const noted = note();
    if (noted.failures > 1) return;
    if (failure === 'unreachable') noted.pendingReport = tell;
    else tell();
  };
  return {
    ...(log.debugs === undefined ? {} : { debugs: log.debugs }),
    debug: log.debug,
    info: log.info,
    warn: (event, fields) => take('warn', event, fields),
    error: (event, fields) => take('error', event, fields),
    close: () => {
      stopObserving();
      clearTimeout(timer);
      if (episode) reportEnd(episode);
      episode = undefined;
    },
  };
}
