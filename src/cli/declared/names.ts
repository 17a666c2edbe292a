/**
 * Decides when two names are the same. Editors write one name in several ways that nobody can see: letters with marks
 * composed or not (NFC, and NFD on Macs), blanks that do not break, characters without a width.
 */

/** A name as it is kept and sent. */
export const cleanName = (text: string): string => text.normalize('NFC').trim();

/** The visible form of a name: two with the same spelling cannot be told apart by eye. */
export const spellingOf = (text: string): string =>
  text
    .replaceAll(/\p{Default_Ignorable_Code_Point}/gu, '')
    .normalize('NFC')
    .replaceAll(/\s+/gu, ' ')
    .trim();

/** The spelling without the case. Capitals first, for one letter may have two small forms, such as the sigmas. */
export const identityOf = (name: string): string =>
  spellingOf(name).toUpperCase().toLowerCase().normalize('NFC');

/** Those of this name: one with the same spelling before those that differ in case alone. */
export function findNamed<T extends { readonly name: string }>(
  all: readonly T[],
  name: string,
): readonly T[] {
  const exact = all.filter((one) => one.name === name);
  if (exact.length > 0) return exact;
  const spelt = all.filter((one) => spellingOf(one.name) === spellingOf(name));
  return spelt.length > 0 ? spelt : all.filter((one) => identityOf(one.name) === identityOf(name));
}
