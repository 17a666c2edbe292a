/** How an operation of the admin API becomes a request: the types of what it takes and answers, its path and its headers. */

import type { Operations } from './operations.ts';

export type OperationName = keyof Operations;
export type Method = 'DELETE' | 'GET' | 'PATCH' | 'POST' | 'PUT';

export type Answer<Name extends OperationName> = Operations[Name]['answer'];

export interface RequestOptions {
  /** Kept in the history with what the request changes: one line, at most 500 characters. */
  readonly reason?: string | undefined;
  /** The `versionLock` that was read: the request fails with 412 where the object was changed since. */
  readonly ifMatch?: number | undefined;
  /** Default for a POST: a new one. With the same one a request that is repeated is done once. */
  readonly idempotencyKey?: string | undefined;
}

export type Input<Name extends OperationName> = Operations[Name]['input'] & RequestOptions;

/** Nothing has to be given for an operation that needs nothing. */
export type InputOf<Name extends OperationName> =
  Record<never, never> extends Operations[Name]['input'] ? [input?: Input<Name>] : [input: Input<Name>];

export const methodOf = (operation: OperationName): Method =>
  operation.slice(0, operation.indexOf(' ')) as Method;

type Value = string | number | boolean | undefined;

/** The path after `/api/v1` with each `{name}` filled in, encoded, and the query that has a value. */
export function pathOf(
  operation: OperationName,
  parameters: Readonly<Record<string, string>> = {},
  query: Readonly<Record<string, Value>> = {},
): string {
  const template = operation.slice(operation.indexOf(' ') + 1);
  const path = template.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = parameters[name];
    if (value === undefined) throw new Error(`${operation} needs ${name}`);
    return encodeURIComponent(value);
  });
  const given = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)]],
  );
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given)}`;
}

/** A header's characters are bytes: what is no ASCII goes as the bytes of its UTF-8. */
const headerText = (text: string): string => String.fromCharCode(...new TextEncoder().encode(text));

/** Nothing for what changes nothing. */
export const reasonOf = (method: Method, reason: string | undefined): Record<string, string> =>
  reason === undefined || method === 'GET' ? {} : { 'x-espalier-reason': headerText(reason) };

/** `idempotencyKey` and `ifMatch` as given, `reason` for what changes something. */
export function headersOf(
  method: Method,
  { idempotencyKey, ifMatch, reason }: RequestOptions,
): Record<string, string> {
  const key = idempotencyKey ?? (method === 'POST' ? crypto.randomUUID() : undefined);
  return {
    ...(key === undefined ? {} : { 'idempotency-key': key }),
    ...(ifMatch === undefined ? {} : { 'if-match': `"${ifMatch}"` }),
    ...reasonOf(method, reason),
  };
}
