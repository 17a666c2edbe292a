import type { Random } from './random.ts';

/** A fault to play, set by the control API. All members narrow; absent means any. */
export interface Fault {
  readonly id: string;
  /** `entra`, `graph`, `intune`, `jamf`, or with the part behind the colon, `entra:public`, `jamf:berlin`. */
  readonly service: string;
  readonly tenant?: string;
  readonly method?: string;
  /** Substring of the path. */
  readonly path?: string;
  /** Answer this instead of the real answer. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Body of the false answer, sent as it is; `contentType` defaults to text/plain. */
  readonly body?: string;
  readonly contentType?: string;
  /** Wait this long first. */
  readonly delayMs?: number;
  /**
   * Break the connection: `before` the service acted, or `after` it acted and before it answered (the caller
   * cannot know).
   */
  readonly reset?: 'before' | 'after';
  /** Number of requests that it hits before it is gone; absent means until removed. */
  readonly times?: number;
  /** Share of matching requests hit, 0 to 1; absent means all. */
  readonly share?: number;
}

export interface Faults {
  add(fault: Omit<Fault, 'id'>): Fault;
  remove(id: string): boolean;
  clear(): void;
  list(): Fault[];
  /** The fault to play for this request, counted as played. */
  take(request: {
    service: string;
    tenant: string | undefined;
    method: string;
    path: string;
  }): Fault | undefined;
}

export function createFaults(random: Random): Faults {
  const faults = new Map<string, Fault>();
  const remaining = new Map<string, number>();
  let counter = 0;
  return {
    add: (fault) => {
      counter += 1;
      const made: Fault = { id: `fault-${counter}`, ...fault };
      faults.set(made.id, made);
      if (made.times !== undefined) remaining.set(made.id, made.times);
      return made;
    },
    remove: (id) => {
      remaining.delete(id);
      return faults.delete(id);
    },
    clear: () => {
      faults.clear();
      remaining.clear();
    },
    list: () => [...faults.values()],
    take: (request) => {
      for (const fault of faults.values()) {
        if (fault.service !== request.service && !request.service.startsWith(`${fault.service}:`)) continue;
        if (fault.tenant !== undefined && fault.tenant !== request.tenant) continue;
        if (fault.method !== undefined && fault.method !== request.method) continue;
        if (fault.path !== undefined && !request.path.includes(fault.path)) continue;
        if (fault.share !== undefined && random.next() >= fault.share) continue;
        const left = remaining.get(fault.id);
        if (left !== undefined) {
          if (left <= 1) {
            faults.delete(fault.id);
            remaining.delete(fault.id);
          } else remaining.set(fault.id, left - 1);
        }
        return fault;
      }
      return undefined;
    },
  };
}
