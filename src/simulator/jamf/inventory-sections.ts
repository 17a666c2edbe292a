import { dayMs } from '../clock.ts';
import { instant } from './answers.ts';
import type { ComputerGroup } from './groups.ts';
import type { Computer, LocalAccount } from './inventory.ts';
import { shownReportDate } from './oddities.ts';

type Wire = Readonly<Record<string, unknown>>;

/** The parts of a record besides the computer: the server's version and groups. */
export interface RenderContext {
  readonly version: string;
  readonly groups: readonly ComputerGroup[];
}

// -1 is the server's "unknown" for sizes, as captured for Apple silicon Macs (domain/jamf.md 2.3).
const unknownSize = -1;

function general(shown: Computer, { version }: RenderContext): Wire {
  const { facts, ...computer } = shown;
  const reportDate = shownReportDate(shown);
  return {
    name: facts.name,
    lastIpAddress: facts.ipAddress,
    lastReportedIpV4: facts.reportedIpAddress,
    lastReportedIpV6: null,
    jamfBinaryVersion: version,
    platform: 'Mac',
    barcode1: null,
    barcode2: null,
    assetTag: null,
    remoteManagement: { managed: computer.managed, managementUsername: null },
    supervised: true,
    mdmCapable: {
      capable: true,
      capableUsers: [facts.username],
      userManagementInfo: [{ capableUser: facts.username, managementId: computer.managementId }],
    },
    reportDate: reportDate === null ? null : instant(reportDate),
    lastCheckIn: instant(computer.lastCheckIn),
    lastContact: instant(computer.lastCheckIn),
    lastCloudBackupDate: null,
    lastEnrolledDate: instant(computer.lastEnrolledDate),
    mdmProfileExpiration: instant(Math.floor(computer.lastEnrolledDate / 1000) * 1000 + 730 * dayMs),
    initialEntryDate: new Date(computer.initialEntryDate).toISOString().slice(0, 10),
    distributionPoint: null,
    site: { id: '-1', name: 'None' },
    itunesStoreAccountActive: false,
    enrolledViaAutomatedDeviceEnrollment: true,
    userApprovedMdm: true,
    enrollmentMethod: {
      id: '1',
      objectName: 'Automated Device Enrollment',
      objectType: 'PreStage enrollment',
    },
    declarativeDeviceManagementEnabled: true,
    managementId: computer.managementId,
    lastLoggedInUsernameSelfService: null,
    lastLoggedInUsernameSelfServiceTimestamp: null,
    lastLoggedInUsernameBinary: facts.username,
    lastLoggedInUsernameBinaryTimestamp: instant(computer.lastCheckIn),
    extensionAttributes: [],
  };
}

function diskEncryption({ facts }: Computer): Wire {
  return {
    bootPartitionEncryptionDetails: {
      partitionName: 'Macintosh HD (Boot Partition)',
      partitionFileVault2State: facts.fileVaultEnabled ? 'ENCRYPTED' : 'UNENCRYPTED',
      partitionFileVault2Percent: facts.fileVaultEnabled ? 100 : 0,
    },
    individualRecoveryKeyValidityStatus: facts.fileVaultEnabled ? 'VALID' : 'NOT_APPLICABLE',
    institutionalRecoveryKeyPresent: false,
    diskEncryptionConfigurationName: null,
    fileVault2Enabled: facts.fileVaultEnabled,
    fileVault2EnabledUserNames: facts.fileVaultEnabled
      ? facts.accounts.map((account) => account.username)
      : [],
    fileVault2EligibilityMessage: 'Eligible',
  };
}

const purchasing = (): Wire => ({
  leased: false,
  purchased: true,
  poNumber: null,
  poDate: null,
  vendor: null,
  warrantyDate: null,
  appleCareId: null,
  leaseDate: null,
  purchasePrice: null,
  lifeExpectancy: 0,
  purchasingAccount: null,
  purchasingContact: null,
  extensionAttributes: [],
});

const application = (name: string, bundleId: string, version: string): Wire => ({
  name: `${name}.app`,
  path: `/Applications/${name}.app`,
  version,
  cfBundleShortVersionString: version,
  cfBundleVersion: version,
  macAppStore: false,
  sizeMegabytes: unknownSize,
  bundleId,
  updateAvailable: false,
  externalVersionId: '0',
});

function applications({ facts }: Computer): Wire[] {
  const always = [
    application('Safari', 'com.apple.Safari', '26.1'),
    application('Self Service+', 'com.jamf.selfserviceplus', '2.14.0'),
  ];
  return facts.companyPortalInstalled
    ? [...always, application('Company Portal', 'com.microsoft.CompanyPortalMac', '5.2510.0')]
    : always;
}

const storage = ({ facts }: Computer): Wire => ({
  bootDriveAvailableSpaceMegabytes: 310_000,
  disks: [
    {
      id: '1',
      device: 'disk0',
      model: 'APPLE SSD AP0512Z',
      revision: null,
      serialNumber: null,
      sizeMegabytes: 500_277,
      smartStatus: 'Verified',
      type: null,
      partitions: [
        {
          name: 'Macintosh HD (Boot Partition)',
          sizeMegabytes: 494_384,
          availableMegabytes: 310_000,
          partitionType: 'BOOT',
          percentUsed: 37,
          fileVault2State: facts.fileVaultEnabled ? 'ENCRYPTED' : 'UNENCRYPTED',
          fileVault2ProgressPercent: facts.fileVaultEnabled ? 100 : 0,
          lvmManaged: false,
        },
      ],
    },
  ],
});

const userAndLocation = ({ facts }: Computer): Wire => ({
  username: facts.username,
  realname: facts.realName,
  email: facts.email,
  position: null,
  phone: null,
  departmentId: null,
  buildingId: null,
  room: null,
  extensionAttributes: [],
});

const hardware = ({ facts }: Computer): Wire => ({
  make: 'Apple',
  model: facts.model,
  modelIdentifier: facts.modelIdentifier,
  serialNumber: facts.serialNumber,
  provisioningUdid: facts.udid,
  // Apple silicon reports no clock speeds.
  processorSpeedMhz: facts.appleSilicon ? 0 : 2300,
  processorCount: 1,
  coreCount: facts.coreCount,
  processorType: facts.processorType,
  processorArchitecture: facts.appleSilicon ? 'arm64' : 'x86_64',
  busSpeedMhz: 0,
  cacheSizeKilobytes: 0,
  networkAdapterType: 'IEEE80211',
  macAddress: facts.macAddress,
  altNetworkAdapterType: 'Ethernet',
  altMacAddress: facts.altMacAddress,
  totalRamMegabytes: facts.ramMegabytes,
  openRamSlots: 0,
  batteryCapacityPercent: 96,
  smcVersion: null,
  nicSpeed: 'n/a',
  opticalDrive: null,
  bootRom: '13822.41.1',
  bleCapable: false,
  supportsIosAppInstalls: facts.appleSilicon,
  appleSilicon: facts.appleSilicon,
  extensionAttributes: [],
});

/** The three join members have misleading names: domain/jamf.md 2.3, `localUserAccounts[]`. */
const localUserAccount = (account: LocalAccount, computer: Computer): Wire => ({
  uid: String(account.uid),
  userGuid: account.userGuid,
  username: account.username,
  fullName: account.fullName,
  admin: account.admin,
  homeDirectory: `/Users/${account.username}`,
  homeDirectorySizeMb: unknownSize,
  fileVault2Enabled: computer.facts.fileVaultEnabled,
  userAccountType: 'LOCAL',
  passwordMinLength: account.passwordPolicy?.minLength ?? 8,
  passwordMaxAge: account.passwordPolicy?.maxAge ?? null,
  passwordMinComplexCharacters: account.passwordPolicy?.minComplexCharacters ?? null,
  passwordHistoryDepth: account.passwordPolicy?.historyDepth ?? null,
  passwordRequireAlphanumeric: account.passwordPolicy?.requireAlphanumeric ?? false,
  computerAzureActiveDirectoryId: account.entraDeviceId,
  userAzureActiveDirectoryId: account.entraUserId,
  azureActiveDirectoryId: account.registrationState,
});

const security = ({ facts }: Computer): Wire => ({
  sipStatus: facts.sipEnabled ? 'ENABLED' : 'DISABLED',
  gatekeeperStatus: facts.gatekeeperEnabled ? 'APP_STORE_AND_IDENTIFIED_DEVELOPERS' : 'DISABLED',
  xprotectVersion: '5321',
  autoLoginDisabled: true,
  remoteDesktopEnabled: false,
  activationLockEnabled: false,
  recoveryLockEnabled: false,
  firewallEnabled: facts.firewallEnabled,
  secureBootLevel: 'FULL_SECURITY',
  externalBootLevel: 'DISALLOW_BOOTING_FROM_EXTERNAL_MEDIA',
  bootstrapTokenAllowed: true,
  bootstrapTokenEscrowedStatus: 'ESCROWED',
  attestationStatus: facts.appleSilicon ? 'SUCCESS' : 'MDA_UNSUPPORTED_DUE_TO_HARDWARE',
  lastAttestationAttempt: null,
  lastSuccessfulAttestation: null,
});

const operatingSystem = ({ facts }: Computer): Wire => ({
  name: 'macOS',
  version: facts.osVersion,
  build: facts.osBuild,
  supplementalBuildVersion: facts.osBuild,
  rapidSecurityResponse: null,
  activeDirectoryStatus: 'Not Bound',
  fileVault2Status: facts.fileVaultEnabled ? 'ALL_ENCRYPTED' : 'NOT_ENCRYPTED',
  softwareUpdateDeviceId: 'J413AP',
  extensionAttributes: [],
});

const contentCaching = (): Wire => ({
  computerContentCachingInformationId: null,
  parents: [],
  alerts: [],
  activated: false,
  active: false,
  cacheDetails: [],
  cacheStatus: null,
  cacheBytesUsed: 0,
});

const groupMembership = (group: ComputerGroup): Wire => ({
  groupId: String(group.id),
  groupName: group.name,
  groupDescription: null,
  smartGroup: true,
});

type Render = (computer: Computer, context: RenderContext) => unknown;

const none: Render = () => [];

/**
 * Every section of the newest version, by the name `section=` takes and the member it fills, in the order of
 * the wire. PLUGINS and FONTS exist in v1 only (domain/jamf.md 2.3).
 */
export const sections: Readonly<Record<string, { readonly member: string; readonly render: Render }>> = {
  GENERAL: { member: 'general', render: general },
  DISK_ENCRYPTION: { member: 'diskEncryption', render: diskEncryption },
  LOCAL_USER_ACCOUNTS: {
    member: 'localUserAccounts',
    render: (computer) => computer.facts.accounts.map((account) => localUserAccount(account, computer)),
  },
  PURCHASING: { member: 'purchasing', render: purchasing },
  PRINTERS: { member: 'printers', render: none },
  STORAGE: { member: 'storage', render: storage },
  APPLICATIONS: { member: 'applications', render: applications },
  USER_AND_LOCATION: { member: 'userAndLocation', render: userAndLocation },
  CONFIGURATION_PROFILES: { member: 'configurationProfiles', render: none },
  SERVICES: { member: 'services', render: none },
  PLUGINS: { member: 'plugins', render: none },
  HARDWARE: { member: 'hardware', render: hardware },
  CERTIFICATES: { member: 'certificates', render: none },
  ATTACHMENTS: { member: 'attachments', render: none },
  PACKAGE_RECEIPTS: {
    member: 'packageReceipts',
    render: () => ({ installedByJamfPro: [], installedByInstallerSwu: [], cached: [] }),
  },
  FONTS: { member: 'fonts', render: none },
  SECURITY: { member: 'security', render: security },
  OPERATING_SYSTEM: { member: 'operatingSystem', render: operatingSystem },
  LICENSED_SOFTWARE: { member: 'licensedSoftware', render: none },
  SOFTWARE_UPDATES: { member: 'softwareUpdates', render: none },
  GROUP_MEMBERSHIPS: {
    member: 'groupMemberships',
    render: (computer, { groups }) =>
      groups.filter((group) => group.members.has(computer.id)).map(groupMembership),
  },
  EXTENSION_ATTRIBUTES: { member: 'extensionAttributes', render: none },
  CONTENT_CACHING: { member: 'contentCaching', render: contentCaching },
  IBEACONS: { member: 'ibeacons', render: none },
};
