import {
  type ChangeFields,
  changeLogEntry,
  connectionObjectType,
  type LoggedChange,
} from '../../connection/change-log.ts';
import { type HistoryRow, noTenant } from '../../store/history.ts';

/** Entries of the history as lines of JAMFChangeManagement.log (domain/jamf.md 4.8). Pure. */

/** Jamf Pro's own word is known of connections only; the others have plain names. */
const objectTypes: Readonly<Record<string, string>> = {
  connection: connectionObjectType,
  tenant: 'Tenant',
  instance: 'Jamf Pro Instance',
  'instance-key': 'Instance Key',
  device: 'Device Route',
  routes: 'Device Routes',
  move: 'Device Move',
  reports: 'Reports',
  key: 'API Key',
};

const words = (name: string): string => {
  const spaced = name.replaceAll('-', ' ').replace(/([a-z\d])([A-Z])/g, '$1 $2');
  return spaced
    .split(' ')
    .map((word) =>
      /^(url|id|udid)$/i.test(word) ? word.toUpperCase() : `${word.charAt(0).toUpperCase()}${word.slice(1)}`,
    )
    .join(' ');
};

function fieldsOf(json: string | null): ChangeFields | undefined {
  if (json === null) return undefined;
  const value: unknown = JSON.parse(json);
  const members = value !== null && typeof value === 'object' && !Array.isArray(value) ? value : { value };
  return Object.fromEntries(
    Object.entries(members).map(([name, member]) => [
      words(name),
      member === null || ['string', 'number', 'boolean'].includes(typeof member)
        ? (member as ChangeFields[string])
        : JSON.stringify(member),
    ]),
  );
}

/** Translates an action into one of Jamf Pro's four words. */
function changeOf(row: HistoryRow) {
  const before = fieldsOf(row.before);
  const after = fieldsOf(row.after) ?? {};
  const verb = row.action.slice(row.action.lastIndexOf('.') + 1);
  if (verb === 'create') return { action: 'CREATE', after } as const;
  if (verb === 'delete') return { action: 'DELETE', before: before ?? {} } as const;
  if (verb === 'test') return { action: 'READ', after } as const;
  return before === undefined
    ? ({ action: 'UPDATE', after } as const)
    : ({ action: 'UPDATE', before, after } as const);
}

/** Head line and fields, without a line break at the end. */
export function changeLines(row: HistoryRow): string {
  const subject: ChangeFields = {
    ID: row.objectId,
    ...(row.objectName === null ? {} : { Name: row.objectName }),
    ...(row.tenantId === noTenant || row.tenantId === row.objectId ? {} : { Tenant: row.tenantId }),
    Event: row.action,
    ...(row.reason === null ? {} : { Reason: row.reason }),
    ...(row.approvedBy === null ? {} : { 'Approved By': row.approvedBy }),
  };
  const change: LoggedChange = {
    at: row.recordedAt,
    // Jamf Pro writes -1 for who signed in elsewhere, and 0 for an API client.
    author: { name: row.author, id: row.authorKind === 'user' ? -1 : 0 },
    objectType: objectTypes[row.objectKind] ?? words(row.objectKind),
    subject,
    ...changeOf(row),
  };
  return changeLogEntry(change);
}
