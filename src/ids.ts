/** Identifiers: checked where they enter, plain lower-case strings inside. */

const guidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Stands where a GUID is required and there is none. */
export const nilGuid = '00000000-0000-0000-0000-000000000000';

/** The GUID in lower case, or undefined when the text is none. Entra prints GUIDs in both cases. */
export function parseGuid(text: string | undefined): string | undefined {
  if (text === undefined || text.length !== 36) return undefined;
  const lower = text.toLowerCase();
  return guidPattern.test(lower) ? lower : undefined;
}

/** The largest id of a Jamf computer, a positive 32-bit integer (domain/jamf.md 6.3). */
export const maxComputerId = 2_147_483_647;

/** A Jamf computer id as Jamf writes it: a positive 32-bit integer in decimal, unique in one instance only. */
export function parseJamfComputerId(text: string | undefined): string | undefined {
  if (text === undefined || !/^[1-9]\d{0,9}$/.test(text)) return undefined;
  return Number(text) <= maxComputerId ? text : undefined;
}

/** A word of operators' own that marks a tenant. */
export const tagPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export const newId = (): string => crypto.randomUUID();
