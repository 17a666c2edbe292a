/** Runs at most `limit` at a time; the results are in the order of the work, whenever each ended. */
export async function inOrder<T>(limit: number, work: readonly (() => Promise<T>)[]): Promise<T[]> {
  const results = new Map<number, T>();
  let next = 0;
  const runner = async (): Promise<void> => {
    for (;;) {
      const at = next;
      next += 1;
      const one = work[at];
      if (one === undefined) return;
      results.set(at, await one());
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, work.length) }, runner));
  return [...results].sort(([a], [b]) => a - b).map(([, result]) => result);
}

/** The work's value; `late()` when it takes longer. What goes on then ends by its own timeouts, and nobody waits. */
export async function withDeadline<T>(ms: number, work: () => Promise<T>, late: () => T): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<T>((resolve) => {
    timer = setTimeout(() => resolve(late()), ms);
  });
  try {
    return await Promise.race([work(), over]);
  } finally {
    clearTimeout(timer);
  }
}
