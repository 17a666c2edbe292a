import { isRecord } from '../untrusted/bounded-json.ts';
import { type Registration, readRegistrations } from './registrations.ts';
import {
  createWarnings,
  type FieldError,
  isAbsent,
  readBoolean,
  readComputerId,
  readScalarText,
  readTimestamp,
  type Warn,
} from './wire-values.ts';

/** A Jamf computer group that the computer is in. */
export interface ComputerGroup {
  /** Empty where only the name could be read. */
  readonly groupId: string;
  readonly name: string | undefined;
  readonly smart: boolean | undefined;
}

/** The part of a computer's inventory record that Espalier keeps. */
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
  /** False when an account could not be read: a registration that is not among them has not ended for that. */
  readonly registrationsComplete: boolean;
  /** `undefined` when the record came without its group section. */
  readonly groups: readonly ComputerGroup[] | undefined;
  /** False when a group could not be read: that one is not among them says nothing then. */
  readonly groupsComplete: boolean;
}

export type ComputerResult =
  | { readonly ok: true; readonly computer: JamfComputer; readonly warnings: readonly FieldError[] }
  | { readonly ok: false; readonly errors: readonly FieldError[] };

type Section = Readonly<Record<string, unknown>>;

/**
 * Reads one record as `computers-inventory-detail` gives it in v1 to v4 (domain/jamf.md 2.3); sections and members may
 * be absent or `null`. Only the id and the form of `localUserAccounts` are required (contract section 11): any other
 * member in another form than expected reads as absent and is named in `warnings`, so that no Mac is lost for it. Never
 * throws.
 */
export function parseComputer(record: unknown): ComputerResult {
  if (!isRecord(record)) {
    return {
      ok: false,
      errors: [{ code: 'MALFORMED', field: '', description: 'A record must be an object.' }],
    };
  }
  const { list: warnings, warn } = createWarnings();
  const read = memberReader(record, warn);
  const jamfComputerId = readComputerId(record.id);
  const accounts = accountsOf(record.localUserAccounts);
  const errors = [
    ...(jamfComputerId === undefined ? [idError(record.id)] : []),
    ...(accounts === 'unreadable' ? [accountsError] : []),
  ];
  if (jamfComputerId === undefined || accounts === 'unreadable') return { ok: false, errors };
  const registrations = readRegistrations(accounts ?? [], warn);
  const groups = readGroups(read.list('groupMemberships'), warn);
  const computer: JamfComputer = {
    jamfComputerId,
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
    registrations: registrations.list,
    registrationsReported: accounts !== undefined,
    registrationsComplete: registrations.complete,
    groups: groups?.list,
    groupsComplete: groups?.complete ?? false,
  };
  return { ok: true, computer, warnings };
}

function idError(id: unknown): FieldError {
  return isAbsent(id)
    ? { code: 'REQUIRED', field: 'id', description: 'id is missing.' }
    : { code: 'INVALID', field: 'id', description: 'id must be a positive integer up to 2147483647.' };
}

const accountsError: FieldError = {
  code: 'INVALID',
  field: 'localUserAccounts',
  description: 'localUserAccounts must be a list.',
};

/** The accounts, or a single one that stands without a list; undefined where the section was not asked for. */
function accountsOf(value: unknown): readonly unknown[] | undefined | 'unreadable' {
  if (isAbsent(value)) return undefined;
  if (Array.isArray(value)) return value;
  return isRecord(value) && 'computerAzureActiveDirectoryId' in value ? [value] : 'unreadable';
}

/** Readers of members by path; what is absent reads `undefined`, and so does what is wrong, with a warning. */
function memberReader(record: Section, warn: Warn) {
  const member = (path: string): unknown => {
    const names = path.split('.');
    let value: unknown = record;
    for (const [depth, name] of names.entries()) {
      if (isAbsent(value)) return undefined;
      if (!isRecord(value)) return warn(names.slice(0, depth).join('.'), 'be an object');
      value = value[name];
    }
    return value;
  };
  const reader =
    <Value>(read: (value: unknown) => Value | undefined, expected: string) =>
    (path: string): Value | undefined => {
      const value = member(path);
      if (isAbsent(value)) return undefined;
      const known = read(value);
      if (known === undefined) warn(path, expected);
      return known;
    };
  return {
    text: reader(readScalarText, 'be text'),
    timestamp: reader(readTimestamp, 'be an ISO 8601 date and time'),
    boolean: reader(readBoolean, 'be a boolean'),
    list: reader<readonly unknown[]>((value) => (Array.isArray(value) ? value : undefined), 'be a list'),
  };
}

/** A group without an id is known by its name. One that could not be read as a whole makes the list incomplete. */
function readGroups(
  groups: readonly unknown[] | undefined,
  warn: Warn,
): { readonly list: readonly ComputerGroup[]; readonly complete: boolean } | undefined {
  if (groups === undefined) return undefined;
  const list: ComputerGroup[] = [];
  let complete = true;
  for (const [position, group] of groups.entries()) {
    const wrong = (member: string, expected: string): void => {
      complete = false;
      warn(`groupMemberships[${position}]${member}`, expected);
    };
    if (!isRecord(group)) {
      wrong('', 'be an object');
      continue;
    }
    const groupId = readComputerId(group.groupId);
    const name = readScalarText(group.groupName);
    const smart = readBoolean(group.smartGroup);
    if (groupId === undefined && (name === undefined || !isAbsent(group.groupId))) {
      wrong('.groupId', 'be a positive integer');
    }
    if (name === undefined && !isAbsent(group.groupName)) wrong('.groupName', 'be text');
    if (smart === undefined && !isAbsent(group.smartGroup)) {
      warn(`groupMemberships[${position}].smartGroup`, 'be a boolean');
    }
    if (groupId !== undefined || name !== undefined) list.push({ groupId: groupId ?? '', name, smart });
  }
  return { list, complete };
}
