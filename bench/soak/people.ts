import { Agent } from 'node:https';
import { setTimeout as pause } from 'node:timers/promises';
import type { Scene } from '../../test/faults/scene.ts';
import { follow } from '../console/follow.ts';
import { fetchPage, pageHeaders, signIn } from '../console/pages.ts';
import { type Outcomes, reasonOf } from './outcomes.ts';

/** What watches a gateway day and night: an operator's script, a scraper, and the console's overview on a wall. */
export interface People {
  /** The wall signs in with another key from now on. */
  signInWith(key: string): Promise<void>;
  stop(): Promise<void>;
}

const askEveryMs = 10_000;
/** As the page fetches itself again: not sooner after an event, and at most so often. */
const restMs = 20_000;
/** As a browser opens a broken stream again. */
const againAfterMs = 3_000;

/** Works every ten seconds until stopped. */
function everyTenSeconds(work: () => Promise<void>) {
  const stopping = new AbortController();
  const { signal } = stopping;
  const working = (async () => {
    while (!signal.aborted) {
      await work();
      await pause(askEveryMs, undefined, { signal }).catch(() => undefined);
    }
  })();
  return async (): Promise<void> => {
    stopping.abort();
    await working;
  };
}

const causeOf = (error: unknown): string =>
  (error as NodeJS.ErrnoException).code ??
  /answered (\d+)/.exec(String(error))?.[1] ??
  (error instanceof Error ? error.message : String(error));

function startLists(scene: Scene, outcomes: Outcomes): () => Promise<void> {
  const paths = [
    ...scene.world.tenants.map(({ tenantId }) => `/tenants/${tenantId}/devices?page-size=100`),
    '/reports?page-size=100',
    '/history?page-size=100',
    '/tenants',
  ];
  let turn = 0;
  return everyTenSeconds(async () => {
    const at = performance.now();
    turn += 1;
    try {
      const { status, text } = await scene.api('GET', paths[turn % paths.length]!);
      if (status === 200) outcomes.ok('list');
      else outcomes.failed({ kind: 'list', reason: reasonOf(status, text), at });
    } catch (error) {
      outcomes.failed({ kind: 'list', reason: causeOf(error), at });
    }
  });
}

function startScrapes({ gateways }: Scene, outcomes: Outcomes): () => Promise<void> {
  return everyTenSeconds(async () => {
    const at = performance.now();
    try {
      const answer = await fetch(`${gateways[0]!.ops}/metrics`);
      await answer.text();
      if (answer.ok) outcomes.ok('scrape');
      else outcomes.failed({ kind: 'scrape', reason: String(answer.status), at });
    } catch (error) {
      outcomes.failed({ kind: 'scrape', reason: causeOf(error), at });
    }
  });
}

/** The overview with its stream, which is opened again whenever it ends. */
async function openWall({ gateways, world }: Scene, key: string, outcomes: Outcomes) {
  const [origin, ca] = [gateways[0]!.admin, world.authority.certificatePem];
  const agent = new Agent({ ca, keepAlive: true, servername: 'localhost' });
  const cookie = await signIn(origin, ca, key);
  const closing = new AbortController();
  const { signal } = closing;
  let resting: NodeJS.Timeout | undefined;
  const take = async (): Promise<void> => {
    const at = performance.now();
    try {
      await fetchPage(agent, `${origin}/`, pageHeaders(cookie, true));
      outcomes.ok('page');
    } catch (error) {
      if (!signal.aborted) outcomes.failed({ kind: 'page', reason: causeOf(error), at });
    }
  };
  const heard = (): void => {
    resting ??= setTimeout(() => {
      resting = undefined;
      void take();
    }, restMs);
  };
  const listening = (async () => {
    while (!signal.aborted) {
      const ended = Promise.withResolvers<void>();
      await follow({ agent, origin, cookie }, heard, ended.resolve).then(
        async (stream) => {
          signal.addEventListener('abort', () => stream.destroy(), { once: true });
          await ended.promise;
        },
        () => undefined,
      );
      await pause(againAfterMs, undefined, { signal }).catch(() => undefined);
    }
  })();
  return async (): Promise<void> => {
    closing.abort();
    clearTimeout(resting);
    await listening;
    agent.destroy();
  };
}

export async function startPeople(scene: Scene, key: string, outcomes: Outcomes): Promise<People> {
  let closeWall = await openWall(scene, key, outcomes);
  const ends = [startLists(scene, outcomes), startScrapes(scene, outcomes)];
  return {
    signInWith: async (next) => {
      await closeWall();
      closeWall = await openWall(scene, next, outcomes);
    },
    stop: async () => {
      await Promise.all([closeWall(), ...ends.map((end) => end())]);
    },
  };
}
