import { type FieldError, isAbsent, isRecord, readGuid, readText } from './wire-values.ts';

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
 * The Entra registrations among `localUserAccounts`. The members' names mislead (domain/jamf.md 2.3):
 * `computerAzureActiveDirectoryId` is the device id, `userAzureActiveDirectoryId` the user's object id and
 * `azureActiveDirectoryId` the state. Accounts that share a device id count once, as the first activated one.
 * Malformed members are added to `warnings`; an account without a usable device id is left out.
 */
export function readRegistrations(
  accounts: readonly unknown[],
  warnings: FieldError[],
): readonly Registration[] {
  const byDevice = new Map<string, Registration>();
  for (const [position, account] of accounts.entries()) {
    const registration = readRegistration(account, `localUserAccounts[${position}]`, warnings);
    if (!registration) continue;
    const earlier = byDevice.get(registration.deviceId);
    if (!earlier || (earlier.state !== 'ACTIVATED' && registration.state === 'ACTIVATED')) {
      byDevice.set(registration.deviceId, registration);
    }
  }
  return [...byDevice.values()];
}

function readRegistration(account: unknown, path: string, warnings: FieldError[]): Registration | undefined {
  const warn = (field: string, expected: string): undefined => {
    warnings.push({ code: 'INVALID', field, description: `${field} must be ${expected}.` });
    return undefined;
  };
  if (!isRecord(account)) return warn(path, 'an object');
  const device = account.computerAzureActiveDirectoryId;
  // An account that never registered has all three members null.
  if (isAbsent(device)) return undefined;
  const deviceId = readGuid(device);
  if (deviceId === undefined) return warn(`${path}.computerAzureActiveDirectoryId`, 'a GUID');
  const user = account.userAzureActiveDirectoryId;
  const state = account.azureActiveDirectoryId;
  return {
    deviceId,
    userId: isAbsent(user)
      ? undefined
      : (readGuid(user) ?? warn(`${path}.userAzureActiveDirectoryId`, 'a GUID')),
    username: readText(account.username),
    state: isAbsent(state)
      ? undefined
      : (readState(state) ?? warn(`${path}.azureActiveDirectoryId`, `one of ${states.join(', ')}`)),
  };
}

function readState(value: unknown): RegistrationState | undefined {
  const name = readText(value)?.toUpperCase();
  return states.find((state) => state === name);
}
