/** The admin API's own document, read from a running gateway, and requests made of it. */

import {
  type Document,
  type Operation,
  type Parameter,
  parametersOf,
} from '../../src/admin/api-docs/openapi.ts';
import { call } from './http.ts';

export interface DocumentedOperation {
  readonly method: string;
  /** With its parameters in braces. */
  readonly path: string;
  readonly operation: Operation;
  readonly parameters: readonly Parameter[];
  /** `GET /api/v1/tenants/{tenantId}`. */
  readonly name: string;
}

export async function readDocument(admin: string, ca: string): Promise<Document> {
  const answer = await call(`${admin}/api/v1/openapi.json`, { ca });
  if (answer.status !== 200) throw new Error(`no document: ${answer.status}`);
  return answer.json as Document;
}

export const operationsOf = (document: Document): DocumentedOperation[] =>
  Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      operation,
      parameters: parametersOf(document, operation),
      name: `${method.toUpperCase()} ${path}`,
    })),
  );

export type Ids = Readonly<Record<string, string>>;

export const pathParameters = (path: string): string[] =>
  [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);

/** The path with an id for each parameter; throws when one is missing, so that a new kind of id is not left out. */
export const fillPath = (path: string, ids: Ids): string =>
  path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const id = ids[name];
    if (id === undefined) throw new Error(`${path}: no id for {${name}}`);
    return encodeURIComponent(id);
  });

/** Texts of an example that stand for something are replaced by the real ones, wherever they are. */
export function substitute(value: unknown, real: Readonly<Record<string, string>>): unknown {
  if (typeof value === 'string') return Object.hasOwn(real, value) ? real[value] : value;
  if (Array.isArray(value)) return value.map((entry) => substitute(entry, real));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, substitute(inner, real)]));
}
