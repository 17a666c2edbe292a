/**
 * Decides when to keep what was read, in the hope that it comes again. Where it never does, because something in it
 * differs every time, keeping costs more than it brings, and is tried ever less often.
 */
export interface KeepPolicy {
  /** Called when the kept value has come again. */
  served(): void;
  /** Something else came; whether to keep it. `hadKept`: something was kept and did not serve. */
  keepNext(hadKept: boolean): boolean;
}

const maxBetween = 1_024;

export function createKeepPolicy(): KeepPolicy {
  let between = 1;
  let left = 0;
  return {
    served: () => {
      between = 1;
    },
    keepNext: (hadKept) => {
      if (hadKept) {
        left = between;
        between = Math.min(maxBetween, between * 2);
      }
      if (left === 0) return true;
      left -= 1;
      return false;
    },
  };
}
