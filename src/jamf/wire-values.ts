/**
 * Reads single values off Jamf Pro's wire. Servers of several ages write the same member as a number, as text,
 * as `null` or not at all, so every reader takes `unknown` and tells "absent" from "wrong".
 */

/** Jamf computer ids are positive 32-bit integers (domain/jamf.md 6.3). */
const computerIdMax = 2_147_483_647;
/** Longest text kept of one member; a record is pushed by a third party and stored. */
const textMaxChars = 1024;

const guidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const nilGuid = '00000000-0000-0000-0000-000000000000';
const timestampPattern =
  /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(Z|[+-]\d{2}:\d{2}|[+-]\d{4})$/;

/** One fault of an input, in the form of Jamf's error envelope (domain/jamf.md 8). */
export interface FieldError {
  readonly code: 'MALFORMED' | 'REQUIRED' | 'INVALID';
  /** Path of the member, such as `event.jssID`; empty for the document itself. */
  readonly field: string;
  readonly description: string;
}

/** A JSON object: neither `null` nor an array. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** True for what Jamf writes when it has nothing to say: absent, `null` or empty text. */
export function isAbsent(value: unknown): boolean {
  return value === undefined || value === null || (typeof value === 'string' && value.trim() === '');
}

/**
 * Text fit for storage: trimmed, without NUL (PostgreSQL refuses it) and lone surrogates, at most 1024 characters.
 * `undefined` when it is not text or empty.
 */
export function readText(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined;
  const text = value.replaceAll('\u0000', '').trim().slice(0, textMaxChars).toWellFormed();
  return text === '' ? undefined : text;
}

/** A Jamf id (JSON integer or decimal text, 1 to 2^31-1) in its canonical text; `undefined` when it is neither. */
export function readComputerId(value: unknown): string | undefined {
  const id = typeof value === 'string' && /^[0-9]{1,10}$/.test(value.trim()) ? Number(value.trim()) : value;
  if (typeof id !== 'number' || !Number.isInteger(id) || id < 1 || id > computerIdMax) return undefined;
  return String(id);
}

/** A GUID in lower case; the nil GUID names nothing and counts as malformed. */
export function readGuid(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined;
  const guid = value.trim().toLowerCase();
  return guidPattern.test(guid) && guid !== nilGuid ? guid : undefined;
}

/** An ISO 8601 instant with a zone, milliseconds optional (domain/jamf.md 2.3). */
export function readTimestamp(value: unknown): Date | undefined {
  if (typeof value !== 'string') return undefined;
  const match = timestampPattern.exec(value.trim());
  if (!match) return undefined;
  const [, local = '', fraction = '', zone = ''] = match;
  const millis = fraction.padEnd(3, '0').slice(0, 3);
  const offset = zone.length === 5 ? `${zone.slice(0, 3)}:${zone.slice(3)}` : zone;
  const at = new Date(`${local}.${millis}${offset}`);
  return isPlausible(at) ? at : undefined;
}

/** No Mac reports from before 1970 or after 2199; PostgreSQL's own range ends elsewhere than JavaScript's. */
const latestMs = Date.UTC(2200, 0);
const isPlausible = (at: Date): boolean => at.getTime() >= 0 && at.getTime() < latestMs;

/** Milliseconds since the epoch, as a JSON number or decimal text. */
export function readEpochMs(value: unknown): Date | undefined {
  const ms = typeof value === 'string' && /^[0-9]{1,16}$/.test(value.trim()) ? Number(value.trim()) : value;
  if (typeof ms !== 'number') return undefined;
  const at = new Date(ms);
  return isPlausible(at) ? at : undefined;
}

/** A boolean, or its text as XML carries it. */
export function readBoolean(value: unknown): boolean | undefined {
  if (typeof value === 'boolean') return value;
  if (typeof value !== 'string') return undefined;
  const text = value.trim().toLowerCase();
  if (text === 'true') return true;
  return text === 'false' ? false : undefined;
}
