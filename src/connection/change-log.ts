/**
 * Changes in the line format of Jamf Pro's JAMFChangeManagement.log (domain/jamf.md 4.8; mission M18), so that the tools
 * that read that file read these too. Pure.
 */
import { oneLine } from '../telemetry/one-line.ts';

/** Field names as administrators see them, such as `Connection Type`, to values. Secrets do not belong here. */
export type ChangeFields = Readonly<Record<string, string | number | boolean | null>>;

export type LoggedChange = {
  readonly at: Date;
  /** Jamf Pro's habit for `id`: -1 for a person who signed in elsewhere, 0 for an API client. */
  readonly author: { readonly name: string; readonly id: number };
  /** Type of the object; default: a connection. */
  readonly objectType?: string;
  /** Written first whatever changed: which object it is. */
  readonly subject: ChangeFields;
} & (
  | { readonly action: 'CREATE'; readonly after: ChangeFields }
  | { readonly action: 'UPDATE'; readonly before: ChangeFields; readonly after: ChangeFields }
  /** Something was done that has a result and no before. */
  | { readonly action: 'READ' | 'UPDATE'; readonly before?: undefined; readonly after: ChangeFields }
  | { readonly action: 'DELETE'; readonly before: ChangeFields }
);

/** The name is Jamf Pro's (domain/jamf.md 4.8). */
export const connectionObjectType = 'Conditional Access';
/** Columns of the head line, as the captured lines have them. */
const threadColumns = 11;
const loggerColumns = 25;
/** The captured lists leave five columns after the longest name, or after ten. */
const shortestNameColumns = 10;
const gapColumns = 5;
const longestTextCharacters = 1024;

const inOneLine = (text: string): string => oneLine(text, longestTextCharacters);

/** Nor may a name close its bracket and add an action of its own. */
const bracketed = (text: string): string =>
  inOneLine(text)
    .replace(/[[\]]/g, (bracket) => (bracket === '[' ? '(' : ')'))
    .trim();

const valueText = (value: ChangeFields[string] | undefined): string =>
  value === undefined || value === null ? '' : inOneLine(String(value));

const withoutSubject = (
  fields: ChangeFields,
  subject: ChangeFields,
): readonly (readonly [string, string])[] =>
  Object.entries(fields)
    .filter(([name]) => !Object.hasOwn(subject, name))
    .map(([name, value]) => [name, valueText(value)]);

function changedFields(change: LoggedChange): readonly (readonly [string, string])[] {
  switch (change.action) {
    case 'CREATE':
    case 'READ':
      return withoutSubject(change.after, change.subject);
    case 'DELETE':
      return withoutSubject(change.before, change.subject);
    case 'UPDATE': {
      const { after, before, subject } = change;
      if (before === undefined) return withoutSubject(after, subject);
      return withoutSubject({ ...before, ...after }, subject)
        .map(([name]) => [name, valueText(before[name]), valueText(after[name])] as const)
        .filter(([, old, now]) => old !== now)
        .map(([name, old, now]) => [
          name,
          `${old === '' ? '(none)' : old} -> ${now === '' ? '(none)' : now}`,
        ]);
    }
  }
}

/** Every second name is led to its value by dots, as Jamf Pro does it. */
function fieldLine(name: string, value: string, position: number, columns: number): string {
  const lead =
    position % 2 === 1 ? `${name} ${'.'.repeat(columns - name.length - 2)} ` : name.padEnd(columns);
  return `\t${lead}${value}`;
}

/**
 * One entry: a head line, then a line for each field of the subject and each that changed (of an update, `before ->
 * after`). Times are UTC. No line break at the end.
 */
export function changeLogEntry(change: LoggedChange): string {
  const instant = change.at.toISOString().slice(0, -1);
  const thread = 'espalier'.padEnd(threadColumns);
  const author = `${bracketed(change.author.name)} (ID: ${change.author.id})`;
  const head =
    `[CHANGEMANAGEMENT] ${instant.replace('.', ',')} [INFO ] [${thread}] [${'file'.padEnd(loggerColumns)}] - ` +
    `[${author}] [${change.action}] [${bracketed(change.objectType ?? connectionObjectType)}] [${instant}+0000]`;
  const subject = Object.entries(change.subject).map(([name, value]) => [name, valueText(value)] as const);
  const fields = [...subject, ...changedFields(change)].map(
    ([name, value]) => [inOneLine(name).trim(), value] as const,
  );
  const columns = Math.max(shortestNameColumns, ...fields.map(([name]) => name.length)) + gapColumns;
  return [head, ...fields.map(([name, value], at) => fieldLine(name, value, at, columns))].join('\n');
}
