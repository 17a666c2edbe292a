import type { AnyColumn, SQLWrapper } from 'drizzle-orm';

/** A resource lists here the fields that its filters may name; each becomes a column. */

interface Column {
  /** Column from code, never from a request. */
  readonly column: SQLWrapper;
}

export type FilterField =
  | (Column & { readonly type: 'uuid' | 'timestamp' | 'boolean' | 'integer' })
  /** A list of words: a value is compared with each of them, and one that is equal suffices. */
  | (Column & { readonly type: 'words' })
  /** `*` stands for any text in `==` and `!=`, where the field allows it. */
  | (Column & { readonly type: 'text'; readonly wildcards?: true })
  | (Column & {
      readonly type: 'enum';
      readonly values: readonly string[];
      /** Column that is never null with this value: named in the query, so that a partial index serves it. */
      readonly present?: Readonly<Record<string, AnyColumn>>;
    });

export type FilterFields = Readonly<Record<string, FilterField>>;
