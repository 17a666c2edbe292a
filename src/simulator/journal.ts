/** A journal of requests to the simulated services, for assertions: never a token or a secret. */
export interface JournalEntry {
  readonly sequence: number;
  /** When the request came, before any fault delayed it. */
  readonly arrivedAt: string;
  /** When it was answered. */
  readonly at: string;
  /** `entra`, `graph`, `intune` with the cloud's name (`entra:public`), or `jamf:<instance name>`. */
  readonly service: string;
  readonly tenant?: string;
  readonly method: string;
  /** Path with query, secrets cannot be in it. */
  readonly path: string;
  readonly status: number | 'reset';
  readonly clientRequestId?: string;
  readonly requestId?: string;
  readonly traceparent?: string;
  readonly userAgent?: string;
  /** The service's own notes on the exchange (a message id, an error code). */
  readonly note?: Readonly<Record<string, unknown>>;
}

export interface Journal {
  add(entry: Omit<JournalEntry, 'sequence'>): void;
  /** Oldest first. */
  list(filter?: { service?: string; tenant?: string; path?: string; since?: number }): JournalEntry[];
  clear(): void;
}

/** Keeps the newest `capacity` entries. */
export function createJournal(capacity = 100_000): Journal {
  let entries: JournalEntry[] = [];
  let sequence = 0;
  return {
    add: (entry) => {
      sequence += 1;
      entries.push({ sequence, ...entry });
      if (entries.length > capacity * 1.25) entries = entries.slice(-capacity);
    },
    list: (filter = {}) =>
      entries.filter(
        (entry) =>
          (filter.service === undefined ||
            entry.service === filter.service ||
            entry.service.startsWith(`${filter.service}:`)) &&
          (filter.tenant === undefined || entry.tenant === filter.tenant) &&
          (filter.path === undefined || entry.path.includes(filter.path)) &&
          (filter.since === undefined || entry.sequence > filter.since),
      ),
    clear: () => {
      entries = [];
    },
  };
}
