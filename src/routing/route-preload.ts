/** Takes into the route table what a preload reads, except the routes of which a change was heard since it began. */

import type { RouteKey } from './route-segment.ts';
import type { RouteTable } from './route-table.ts';

/** Four words as a name of a few characters: only for sets that are small. */
const nameOfWords = (key: RouteKey, from: number, to: number): string => key.subarray(from, to).join();
const tenantName = (key: RouteKey): string => nameOfWords(key, 0, 4);
const routeName = (key: RouteKey): string => nameOfWords(key, 0, 8);

export class RoutePreload {
  readonly #table: RouteTable;
  readonly #end: (preload: RoutePreload) => void;
  readonly #changedRoutes = new Set<string>();
  readonly #changedTenants = new Set<string>();
  /** Everything was forgotten meanwhile: what it reads is of no use. */
  stopped = false;

  constructor(table: RouteTable, end: (preload: RoutePreload) => void) {
    this.#table = table;
    this.#end = end;
  }

  take(key: RouteKey, instance: Int32Array, jamfComputerId: number, version: number): void {
    if (this.stopped) return;
    if (this.#changedTenants.size > 0 && this.#changedTenants.has(tenantName(key))) return;
    if (this.#changedRoutes.size > 0 && this.#changedRoutes.has(routeName(key))) return;
    this.#table.put(key, instance, jamfComputerId, version);
  }

  end(): void {
    this.#end(this);
  }

  routeChanged(key: RouteKey): void {
    this.#changedRoutes.add(routeName(key));
  }

  tenantChanged(key: RouteKey): void {
    this.#changedTenants.add(tenantName(key));
  }
}
