/**
 * Reads single values off Jamf Pro's wire. Servers of several ages write the same member as a number, as text,
 * as `null` or not at all, so every reader takes `unknown` and tells "absent" from "wrong".
 */

import { maxComputerId, nilGuid, parseGuid } from '../ids.ts';

/** Longest text kept of one member; a record is pushed by a third party and stored. */
const textMaxChars = 1024;

/** Date, time with or without seconds, fraction and zone; servers and proxies in the field write all of these. */
const timestampPattern =
  /^(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2})(?::(\d{2})(?:[.,](\d{1,12}))?)?)?\s*(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?$/i;
/** Below this a number counts seconds since the epoch: as milliseconds it would be before 1973. */
const secondsBelow = 100_000_000_000;

/** One fault of an input, in the form of Jamf's error envelope (domain/jamf.md 8). */
export interface FieldError {
  readonly code: 'MALFORMED' | 'REQUIRED' | 'INVALID';
  /** Path of the member, such as `event.jssID`; empty for the document itself. */
  readonly field: string;
  readonly description: string;
}

/** Told of a member in another form than expected: its path, and what it must `be` or `hold`. */
export type Warn = (field: string, expected: string) => void;

/** Warnings of one record; more of them say nothing new. */
const warningsMax = 20;

/** Collects warnings, each field once, and no more than a few of one record. */
export function createWarnings(): { readonly warn: Warn; readonly list: readonly FieldError[] } {
  const list: FieldError[] = [];
  const warn: Warn = (field, expected) => {
    if (list.length >= warningsMax || list.some((one) => one.field === field)) return;
    list.push({ code: 'INVALID', field, description: `${field} must ${expected}.` });
  };
  return { warn, list };
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

/** Text, or a number as its text: some servers write a version as number. A boolean names nothing. */
export function readScalarText(value: unknown): string | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? String(value) : readText(value);
}

/** A Jamf id (JSON integer or decimal text, 1 to 2^31-1) in its canonical text; `undefined` when it is neither. */
export function readComputerId(value: unknown): string | undefined {
  const id = typeof value === 'string' && /^[0-9]{1,10}$/.test(value.trim()) ? Number(value.trim()) : value;
  if (typeof id !== 'number' || !Number.isInteger(id) || id < 1 || id > maxComputerId) return undefined;
  return String(id);
}

/** A number from 0 on, as JSON number or decimal text; Jamf writes -1 for what it does not know. */
export function readCount(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^\d{1,15}$/.test(value.trim()) ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : undefined;
}

/**
 * A GUID in lower case, with or without braces, hyphens and `urn:uuid:`; the nil GUID names nothing and counts as
 * malformed.
 */
export function readGuid(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > textMaxChars) return undefined;
  const bare = value
    .trim()
    .toLowerCase()
    .replace(/^urn:uuid:/, '')
    .replace(/^\{(.*)\}$/, '$1');
  const guid = parseGuid(
    bare.replace(/^([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})$/, '$1-$2-$3-$4-$5'),
  );
  return guid === nilGuid ? undefined : guid;
}

/**
 * An ISO 8601 instant (domain/jamf.md 2.3); without a zone it is UTC, without a time its midnight. Also the seconds or
 * milliseconds since the epoch.
 */
export function readTimestamp(value: unknown): Date | undefined {
  const number = typeof value === 'string' && /^\d{9,16}$/.test(value.trim()) ? Number(value) : value;
  if (typeof number === 'number') return readEpochMs(number < secondsBelow ? number * 1000 : number);
  if (typeof value !== 'string' || value.length > textMaxChars) return undefined;
  const match = timestampPattern.exec(value.trim());
  if (!match) return undefined;
  const [, date = '', minutes = '00:00', seconds = '00', fraction = '', zone = 'Z'] = match;
  const millis = fraction.padEnd(3, '0').slice(0, 3);
  const hours = /^([+-]\d{2}):?(\d{2})?$/.exec(zone);
  const offset = hours ? `${hours[1]}:${hours[2] ?? '00'}` : 'Z';
  const at = new Date(`${date}T${minutes}:${seconds}.${millis}${offset}`);
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

/** A boolean, or its text as XML carries it, or the number that other servers write. */
export function readBoolean(value: unknown): boolean | undefined {
  if (typeof value === 'boolean') return value;
  if (value === 1 || value === 0) return value === 1;
  if (typeof value !== 'string') return undefined;
  const text = value.slice(0, 10).trim().toLowerCase();
  if (['true', '1', 'yes'].includes(text)) return true;
  return ['false', '0', 'no'].includes(text) ? false : undefined;
}
