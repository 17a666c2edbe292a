/**
 * Structured logs: one line per event, never a token, secret or key. A line names the request and the trace that its work
 * belongs to.
 */

import { workIds } from './work-context.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Facts beside the event. Values that could be secret have no place here; names that look so are masked anyway. */
export type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  /** False: lines of `debug` are not written, so their fields need not be made. */
  readonly debugs?: boolean;
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

const order: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 };
const secretName = /secret|password|authorization|cookie|^token$|accessToken|apiKey|^key$/i;
/** Bearer tokens, JWTs and Espalier keys, wherever they turn up in a text. */
const secretText =
  /esp_[A-Za-z0-9_-]{20,}|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*\.?[A-Za-z0-9_-]*|[Bb]earer\s+\S{16,}/g;

function clean(value: unknown, name = ''): unknown {
  if (secretName.test(name)) return '********';
  if (typeof value === 'string') return value.replace(secretText, '********');
  if (value instanceof Error) return clean(`${value.name}: ${value.message}`);
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map((entry) => clean(entry));
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, clean(entry, key)]));
  }
  return value;
}

const flat = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: 'json' | 'pretty';
  readonly write: (line: string) => void;
  readonly now?: () => Date;
  /** Stands in every line, behind the event. */
  readonly always?: LogFields;
}

export function createLog({ always = {}, format, level, now = () => new Date(), write }: LogOptions): Log {
  const line = (at: LogLevel, event: string, fields: LogFields): void => {
    if (order[at] < order[level]) return;
    const cleaned = clean({ ...always, ...workIds(), ...fields }) as Record<string, unknown>;
    if (format === 'json') {
      write(JSON.stringify({ time: now().toISOString(), level: at, event, ...cleaned }));
      return;
    }
    const rest = Object.entries(cleaned)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => `${key}=${flat(value)}`)
      .join(' ');
    write(`${now().toISOString().slice(11, 23)} ${at.padEnd(5)} ${event}${rest === '' ? '' : `  ${rest}`}`);
  };
  return {
    debugs: order.debug >= order[level],
    debug: (event, fields = {}) => line('debug', event, fields),
    info: (event, fields = {}) => line('info', event, fields),
    warn: (event, fields = {}) => line('warn', event, fields),
    error: (event, fields = {}) => line('error', event, fields),
  };
}
