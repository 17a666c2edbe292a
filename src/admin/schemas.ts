import { z } from '@hono/zod-openapi';
import { Column, is, type SQL, type SQLWrapper, sql } from 'drizzle-orm';
import { parseGuid } from '../ids.ts';
import { ProblemError, problem } from '../problems.ts';
import type { FilterFields } from './filter-fields.ts';

/** Schemas that several resources share; they validate and they are the OpenAPI document. */

export const guid = z
  .string()
  .refine((text) => parseGuid(text) !== undefined, 'must be a GUID')
  .transform((text) => text.toLowerCase())
  .openapi({ type: 'string', format: 'uuid', example: '3f2504e0-4f89-41d3-9a0c-0305e82c3301' });

export const instant = z.string().openapi({ format: 'date-time', example: '2026-11-23T08:15:00.000Z' });
export const instantOrNull = instant.nullable();

export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number(),
    detail: z.string(),
    instance: z.string(),
    owner: z.string(),
    httpStatus: z.number(),
    errors: z.array(
      z.object({
        code: z.string(),
        description: z.string(),
        id: z.string().nullable(),
        field: z.string().nullable(),
      }),
    ),
  })
  .openapi('Problem');

export const problemAnswer = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: problemSchema } },
});

export const jsonAnswer = <T extends z.ZodType>(schema: T, description: string) => ({
  description,
  content: { 'application/json': { schema } },
});

/** The problems that every operation can answer. */
export const commonProblems = {
  400: problemAnswer('invalid-request'),
  401: problemAnswer('unauthenticated'),
  403: problemAnswer('forbidden'),
  404: problemAnswer('not found, or not yours'),
  429: problemAnswer('rate-limited'),
} as const;

export const created = z.object({ id: z.string(), href: z.string() }).openapi('Created');

export const step = z
  .object({
    name: z.string(),
    ok: z.boolean(),
    detail: z.string().optional(),
    cause: z.string().optional(),
    remedy: z.string().optional(),
    owner: z.string().optional(),
  })
  .openapi('Step');

/** An id in a path; what is no GUID names nothing, and is answered 404 by whoever reads it. */
export const pathId = (description: string) => z.string().openapi({ format: 'uuid', description });

export const tenantPath = z.object({ tenantId: pathId('The Entra tenant, by its GUID') });
export const instancePath = tenantPath.extend({ instanceId: pathId('The Jamf Pro instance') });
export const devicePath = tenantPath.extend({ deviceId: pathId('The device, by its id in Entra') });

/** `page` from 0, `page-size` at most 2000 (contract sections 8 and 11). */
export const paging = z
  .object({
    page: z.coerce
      .number()
      .int()
      .min(0)
      .max(1_000_000)
      .default(0)
      .openapi({ description: 'The page, counted from 0', example: 0 }),
    'page-size': z.coerce
      .number()
      .int()
      .min(1)
      .max(2_000)
      .default(100)
      .openapi({ description: 'Rows of a page', example: 100 }),
    sort: z.string().optional().openapi({
      description: 'Fields, each with :asc or :desc, joined by commas',
      example: 'displayName:asc',
    }),
  })
  // A filter that is silently ignored would show everything as if it matched.
  .strict();

export const flag = (description: string) =>
  z.enum(['true', 'false']).default('false').openapi({ description });

/** With `dryRun` the answer says what would be done. */
export const dryRunFlag = flag('true: only say what would be done, and do nothing');
export const dryRunQuery = z.object({ 'dry-run': dryRunFlag }).strict();

/** Version of objects that are made and deleted but never changed, such as keys. */
export const onlyVersion = 1;

/** Answer of an operation on an object that has a version. */
export const versionProblem = { 412: problemAnswer('precondition-failed') } as const;

/** Describes a filter for the document; src/admin/filter.ts reads it. */
export const filterText = (fields: FilterFields): string =>
  `RSQL over ${Object.keys(fields).join(', ')}: == != =in=(a,b) =out=(a,b), for times and numbers also =gt= =ge= =lt= =le=, ` +
  'joined by ; (and) or , (or) with parentheses; a value with reserved signs stands in quotes';

/** Paging with a `filter` over the fields of the resource. */
export const filteredPaging = (fields: FilterFields) =>
  paging.extend({
    filter: z
      .string()
      .optional()
      .openapi({ description: filterText(fields) }),
  });

/** A column of the table that the command line shows of a list; the document carries it as `x-columns`. */
export interface ListColumn {
  /** A path into the row, `report.state`. */
  readonly field: string;
  /** The heading; default: the field. */
  readonly title?: string;
  /** An id that people copy is shown whole or not at all. */
  readonly whole?: boolean;
  /** Its values are ids of these, whose names are shown beside. */
  readonly names?: 'tenant' | 'instance';
  /** 1 is the last column that a narrow terminal leaves out. */
  readonly importance: number;
}

export const listOf = <T extends z.ZodType>(item: T, name: string, columns: readonly ListColumn[]) =>
  z.object({ totalCount: z.number().int(), results: z.array(item) }).openapi(name, { 'x-columns': columns });

/**
 * Reads `sort=field:asc,other:desc` onto columns, which come from `columns` and never from the request. Throws
 * `ProblemError` naming an unknown field.
 */
export function parseSort(
  sort: string | undefined,
  columns: Readonly<Record<string, SQLWrapper>>,
  fallback: string,
): SQL[] {
  const partsOf = (text: string): string[] => text.split(',').filter((part) => part.trim() !== '');
  const given = partsOf(sort ?? '');
  return (given.length > 0 ? given : partsOf(fallback)).map((part) => {
    const [field = '', direction = 'asc'] = part.trim().split(':');
    const column = Object.hasOwn(columns, field) ? columns[field] : undefined;
    if (column === undefined || !['asc', 'desc'].includes(direction)) {
      const description = `'${part.trim()}' is not a field with :asc or :desc; fields: ${Object.keys(columns).join(', ')}`;
      throw new ProblemError(
        problem('invalid-request', `sort: ${description}`, {
          errors: [{ code: 'INVALID_SORT', field: 'sort', description }],
        }),
      );
    }
    // A column that always has a value is ordered plainly, since an index serves that order and no other.
    const nulls = is(column, Column) && column.notNull ? sql`` : sql` nulls last`;
    return direction === 'desc' ? sql`${column} desc${nulls}` : sql`${column} asc${nulls}`;
  });
}

/**
 * `"3"`, `"3-…"` (src/admin/entity-tags.ts), either with `W/`, or `*`; undefined header is accepted (contract section 6,
 * precondition-failed).
 */
export function checkIfMatch(header: string | undefined, version: number): void {
  if (header === undefined || header.trim() === '*') return;
  const versions = header.split(',').map((tag) => /^(?:W\/)?"(\d+)(?:-[\w-]+)?"$/.exec(tag.trim())?.[1]);
  if (!versions.includes(String(version))) {
    throw new ProblemError(
      problem('precondition-failed', `If-Match does not name the present version "${version}".`),
    );
  }
}

export const etag = (version: number): string => `"${version}"`;

export const invalidField = (field: string, description: string, code = 'INVALID_FIELD'): ProblemError =>
  new ProblemError(
    problem('invalid-request', `${field}: ${description}`, { errors: [{ code, field, description }] }),
  );

export const iso = (date: Date | null): string | null => date?.toISOString() ?? null;
