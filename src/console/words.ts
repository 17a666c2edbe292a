/** Texts of the API, which speaks to programs and to people, as a page says them. */

/** With a capital and a full stop, whatever it was a part of. */
export function sentence(text: string): string {
  const trimmed = text.trim();
  if (trimmed === '') return '';
  return `${trimmed[0]?.toUpperCase()}${trimmed.slice(1)}${/[.!?…]$/.test(trimmed) ? '' : '.'}`;
}

/** The name of an operator's key without its kind, which the history writes before it. */
export const personName = (name: string): string => name.replace(/^key /, '');
