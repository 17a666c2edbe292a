import { isRecord } from '../untrusted/bounded-json.ts';
import { isAbsent, readGuid, readScalarText, readText, type Warn } from './wire-values.ts';

const states = ['ACTIVATED', 'DEACTIVATED', 'UNRESPONSIVE', 'UNKNOWN'] as const;

/** Jamf's Conditional Access Inventory State of one account (domain/jamf.md 4.6). */
export type RegistrationState = (typeof states)[number];

/** One Entra registration of a Mac, made by one of its local users. */
export interface Registration {
  /** Entra device id, lower case. */
  readonly deviceId: string;
  /** Entra object id of the user, lower case. */
  readonly userId: string | undefined;
  readonly username: string | undefined;
  readonly state: RegistrationState | undefined;
}

/**
 * Registrations taken of one Mac: each takes a lock for the length of a transaction. A Mac of a classroom has some dozens.
 */
const registrationsMax = 100;

export interface Registrations {
  readonly list: readonly Registration[];
  /** False when an account could not be read: what is not in the list may be registered all the same. */
  readonly complete: boolean;
}

/**
 * The Entra registrations among `localUserAccounts`. The members' names mislead (domain/jamf.md 2.3):
 * `computerAzureActiveDirectoryId` is the device id, `userAzureActiveDirectoryId` the user's object id and
 * `azureActiveDirectoryId` the state. Accounts that share a device id count once, as the first activated one.
 * Malformed members are told to `warn`; an account without a usable device id is left out.
 */
export function readRegistrations(accounts: readonly unknown[], warn: Warn): Registrations {
  const byDevice = new Map<string, Registration>();
  let complete = true;
  for (const [position, account] of accounts.entries()) {
    const registration = readRegistration(account, `localUserAccounts[${position}]`, warn);
    if (registration === 'unreadable') complete = false;
    if (registration === 'none' || registration === 'unreadable') continue;
    const earlier = byDevice.get(registration.deviceId);
    if (!earlier || (earlier.state !== 'ACTIVATED' && registration.state === 'ACTIVATED')) {
      byDevice.set(registration.deviceId, registration);
    }
  }
  const all = [...byDevice.values()];
  if (all.length <= registrationsMax) return { list: all, complete };
  warn('localUserAccounts', `hold ${registrationsMax} Entra registrations at most, and holds ${all.length}`);
  const isActivated = ({ state }: Registration): boolean => state === 'ACTIVATED';
  const first = [...all.filter(isActivated), ...all.filter((one) => !isActivated(one))];
  return { list: first.slice(0, registrationsMax), complete: false };
}

function readRegistration(account: unknown, path: string, warn: Warn): Registration | 'none' | 'unreadable' {
  if (!isRecord(account)) {
    warn(path, 'be an object');
    return 'unreadable';
  }
  const device = account.computerAzureActiveDirectoryId;
  // An account that never registered has all three members null.
  if (isAbsent(device)) return 'none';
  const deviceId = readGuid(device);
  if (deviceId === undefined) {
    warn(`${path}.computerAzureActiveDirectoryId`, 'be a GUID');
    return 'unreadable';
  }
  const user = account.userAzureActiveDirectoryId;
  const userId = readGuid(user);
  if (userId === undefined && !isAbsent(user)) warn(`${path}.userAzureActiveDirectoryId`, 'be a GUID');
  const state = readState(account.azureActiveDirectoryId);
  if (state === undefined && !isAbsent(account.azureActiveDirectoryId)) {
    warn(`${path}.azureActiveDirectoryId`, `be one of ${states.join(', ')}`);
  }
  const username = readScalarText(account.username);
  if (username === undefined && !isAbsent(account.username)) warn(`${path}.username`, 'be text');
  return { deviceId, userId, username, state };
}

function readState(value: unknown): RegistrationState | undefined {
  const name = readText(value)?.toUpperCase();
  return states.find((state) => state === name);
}
