/**
 * The version of a Mac is that of its operating system: Intune is told it with every state, and it grows with every
 * change, so that what Intune holds says which state it is.
 */
export const firstVersion = '15.1';

export function versionOf(osVersion: string | null): number | undefined {
  const found = /^15\.(\d+)$/.exec(osVersion ?? '');
  return found ? Number(found[1]) : undefined;
}

export const nextVersion = (osVersion: string): string => `15.${(versionOf(osVersion) ?? 0) + 1}`;
