/** What the file of a moved tenant holds (docs/cells.md): a head, its secrets, the rows of its tables, their counts. */

import { parseGuid } from '../../ids.ts';
import { FileBroken } from '../../secrets/sealed-file.ts';

export const fileFormat = 'tenant-1';

/** The first line, which is not sealed. */
export interface FileHead {
  readonly espalier: typeof fileFormat;
  readonly tenantId: string;
  readonly displayName: string;
  readonly moveId: string;
  readonly generation: number;
  /** The newest migration of the database that it comes from: both deployments must have the same tables. */
  readonly schema: number;
}

/** Each with the text that stands in its row, which the new seal replaces. */
export interface FileSecrets {
  readonly application: { readonly sealed: string; readonly secret: string } | null;
  readonly instances: readonly {
    readonly instanceId: string;
    readonly sealed: string;
    readonly secret: string;
  }[];
}

export type PartLabel =
  | { readonly part: 'secrets' }
  | { readonly part: 'rows'; readonly table: string; readonly count: number }
  | { readonly part: 'end' };

/** A label in a line of its own, so that the rows behind it are passed on unread. */
export const partOf = (label: PartLabel, text: string): string => `${JSON.stringify(label)}\n${text}`;

/** The form is trusted, for a part that has another one fails; whose rows it holds is not (store/cells/tenant-rows.ts). */
export function readPart(part: string): { readonly label: PartLabel; readonly text: string } {
  const end = part.indexOf('\n');
  return { label: JSON.parse(part.slice(0, end)) as PartLabel, text: part.slice(end + 1) };
}

/** Throws `FileBroken` for the head of another kind of file. */
export function readHead(head: unknown): FileHead {
  const given = (typeof head === 'object' && head !== null ? head : {}) as Partial<FileHead>;
  const { displayName, espalier, generation, moveId, schema, tenantId } = given;
  const known = parseGuid(typeof tenantId === 'string' ? tenantId : undefined);
  const move = parseGuid(typeof moveId === 'string' ? moveId : undefined);
  if (espalier !== fileFormat || known === undefined || move === undefined)
    throw new FileBroken('this is no file of a moved tenant that this version can read');
  if (!Number.isSafeInteger(generation) || !Number.isSafeInteger(schema))
    throw new FileBroken('the first line of the file is not complete');
  return {
    espalier: fileFormat,
    tenantId: known,
    displayName: String(displayName),
    moveId: move,
    generation: Number(generation),
    schema: Number(schema),
  };
}
