import { Agent } from 'node:https';
import { percentile } from '../pace.ts';
import { answerQuestions } from '../worker.ts';
import { follow } from './follow.ts';
import { fetchPage, pageHeaders } from './pages.ts';

/**
 * People who have the overview open, each in a browser of his own: a stream of events, and the page's live part fetched
 * again when something has changed, at the pace of src/console/assets/console.js. In a process of its own.
 */

export type WatchersPlan =
  | {
      readonly kind: 'open';
      readonly origin: string;
      readonly ca: string;
      readonly cookies: readonly string[];
    }
  | { readonly kind: 'watch'; readonly durationMs: number }
  | { readonly kind: 'close' };

export interface Watched {
  readonly streams: number;
  readonly events: number;
  readonly fetches: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly bytes: number;
}

/** As in console.js, and the overview's [data-rest]: all fetch in the same second of each twenty; before the first, and how far the fetches of one event are spread. */
const restMs = 20_000;
const ageMs = 1_000;
const spreadMs = 1_000;

interface Watcher {
  close(): void;
}

const told = { events: 0, took: [] as number[], bytes: 0 };
let failure: Error | undefined;
let watchers: readonly Watcher[] = [];

async function openOverview(origin: string, ca: string, cookie: string): Promise<Watcher> {
  const agent = new Agent({ ca, keepAlive: true, servername: 'localhost' });
  const take = async (isPart: boolean): Promise<void> => {
    const { bytes, ms } = await fetchPage(agent, `${origin}/`, pageHeaders(cookie, isPart));
    told.took.push(ms);
    told.bytes += bytes.byteLength;
  };
  await take(false);
  let isClosed = false;
  let restUntil = 0;
  let resting: NodeJS.Timeout | undefined;
  const heard = (kinds: readonly string[]): void => {
    told.events += 1;
    if (resting !== undefined || kinds.every((kind) => kind === 'routes')) return;
    resting = setTimeout(
      () => {
        resting = undefined;
        restUntil = Math.ceil(Date.now() / restMs) * restMs;
        take(true).catch((error: Error) => {
          // What was under way when the page was closed is nobody's loss.
          if (!isClosed) failure = error;
        });
      },
      Math.max(ageMs, restUntil - Date.now()) + Math.random() * spreadMs,
    );
  };
  const stream = await follow({ agent, origin, cookie }, heard);
  return {
    close: () => {
      isClosed = true;
      clearTimeout(resting);
      stream.destroy();
      agent.destroy();
    },
  };
}

answerQuestions(async (plan: WatchersPlan): Promise<Watched> => {
  Object.assign(told, { events: 0, took: [], bytes: 0 });
  if (plan.kind === 'open')
    watchers = await Promise.all(plan.cookies.map((cookie) => openOverview(plan.origin, plan.ca, cookie)));
  if (plan.kind === 'watch') await new Promise((resolve) => setTimeout(resolve, plan.durationMs));
  if (plan.kind === 'close') {
    for (const watcher of watchers) watcher.close();
    watchers = [];
  }
  if (failure !== undefined) throw failure;
  const took = told.took.toSorted((a, b) => a - b);
  return {
    streams: watchers.length,
    events: told.events,
    fetches: took.length,
    p50Ms: percentile(took, 0.5),
    p99Ms: percentile(took, 0.99),
    bytes: told.bytes,
  };
});
