/**
 * Kinds of values in a file. Each says what is right, so that a fault can be mended without the documentation. What a check in
 * code refuses, `meta` says again for the JSON Schema of editors.
 */

import { z } from 'zod';
import { parseGuid, tagPattern } from '../../ids.ts';
import { cleanName } from './names.ts';

const guidPattern = '[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}';

export const guid = z
  .string()
  .refine((text) => parseGuid(text) !== undefined, 'must be a GUID, as 3f2504e0-4f89-41d3-9a0c-0305e82c3301')
  .meta({ pattern: `^${guidPattern}$` })
  .transform((text) => text.toLowerCase());

/** An Entra tenant for everybody of it, or with the object id of one of them behind a colon. */
export const operatorId = z
  .string()
  .refine((text) => {
    const parts = text.split(':');
    return parts.length <= 2 && parts.every((part) => parseGuid(part) !== undefined);
  }, "must be an Entra tenant's GUID, or that, a colon and an object id")
  .meta({ pattern: `^${guidPattern}(:${guidPattern})?$` })
  .transform((text) => text.toLowerCase());

export const text = (longest: number) => z.string().overwrite(cleanName).min(1).max(longest);

export const tag = z.string().regex(tagPattern, 'must be letters, digits, ".", "_" and "-", 64 at most');

export const address = (longest: number) =>
  z
    .string()
    .max(longest)
    .refine((value) => URL.canParse(value) && new URL(value).protocol === 'https:', 'must be an https URL')
    // The reader of URLs drops blanks around, and takes a scheme in any case.
    .meta({ pattern: '^\\s*[Hh][Tt][Tt][Pp][Ss]:' });

export const instant = z.iso.datetime({
  offset: true,
  error: 'must be a time with its zone, as 2027-01-31T00:00:00Z',
});
