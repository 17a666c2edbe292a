/** Finds the known name that was probably meant. */

/** Levenshtein's: insertions, deletions and replacements of single characters. */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const replaced = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}

/** Names that differ in more than this share of their letters are not alike. */
const alikeShare = 0.4;
/** Nobody types a longer one. */
const longestName = 100;

/** Undefined when none is alike. `shared` characters at the beginning do not count: all names have them. */
export function nearestName(name: string, known: Iterable<string>, shared = 0): string | undefined {
  if (name.length > longestName) return undefined;
  let best: { name: string; apart: number } | undefined;
  for (const one of known) {
    const apart = distance(name, one);
    if (apart < (best?.apart ?? Number.POSITIVE_INFINITY)) best = { name: one, apart };
  }
  return best && best.apart <= Math.ceil((name.length - shared) * alikeShare) ? best.name : undefined;
}
