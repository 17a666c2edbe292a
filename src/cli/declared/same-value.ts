import { spellingOf } from './names.ts';

type SameText = (a: string, b: string) => boolean;

function same(a: unknown, b: unknown, sameText: SameText): boolean {
  if (typeof a === 'string' && typeof b === 'string') return sameText(a, b);
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return Object.is(a, b);
  const left = Object.entries(a).filter(([, value]) => value !== undefined);
  const right = new Map(Object.entries(b).filter(([, value]) => value !== undefined));
  return (
    left.length === right.size &&
    left.every(([name, value]) => right.has(name) && same(value, right.get(name), sameText))
  );
}

/** True where two values of a declaration say the same; members that are undefined are as if they were not there. */
export const sameValue = (a: unknown, b: unknown): boolean => same(a, b, (left, right) => left === right);

/** The same for names of people's, which may be written in several ways that look alike. */
export const sameNames = (a: unknown, b: unknown): boolean =>
  same(a, b, (left, right) => spellingOf(left) === spellingOf(right));
