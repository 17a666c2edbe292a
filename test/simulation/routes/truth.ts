/** What the database said of everything, and since which commit, so that an answer can be placed in time. */
export interface Truth {
  /** To be called after every commit and restore. */
  note(rows: ReadonlyMap<string, string>): void;
  /** Number of the newest state. */
  readonly now: number;
  /** Whether `value` was the row's at some state from `since` on. */
  was(key: string, value: string | undefined, since: number): boolean;
  value(key: string): string | undefined;
  history(key: string): string;
}

interface Entry {
  readonly at: number;
  readonly value: string | undefined;
}

export function createTruth(): Truth {
  const entries = new Map<string, Entry[]>();
  let now = 0;
  const of = (key: string): readonly Entry[] => entries.get(key) ?? [{ at: 0, value: undefined }];
  return {
    note: (rows) => {
      now += 1;
      for (const key of new Set([...entries.keys(), ...rows.keys()])) {
        const value = rows.get(key);
        const known = of(key);
        if (known.at(-1)?.value !== value) entries.set(key, [...known, { at: now, value }]);
      }
    },
    get now() {
      return now;
    },
    was: (key, value, since) => {
      const known = of(key);
      return known.some((entry, index) => entry.value === value && (known[index + 1]?.at ?? now + 1) > since);
    },
    value: (key) => of(key).at(-1)?.value,
    history: (key) =>
      of(key)
        .slice(-8)
        .map(({ at, value }) => `${at}:${value}`)
        .join(' '),
  };
}
