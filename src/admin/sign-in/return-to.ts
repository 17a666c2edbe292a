import { returnToCharacters } from '../../limits.ts';

/** The console. */
export const homePath = '/';

/**
 * A path of this gateway that a browser may be sent to after signing in; undefined for anything that a browser could
 * take for another place: another origin, `//host`, and what a backslash or a control character makes of one.
 */
export function parseReturnTo(text: string): string | undefined {
  if (text.length > returnToCharacters || !/^\/(?![/\\])[\x21-\x5b\x5d-\x7e]*$/.test(text)) return undefined;
  const base = 'https://gateway.invalid';
  const url = URL.canParse(text, base) ? new URL(text, base) : undefined;
  // Dots may be resolved away into a second slash.
  return url?.origin === base && !url.pathname.startsWith('//')
    ? url.pathname + url.search + url.hash
    : undefined;
}
