type WireType = 'string' | 'boolean' | 'integer' | 'string or integer';

/** domain/microsoft.md 6.1: what Intune's own policy judges in `conditional-access` mode. */
const complianceAttributes: Readonly<Record<string, WireType>> = {
  Encrypted: 'boolean',
  Gatekeeper: 'string',
  SIP: 'string',
  PreventAutoLogin: 'boolean',
  PasswordExpirationDays: 'string',
  PasswordType: 'string',
  MinimumPasswordCharSets: 'string',
  PasscodeLength: 'string',
  PasswordHistoryLength: 'string',
};

/** domain/microsoft.md 6.2. */
const inventoryAttributes: Readonly<Record<string, WireType>> = {
  CPUArchitecture: 'string',
  RAMOpenSlots: 'integer',
  BatteryCapacity: 'string',
  BootROM: 'string',
  BusSpeed: 'string',
  CacheSize: 'string',
  DeviceName: 'string',
  ADDomainJoined: 'string',
  JamfId: 'integer',
  // A string in one source, a number in the other (4.4).
  State: 'string or integer',
  MACAddress: 'string',
  Vendor: 'string',
  Model: 'string',
  ModelId: 'string',
  NICSpeed: 'string',
  CPUCoreCount: 'integer',
  CPUCount: 'integer',
  Os: 'string',
  OsVersion: 'string',
  Platform: 'string',
  CPUSpeed: 'string',
  CPUType: 'string',
  MACAddress2: 'string',
  SerialNumber: 'string',
  SMCVersion: 'string',
  RAM: 'string',
  UDID: 'string',
  UPN: 'string',
  LastCheckInTime: 'string',
};

const everyAttribute = { ...inventoryAttributes, ...complianceAttributes };

function fits(value: unknown, type: WireType): boolean {
  switch (type) {
    case 'string':
    case 'boolean':
      return typeof value === type;
    case 'integer':
      return Number.isInteger(value);
    case 'string or integer':
      return typeof value === 'string' || Number.isInteger(value);
  }
}

/** The attributes of section 6 whose value has the type that Intune expects; all else is as if it were not there. */
export const readAttributes = (entity: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(everyAttribute)
      .filter(([name, type]) => fits(entity[name], type))
      .map(([name]) => [name, entity[name]]),
  );

/** True where every attribute that a policy judges is there: the entity may be sent only then (6.1). */
export const isCompleteCompliance = (attributes: Readonly<Record<string, unknown>>): boolean =>
  Object.keys(complianceAttributes).every((name) => Object.hasOwn(attributes, name));
