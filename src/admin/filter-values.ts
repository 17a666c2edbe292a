import { parseGuid } from '../ids.ts';
import type { FilterField } from './filter-fields.ts';

/** A filter's values, by the type of their field. */

export type ValueResult =
  | { readonly ok: true; readonly value: string | boolean }
  /** The rest of a sentence that begins with the value. */
  | { readonly ok: false; readonly must: string };

const timestampPattern =
  /^(\d{4})-(\d\d)-(\d\d)(T([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?(Z|[+-]\d\d:[0-5]\d))?$/;

/** ISO 8601 in UTC, to the millisecond; undefined where it is no time that both JavaScript and PostgreSQL know. */
export function readTimestamp(text: string): string | undefined {
  const [, year, month, day] = timestampPattern.exec(text) ?? [];
  if (year === undefined) return undefined;
  const date = new Date(text);
  // JavaScript takes 30 February for a day in March.
  const calendar = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
  if (Number.isNaN(date.getTime()) || calendar.getUTCDate() !== Number(day)) return undefined;
  return date.getUTCFullYear() >= 1 && date.getUTCFullYear() <= 9_999 ? date.toISOString() : undefined;
}

function readText(text: string, field: Extract<FilterField, { type: 'text' }>, inList: boolean): ValueResult {
  // PostgreSQL has no text with it.
  if (text.includes('\0')) return { ok: false, must: 'holds a NUL character' };
  if (!text.includes('*')) return { ok: true, value: text };
  if (!field.wildcards) return { ok: false, must: 'holds *, which stands for nothing in this field' };
  return inList
    ? { ok: false, must: 'holds *, which == and != take, not a list' }
    : { ok: true, value: text };
}

export function readValue(text: string, field: FilterField, inList: boolean): ValueResult {
  switch (field.type) {
    case 'uuid': {
      const value = parseGuid(text);
      return value === undefined ? { ok: false, must: 'must be a GUID' } : { ok: true, value };
    }
    case 'enum': {
      const value = field.values.find((one) => one === text);
      return value === undefined
        ? { ok: false, must: `must be one of ${field.values.join(', ')}` }
        : { ok: true, value };
    }
    case 'boolean':
      return text === 'true' || text === 'false'
        ? { ok: true, value: text === 'true' }
        : { ok: false, must: 'must be true or false' };
    case 'integer':
      return /^(0|[1-9]\d{0,14})$/.test(text)
        ? { ok: true, value: text }
        : { ok: false, must: 'must be a whole number, not negative' };
    case 'timestamp': {
      const value = readTimestamp(text);
      return value === undefined
        ? { ok: false, must: 'must be a date or a time with its zone, such as 2026-11-23T08:15:00Z' }
        : { ok: true, value };
    }
    case 'words':
      return readText(text, { ...field, type: 'text' }, inList);
    case 'text':
      return readText(text, field, inList);
  }
}
