/** A client's connections, each of which carries one operation at a time: a statement, or a whole transaction. */

/** An operation that is to begin. */
export interface Operation {
  /** Nobody waits for it any more. */
  isOver(): boolean;
  /** It has a connection from now on, until its place is given back. */
  begin(): void;
}

export interface ConnectionPlaces<O extends Operation> {
  /** Those that wait, in the order of their coming; some of them may be over. */
  readonly waiting: readonly O[];
  /** Begins the operation where a connection is free; else it waits. True: it has begun. */
  enter(operation: O): boolean;
  leave(): void;
}

export function createConnectionPlaces<O extends Operation>(connections: number): ConnectionPlaces<O> {
  const waiting: O[] = [];
  let free = connections;
  const handOver = (): void => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      if (next.isOver()) continue;
      next.begin();
      return;
    }
    free += 1;
  };
  return {
    waiting,
    enter: (operation) => {
      if (free === 0) {
        waiting.push(operation);
        return false;
      }
      free -= 1;
      operation.begin();
      return true;
    },
    // The driver takes its connection back after it has settled the query.
    leave: () => queueMicrotask(handOver),
  };
}

/** Gives the place of one operation back, once. */
export function leaveOnce<O extends Operation>(places: ConnectionPlaces<O>): () => void {
  let holds = true;
  return () => {
    if (holds) places.leave();
    holds = false;
  };
}
