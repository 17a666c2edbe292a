/**
 * Routes that are asked for and not in memory: asked for once however many wait, several in one query, and again when a
 * change of theirs was heard of while the query was under way.
 */

import { createBoundedCache } from '../bounded-cache.ts';
import { ChurningMap } from '../churn.ts';
import type { RouteName, RouteReader, VersionedRoute } from './route-reader.ts';

export interface RouteMissesOptions {
  readonly reader: Pick<RouteReader, 'read'>;
  readonly now: () => number;
  /** A route as the database has it, of which no change was heard since it was asked for. */
  readonly found: (name: RouteName, route: VersionedRoute) => void;
}

/** Names in one query: 80 thousand a second come out of 64 (docs/architecture.md). */
const namesPerQuery = 128;
/** Queries under way, of the process's twenty connections. */
const queriesAtOnce = 4;
/** A stranger with a token may ask for devices that are not there, again and again. */
const absentForMs = 1_000;
const maxAbsent = 50_000;

interface Asked extends RouteName {
  readonly name: string;
  readonly answer: Promise<VersionedRoute | undefined>;
  readonly settle: (route: VersionedRoute | undefined) => void;
  readonly fail: (error: unknown) => void;
  /** A change was heard of since the query under way was sent. */
  again: boolean;
}

const nameOf = (tenantId: string, deviceId: string): string => `${tenantId}/${deviceId}`;

export class RouteMisses {
  readonly #options: RouteMissesOptions;
  readonly #asked = new ChurningMap<string, Asked>();
  /** Time at which each route was found to be missing. */
  readonly #absent = createBoundedCache<string, number>(maxAbsent);
  #waiting: Asked[] = [];
  #queries = 0;
  #isScheduled = false;

  constructor(options: RouteMissesOptions) {
    this.#options = options;
  }

  ask(tenantId: string, deviceId: string): Promise<VersionedRoute | undefined> {
    const name = nameOf(tenantId, deviceId);
    const underWay = this.#asked.get(name);
    if (underWay) return underWay.answer;
    const { promise, reject, resolve } = Promise.withResolvers<VersionedRoute | undefined>();
    const asked: Asked = {
      tenantId,
      deviceId,
      name,
      answer: promise,
      settle: resolve,
      fail: reject,
      again: false,
    };
    this.#asked.set(name, asked);
    this.#waiting.push(asked);
    this.#schedule();
    return promise;
  }

  /** It was looked for within the last second and was not there. */
  isAbsent(tenantId: string, deviceId: string): boolean {
    const atMs = this.#absent.get(nameOf(tenantId, deviceId));
    return atMs !== undefined && this.#options.now() - atMs < absentForMs;
  }

  routeChanged(tenantId: string, deviceId: string): void {
    const name = nameOf(tenantId, deviceId);
    this.#absent.delete(name);
    const underWay = this.#asked.get(name);
    if (underWay) underWay.again = true;
  }

  tenantChanged(tenantId: string): void {
    // Rare, and after it the tenant's routes are asked for anew anyhow.
    this.#absent.clear();
    for (const underWay of this.#asked.values()) if (underWay.tenantId === tenantId) underWay.again = true;
  }

  allChanged(): void {
    this.#absent.clear();
    for (const underWay of this.#asked.values()) underWay.again = true;
  }

  /** True where a change of the tenant's routes matters here. */
  concerns(tenantId: string): boolean {
    return (
      this.#absent.size > 0 || [...this.#asked.values()].some((underWay) => underWay.tenantId === tenantId)
    );
  }

  /** Misses of the same turn of the loop share a query. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#send();
    });
  }

  #send(): void {
    while (this.#waiting.length > 0 && this.#queries < queriesAtOnce) {
      const batch = this.#waiting.slice(0, namesPerQuery);
      this.#waiting = this.#waiting.slice(namesPerQuery);
      this.#queries += 1;
      void this.#query(batch).finally(() => {
        this.#queries -= 1;
        this.#send();
      });
    }
  }

  async #query(batch: readonly Asked[]): Promise<void> {
    for (const asked of batch) asked.again = false;
    try {
      const routes = await this.#options.reader.read(batch);
      for (const [index, asked] of batch.entries())
        if (asked.again) this.#waiting.push(asked);
        else this.#finish(asked, routes[index]);
    } catch (error) {
      for (const asked of batch) {
        this.#asked.delete(asked.name);
        asked.fail(error);
      }
    }
  }

  #finish(asked: Asked, route: VersionedRoute | undefined): void {
    this.#asked.delete(asked.name);
    if (route) this.#options.found(asked, route);
    else this.#absent.set(asked.name, this.#options.now());
    asked.settle(route);
  }
}
