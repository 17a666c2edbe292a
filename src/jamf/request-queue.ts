/** Runs tasks in the order of their arrival, at most `limit` at a time. */
export type RequestQueue = <Result>(task: () => Promise<Result>) => Promise<Result>;

/** Jamf asks for at most 5 connections at a time and sheds load without saying how (domain/jamf.md 1.5). */
export function createRequestQueue(limit: number): RequestQueue {
  const waiting: (() => void)[] = [];
  let free = Math.max(1, limit);
  return async (task) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((start) => waiting.push(start));
    try {
      return await task();
    } finally {
      // The slot is handed over, not given back, so that nobody who comes later gets in between.
      const next = waiting.shift();
      if (next) next();
      else free += 1;
    }
  };
}
