/**
 * What a migration may not do to a database that is being worked on: hold a lock on a large table for as long as its
 * rows take, or take away what the processes of the version before still use.
 */

/** Tables whose rows grow with devices, events or history: minutes under a lock there stop the fleet. */
export const largeTables: ReadonlySet<string> = new Set([
  'change_feed',
  'claim_history',
  'claims',
  'computers',
  'delivery_counts',
  'device_links',
  'directory_changes',
  'directory_devices',
  'history',
  'move_devices',
  'named_computers',
  'report_count_changes',
  'reports',
  'route_changes',
  'routes',
  'schedules',
  'timeline',
]);

/** Migrations up to this one were made before there was a release, so no process of a version before them runs. */
const newestBeforeReleases = 28;

const split = '--> statement-breakpoint';
const word = `"?([a-z_][a-z0-9_]*)"?`;

/** A table of an older migration, or one that grows: the two things that a rule may ask for. */
interface Told {
  readonly existing: (table: string | undefined) => boolean;
  readonly large: (table: string | undefined) => boolean;
}

type Rule = (statement: string, told: Told) => string | undefined;

const tableIn = (pattern: string, statement: string): string | undefined =>
  new RegExp(pattern, 'i').exec(statement)?.[1];

const altered = (statement: string): string | undefined =>
  tableIn(`^alter table (?:if exists )?(?:only )?${word}`, statement);

const rules: readonly Rule[] = [
  (statement, { large }) =>
    large(tableIn(`^create (?:unique )?index (?!concurrently)[^(]*? on (?:only )?${word}`, statement))
      ? 'holds writers off while it reads a large table: CREATE INDEX CONCURRENTLY, in a migration of its own'
      : undefined,
  (statement) =>
    /^drop index (?!concurrently)/i.test(statement)
      ? 'waits for every reader with all others behind it: DROP INDEX CONCURRENTLY, in a migration of its own'
      : undefined,
  (statement) =>
    /^create (?:unique )?index concurrently (?:if not exists|on )/i.test(statement)
      ? 'must name its index, without IF NOT EXISTS: one that was left half built would count as built'
      : undefined,
  (statement, { large }) =>
    /\badd constraint .*\b(?:foreign key|check)\b/i.test(statement) &&
    !/\bnot valid\b/i.test(statement) &&
    large(altered(statement))
      ? 'reads a large table under its lock: NOT VALID, and VALIDATE CONSTRAINT in a later migration'
      : undefined,
  (statement, { large }) =>
    /\badd constraint .*\b(?:primary key|unique)\b(?!.*\busing index\b)/i.test(statement) &&
    large(altered(statement))
      ? 'builds an index under the strongest lock: CREATE UNIQUE INDEX CONCURRENTLY first, then USING INDEX'
      : undefined,
  (statement, { large }) =>
    /\badd column .*(?:\bgenerated always as \(|\bdefault \(?(?:clock_timestamp|gen_random_uuid|random|nextval)\b)/i.test(
      statement,
    ) && large(altered(statement))
      ? 'writes a large table anew under its lock: add it without the value, and fill it in the background'
      : undefined,
  (statement, { large }) =>
    large(tableIn(`^(?:update|delete from) (?:only )?${word}`, statement))
      ? 'changes all rows of a large table in one transaction: its owner in src/store does it in batches'
      : undefined,
  (statement, { existing }) =>
    /\badd column .*\bnot null\b/i.test(statement) &&
    !/\bdefault\b|\bgenerated\b/i.test(statement) &&
    existing(altered(statement))
      ? 'asks the version before for a value that it does not know: give the column a default'
      : undefined,
  (statement, { existing }) =>
    /^alter table .*\b(?:drop column|rename|set not null|alter column .* type)\b/i.test(statement) &&
    existing(altered(statement))
      ? 'takes away what the version before uses'
      : undefined,
  (statement, { existing }) =>
    existing(tableIn(`^drop table (?:if exists )?${word}`, statement)) ||
    /^drop (?:sequence|view|type)\b/i.test(statement)
      ? 'takes away what the version before uses'
      : undefined,
];

/** Says that the last release does without what the next statement takes away; it names the release. */
const contracts = /^--\s*contract:.*\b\d+\.\d+\.\d+\b/im;

const withoutComments = (statement: string): string =>
  statement
    .replace(/--[^\n]*/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();

const isConcurrent = (statement: string): boolean =>
  /^(?:create (?:unique )?index|drop index) concurrently\b/i.test(statement);

function faultsOf(text: string): string[] {
  const parts = text.split(split).flatMap((part) => {
    const statement = withoutComments(part);
    return statement === '' ? [] : [{ statement, isContract: contracts.test(part) }];
  });
  const made = new Set(
    parts.map(({ statement }) => tableIn(`^create table (?:if not exists )?${word}`, statement)),
  );
  const existing = (table: string | undefined): boolean => table !== undefined && !made.has(table);
  const large = (table: string | undefined): boolean =>
    table !== undefined && existing(table) && largeTables.has(table);
  const found = parts.flatMap(({ isContract, statement }) =>
    rules.flatMap((rule) => {
      const reason = rule(statement, { existing, large });
      if (reason === undefined) return [];
      const takesAway = reason.startsWith('takes away');
      if (takesAway && isContract) return [];
      const remedy = takesAway
        ? ': leave it for a release, then write "-- contract: <release> does without it" before the statement'
        : '';
      return [`${statement.slice(0, 60)}: ${reason}${remedy}`];
    }),
  );
  const concurrent = parts.filter(({ statement }) => isConcurrent(statement)).length;
  return concurrent > 0 && concurrent < parts.length
    ? [
        ...found,
        'indexes that are built concurrently are in a migration of their own: they cannot be undone with the rest',
      ]
    : found;
}

/** One line a fault. The files are migrations by name, such as `0029_name.sql`. */
export const checkLivingDatabase = (files: ReadonlyMap<string, string>): string[] =>
  [...files]
    .filter(([name]) => Number.parseInt(name, 10) > newestBeforeReleases)
    .flatMap(([name, text]) => faultsOf(text).map((fault) => `migrations/${name}: ${fault}`));
