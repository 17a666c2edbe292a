import { type Registration, readRegistrations } from './registrations.ts';
import {
  type FieldError,
  isAbsent,
  isRecord,
  readComputerId,
  readText,
  readTimestamp,
} from './wire-values.ts';

/** A Jamf computer group that the computer is in. */
export interface ComputerGroup {
  readonly groupId: string;
  readonly name: string | undefined;
  readonly smart: boolean | undefined;
}

/** What Espalier keeps of a computer's inventory record. */
export interface JamfComputer {
  readonly jamfComputerId: string;
  readonly udid: string | undefined;
  readonly serialNumber: string | undefined;
  readonly name: string | undefined;
  /** `general.reportDate`: when the Mac last sent inventory. */
  readonly reportedAt: Date | undefined;
  readonly lastCheckInAt: Date | undefined;
  readonly lastEnrolledAt: Date | undefined;
  readonly managed: boolean | undefined;
  readonly osName: string | undefined;
  readonly osVersion: string | undefined;
  readonly model: string | undefined;
  /** One per Entra device id, from the local user accounts. */
  readonly registrations: readonly Registration[];
  /** False when the record came without its accounts section: no registrations then means "not told". */
  readonly registrationsReported: boolean;
  /** `undefined` when the record came without its group section. */
  readonly groups: readonly ComputerGroup[] | undefined;
}

export type ComputerResult =
  | { readonly ok: true; readonly computer: JamfComputer; readonly warnings: readonly FieldError[] }
  | { readonly ok: false; readonly errors: readonly FieldError[] };

type Section = Readonly<Record<string, unknown>>;

/**
 * Reads one record as `computers-inventory-detail` gives it in v1 to v4 (domain/jamf.md 2.3); sections and members may
 * be absent or `null`. A member of the wrong type is an error, save in a single account or group: that one is left
 * out and named in `warnings`. Never throws.
 */
export function parseComputer(record: unknown): ComputerResult {
  if (!isRecord(record)) {
    return {
      ok: false,
      errors: [{ code: 'MALFORMED', field: '', description: 'A record must be an object.' }],
    };
  }
  const errors: FieldError[] = [];
  const warnings: FieldError[] = [];
  const read = memberReader(record, errors);
  const jamfComputerId = readComputerId(record.id);
  if (jamfComputerId === undefined) errors.push(idError(record.id));
  const accounts = read.list('localUserAccounts');
  const groups = read.list('groupMemberships');
  const computer = {
    udid: read.text('udid'),
    serialNumber: read.text('hardware.serialNumber'),
    name: read.text('general.name'),
    reportedAt: read.timestamp('general.reportDate'),
    // v4 splits the `lastContactTime` of v1 to v3 into `lastCheckIn` and `lastContact`.
    lastCheckInAt:
      read.timestamp('general.lastCheckIn') ??
      read.timestamp('general.lastContact') ??
      read.timestamp('general.lastContactTime'),
    lastEnrolledAt: read.timestamp('general.lastEnrolledDate'),
    managed: read.boolean('general.remoteManagement.managed'),
    osName: read.text('operatingSystem.name'),
    osVersion: read.text('operatingSystem.version'),
    model: read.text('hardware.model'),
    registrations: readRegistrations(accounts ?? [], warnings),
    registrationsReported: accounts !== undefined,
    groups: groups && readGroups(groups, warnings),
  };
  if (jamfComputerId === undefined || errors.length > 0) return { ok: false, errors };
  return { ok: true, computer: { jamfComputerId, ...computer }, warnings };
}

function idError(id: unknown): FieldError {
  return isAbsent(id)
    ? { code: 'REQUIRED', field: 'id', description: 'id is missing.' }
    : { code: 'INVALID', field: 'id', description: 'id must be a positive integer up to 2147483647.' };
}

/** Readers of members by path; what is absent reads `undefined`, what is wrong is added to `errors` by its path. */
function memberReader(record: Section, errors: FieldError[]) {
  const wrong = (field: string, expected: string): undefined => {
    if (!errors.some((error) => error.field === field)) {
      errors.push({ code: 'INVALID', field, description: `${field} must be ${expected}.` });
    }
    return undefined;
  };
  const member = (path: string): unknown => {
    const names = path.split('.');
    let value: unknown = record;
    for (const [depth, name] of names.entries()) {
      if (value === undefined || value === null) return undefined;
      if (!isRecord(value)) return wrong(names.slice(0, depth).join('.'), 'an object');
      value = value[name];
    }
    return value;
  };
  return {
    text: (path: string): string | undefined => {
      const value = member(path);
      if (isAbsent(value)) return undefined;
      return typeof value === 'string' ? readText(value) : wrong(path, 'text');
    },
    timestamp: (path: string): Date | undefined => {
      const value = member(path);
      if (isAbsent(value)) return undefined;
      return readTimestamp(value) ?? wrong(path, 'an ISO 8601 date and time with a time zone');
    },
    boolean: (path: string): boolean | undefined => {
      const value = member(path);
      if (isAbsent(value)) return undefined;
      return typeof value === 'boolean' ? value : wrong(path, 'a boolean');
    },
    list: (path: string): readonly unknown[] | undefined => {
      const value = member(path);
      if (value === undefined || value === null) return undefined;
      return Array.isArray(value) ? value : wrong(path, 'a list');
    },
  };
}

function readGroups(groups: readonly unknown[], warnings: FieldError[]): readonly ComputerGroup[] {
  const read: ComputerGroup[] = [];
  for (const [position, group] of groups.entries()) {
    const groupId = isRecord(group) ? readComputerId(group.groupId) : undefined;
    if (!isRecord(group) || groupId === undefined) {
      const field = `groupMemberships[${position}].groupId`;
      warnings.push({ code: 'INVALID', field, description: `${field} must be a positive integer.` });
      continue;
    }
    const smart = typeof group.smartGroup === 'boolean' ? group.smartGroup : undefined;
    read.push({ groupId, name: readText(group.groupName), smart });
  }
  return read;
}
