/** Texts of the API, which speaks to programs and to people, as a page says them. */

/** With a capital and a full stop, whatever it was a part of. */
export function sentence(text: string): string {
  const trimmed = text.trim();
  if (trimmed === '') return '';
  return `${trimmed[0]?.toUpperCase()}${trimmed.slice(1)}${/[.!?…]$/.test(trimmed) ? '' : '.'}`;
}

/** Remedies name calls of the API and commands; on a page they are buttons. */
export const inOperatorsWords = (text: string, tellAgain = 'replay the report'): string =>
  text
    .replaceAll(
      /POST \/tenants\/\{tenantId\}\/(\w)(\w*)/g,
      (_, first: string, rest: string) => `press “${first.toUpperCase()}${rest}” on the tenant's page`,
    )
    .replaceAll(/(?:tell it again: )?POST \/reports\/replay(?: \("espalier reports replay"\))?/g, tellAgain);

/** The name of an operator's key without its kind, which the history writes before it. */
export const personName = (name: string): string => name.replace(/^key /, '');
