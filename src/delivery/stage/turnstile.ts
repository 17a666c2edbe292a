/** At most `limit` calls at the same time for each key; more wait in the order of their coming. */
export type Turnstile = <Result>(key: string, call: () => Promise<Result>) => Promise<Result>;

/**
 * Bounds what one tenant has under way. Tenants share hosts of Microsoft: without a bound of its own, one whose calls
 * hang would take all connections to a host and with it the others' way.
 */
export function createTurnstile(limit: number): Turnstile {
  const inside = new Map<string, { count: number; readonly waiting: (() => void)[] }>();
  return async (key, call) => {
    const state = inside.get(key) ?? { count: 0, waiting: [] };
    inside.set(key, state);
    if (state.count < limit) state.count += 1;
    // Whoever leaves hands its place over.
    else await new Promise<void>((enter) => state.waiting.push(enter));
    try {
      return await call();
    } finally {
      const next = state.waiting.shift();
      if (next) next();
      else {
        state.count -= 1;
        if (state.count === 0) inside.delete(key);
      }
    }
  };
}
