import type { Computer } from './inventory.ts';
import { type RenderContext, sections } from './inventory-sections.ts';
import { oddRecord, shownReportDate } from './oddities.ts';
import type { FieldKind, FieldValue } from './rsql.ts';

export type InventoryVersion = 1 | 2 | 3 | 4;

/** `11.30.1-t1784555528405` as major and minor. */
export function majorMinor(version: string): { major: number; minor: number } | undefined {
  const found = /^(\d+)\.(\d+)\.\d+(-t\d+)?$/.exec(version);
  return found ? { major: Number(found[1]), minor: Number(found[2]) } : undefined;
}

// v4 appears in 11.30 (domain/jamf.md 2.3); v2 and v3 are dated by when their predecessors were deprecated.
const firstMinorOf11: Readonly<Record<InventoryVersion, number>> = { 1: 0, 2: 18, 3: 22, 4: 30 };

/** True where a server of this version has this version of the inventory; v1 is as old as 10.x. */
export function servesInventory(serverVersion: string, version: InventoryVersion): boolean {
  const found = majorMinor(serverVersion);
  if (!found) return false;
  if (found.major !== 11) return found.major > 11 || version === 1;
  return found.minor >= firstMinorOf11[version];
}

/** The names `section=` takes in a version: 22, and PLUGINS and FONTS in v1. */
export function sectionNames(version: InventoryVersion): string[] {
  const names = Object.keys(sections);
  return version === 1 ? names : names.filter((name) => name !== 'PLUGINS' && name !== 'FONTS');
}

const without = (value: unknown, ...names: readonly string[]): unknown =>
  Object.fromEntries(Object.entries(Object(value)).filter(([name]) => !names.includes(name)));

/** Takes a section of v4 back to how an older version has it (domain/jamf.md 2.3, first table). */
function older(member: string, value: unknown, version: InventoryVersion): unknown {
  if (member === 'general' && version <= 3) {
    const entries = Object.entries(Object(value)).flatMap(([name, inner]): [string, unknown][] => {
      if (name === 'lastReportedIpV4')
        return [
          ['lastReportedIp', inner],
          [name, inner],
        ];
      if (name === 'lastCheckIn') return [['lastContactTime', inner]];
      return name === 'lastContact' ? [] : [[name, inner]];
    });
    return Object.fromEntries(entries);
  }
  if (member === 'applications' && version <= 2 && Array.isArray(value))
    return value.map((item) => without(item, 'cfBundleShortVersionString', 'cfBundleVersion'));
  return value;
}

/** A computer as this version shows it: sections not asked for are present and null. */
export function renderComputer(
  computer: Computer,
  options: { version: InventoryVersion; wanted: ReadonlySet<string>; context: RenderContext },
): Record<string, unknown> {
  const record: Record<string, unknown> = { id: String(computer.id), udid: computer.facts.udid };
  for (const name of sectionNames(options.version)) {
    const section = sections[name];
    if (!section) continue;
    record[section.member] = options.wanted.has(name)
      ? older(section.member, section.render(computer, options.context), options.version)
      : null;
  }
  return oddRecord(record, computer);
}

interface Field {
  readonly kind: FieldKind;
  readonly sortable: boolean;
  readonly read: (computer: Computer) => FieldValue;
  /** The versions that know the field; all when absent. */
  readonly versions?: readonly InventoryVersion[];
}

const text = (read: Field['read'], sortable = false): Field => ({ kind: 'text', sortable, read });
const flag = (read: Field['read']): Field => ({ kind: 'flag', sortable: false, read });
const date = (read: Field['read'], versions?: readonly InventoryVersion[]): Field => ({
  kind: 'instant',
  sortable: true,
  read,
  ...(versions ? { versions } : {}),
});
// The simulated Macs have nothing here, but the server knows the field.
const empty = (kind: FieldKind, sortable = false): Field => ({ kind, sortable, read: () => null });

const profileLifetimeMs = 730 * 86_400_000;

/** Fields of `filter` and `sort`, domain/jamf.md 2.3 ("Filter (RSQL) fields for v4"). */
const fields: Readonly<Record<string, Field>> = {
  id: { kind: 'number', sortable: true, read: (c) => c.id },
  udid: text((c) => c.facts.udid, true),
  'general.name': text((c) => c.facts.name, true),
  'general.assetTag': empty('text', true),
  'general.barcode1': empty('text'),
  'general.barcode2': empty('text'),
  'general.enrolledViaAutomatedDeviceEnrollment': flag(() => true),
  'general.lastIpAddress': text((c) => c.facts.ipAddress),
  'general.itunesStoreAccountActive': flag(() => false),
  'general.jamfBinaryVersion': empty('text', true),
  'general.lastCheckIn': date((c) => c.lastCheckIn, [4]),
  'general.lastContact': date((c) => c.lastCheckIn, [4]),
  'general.lastContactTime': date((c) => c.lastCheckIn, [1, 2, 3]),
  'general.lastEnrolledDate': date((c) => c.lastEnrolledDate),
  'general.lastCloudBackupDate': empty('instant', true),
  'general.reportDate': date(shownReportDate),
  'general.lastReportedIp': text((c) => c.facts.reportedIpAddress),
  'general.lastReportedIpV4': text((c) => c.facts.reportedIpAddress),
  'general.lastReportedIpV6': empty('text'),
  'general.managementId': text((c) => c.managementId),
  'general.remoteManagement.managed': flag((c) => c.managed),
  'general.mdmCapable.capable': flag(() => true),
  'general.mdmCertificateExpiration': date((c) => c.lastEnrolledDate + profileLifetimeMs),
  'general.platform': text(() => 'Mac', true),
  'general.supervised': flag(() => true),
  'general.userApprovedMdm': flag(() => true),
  'general.declarativeDeviceManagementEnabled': flag(() => true),
  'general.lastLoggedInUsernameSelfService': empty('text', true),
  'general.lastLoggedInUsernameSelfServiceTimestamp': empty('instant', true),
  'general.lastLoggedInUsernameBinary': text((c) => c.facts.username, true),
  'general.lastLoggedInUsernameBinaryTimestamp': date((c) => c.lastCheckIn),
  'general.lastLoggedInUsernameMdm': empty('text', true),
  'general.lastLoggedInUsernameMdmTimestamp': empty('instant', true),
  'hardware.bleCapable': flag(() => false),
  'hardware.macAddress': text((c) => c.facts.macAddress),
  'hardware.make': text(() => 'Apple', true),
  'hardware.model': text((c) => c.facts.model, true),
  'hardware.modelIdentifier': text((c) => c.facts.modelIdentifier),
  'hardware.serialNumber': text((c) => c.facts.serialNumber),
  'hardware.supportsIosAppInstalls': flag((c) => c.facts.appleSilicon),
  'hardware.appleSilicon': flag((c) => c.facts.appleSilicon),
  'operatingSystem.activeDirectoryStatus': text(() => 'Not Bound'),
  'operatingSystem.fileVault2Status': text((c) =>
    c.facts.fileVaultEnabled ? 'ALL_ENCRYPTED' : 'NOT_ENCRYPTED',
  ),
  'operatingSystem.build': text((c) => c.facts.osBuild, true),
  'operatingSystem.supplementalBuildVersion': text((c) => c.facts.osBuild, true),
  'operatingSystem.rapidSecurityResponse': empty('text', true),
  'operatingSystem.name': text(() => 'macOS', true),
  'operatingSystem.version': text((c) => c.facts.osVersion, true),
  'security.activationLockEnabled': flag(() => false),
  'security.recoveryLockEnabled': flag(() => false),
  'security.firewallEnabled': flag((c) => c.facts.firewallEnabled),
  'userAndLocation.buildingId': empty('text'),
  'userAndLocation.departmentId': empty('text'),
  'userAndLocation.email': text((c) => c.facts.email),
  'userAndLocation.realname': text((c) => c.facts.realName, true),
  'userAndLocation.phone': empty('text'),
  'userAndLocation.position': empty('text'),
  'userAndLocation.room': empty('text'),
  'userAndLocation.username': text((c) => c.facts.username),
  'diskEncryption.fileVault2Enabled': flag((c) => c.facts.fileVaultEnabled),
  'purchasing.appleCareId': empty('text'),
  'purchasing.lifeExpectancy': { kind: 'number', sortable: true, read: () => 0 },
  'purchasing.purchased': flag(() => true),
  'purchasing.leased': flag(() => false),
  'purchasing.vendor': empty('text'),
  'purchasing.warrantyDate': empty('instant', true),
};

/** The field of this name in this version, undefined when the version does not know it. */
export function inventoryField(name: string, version: InventoryVersion): Field | undefined {
  const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
  return field?.versions && !field.versions.includes(version) ? undefined : field;
}
