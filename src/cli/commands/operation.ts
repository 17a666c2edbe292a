import type { Method } from '../server/exchange.ts';

/** An operation of the admin API as its OpenAPI document writes it, without `/api/v1`. */
export type Operation = `${Method} /${string}`;

export const methodOf = (operation: Operation): Method =>
  operation.slice(0, operation.indexOf(' ')) as Method;

const templateOf = (operation: Operation): string => operation.slice(operation.indexOf(' ') + 1);

export type Parameters = Readonly<Record<string, string>>;

/** The path with each `{name}` filled in, encoded, and the query that has a value. */
export function pathOf(
  operation: Operation,
  parameters: Parameters,
  query: Readonly<Record<string, string | undefined>> = {},
): string {
  const path = templateOf(operation).replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = parameters[name];
    if (value === undefined) throw new Error(`${operation} needs ${name}`);
    return encodeURIComponent(value);
  });
  const given = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as [string, string]],
  );
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given)}`;
}
