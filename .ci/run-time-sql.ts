import type { Known, Value } from './resolve.ts';

/**
 * Where the text of a statement depends on what a caller asks for, and what stands there while it is prepared. Sorting
 * takes every column that may be sorted by at once.
 */

const sql = (text: string): Value => ({ kind: 'sql', text });

export const runTimeSql: Known = new Map<string, (args: readonly Value[]) => Value>([
  ['parseSort', ([, columns]) => columns ?? sql('')],
  [
    'orderBy',
    ([columns]) => {
      if (columns?.kind !== 'object') return { kind: 'run-time', key: 'orderBy' };
      const names = [...columns.members.values()].map((value) => value());
      const text = names.map((each) => (each.kind === 'text' ? `${each.text} nulls last` : 'unknown_text'));
      return { kind: 'text', text: text.join(', ') };
    },
  ],
  // The condition of a filter takes its columns from the list of the resource.
  ['conditionSql', () => sql('true')],
]);

/** Files whose SQL is made of what only run time knows, with the reason. */
export const readAtRunTime: Readonly<Record<string, string>> = {
  'src/admin/filter-sql.ts': 'the columns are those of the filter that was sent',
  'src/routing/preload.ts': "a COPY takes no parameters, so the tenant's id is part of its text",
  'src/runtime/node-migrate.ts': 'the journal of migrations may lie in any schema',
  'src/store/migration-journal.ts': 'the journal of migrations may lie in any schema',
};
