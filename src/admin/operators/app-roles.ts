import type { Role } from '../../store/row-types.ts';

/** Operators' roles as Entra knows them: app roles of the application that they sign in to (contract section 3). */

const byAppRole: ReadonlyMap<string, Role> = new Map([
  ['Espalier.Admin', 'admin'],
  ['Espalier.Operator', 'operator'],
  ['Espalier.Viewer', 'viewer'],
]);

export const appRoleNames: readonly string[] = [...byAppRole.keys()];

/** The highest of the app roles in a token; undefined: it holds none of ours. */
export function roleOf(roles: readonly string[]): Role | undefined {
  for (const [appRole, role] of byAppRole) if (roles.includes(appRole)) return role;
  return undefined;
}

const longestNameCharacters = 100;

/**
 * A name out of Entra as it may stand in history, logs and pages: no control characters, and none that turn the text
 * around or hide in it (Unicode category C). Undefined: nothing is left.
 */
export function cleanName(text: string | undefined): string | undefined {
  const clean = (text ?? '').replaceAll(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ').trim();
  return clean === '' ? undefined : [...clean].slice(0, longestNameCharacters).join('');
}
