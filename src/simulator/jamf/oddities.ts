/**
 * Oddities of reality that a tidy double lacks: a small share of records is odd in form though right in what it says, some
 * computers have no inventory yet, and some are listed but not found. All of it follows from the computer's id and draws
 * nothing, so that the same seed goes on making the same fleet.
 */

/**
 * `unzoned-dates`: times in UTC without saying so. `scalars`: numbers and flags as text. `undated`: no
 * report date until the Mac has reported once more. `uninventoried`: enrolled and nothing more. `hidden`: the same, and
 * 404 when it is asked for, as where the API client may list a site and not read it.
 */
export type Oddity = 'unzoned-dates' | 'scalars' | 'undated' | 'uninventoried' | 'hidden';

/** A record of the inventory, as far as its oddity needs it. */
export interface OddComputer {
  readonly oddity: Oddity | undefined;
  readonly reportDate: number;
  readonly initialEntryDate: number;
}

export interface OddityVariants {
  /** Share of new records that are odd, 0 to 1. */
  oddShare: number;
}

export const defaultOddShare = 0.04;
/** Number of Macs of an instance for each one without an inventory, and for each one that is hidden, beside them. */
export const macsPerUninventoried = 40;

const forms = ['unzoned-dates', 'scalars', 'undated'] as const;

/** Ids count from 1; the golden ratio spreads them evenly, the first odd one of the default share being 13. */
export const spread = (id: number): number => (Math.imul(id, 2_654_435_761) >>> 0) / 2 ** 32;

export const oddityOf = (id: number, { oddShare }: OddityVariants): Oddity | undefined =>
  spread(id) < oddShare ? forms[Math.floor((spread(id) / oddShare) * forms.length)] : undefined;

export const hasInventory = ({ oddity }: OddComputer): boolean =>
  oddity !== 'uninventoried' && oddity !== 'hidden';

/** null: the server has no date yet. */
export const shownReportDate = (computer: OddComputer): number | null =>
  !hasInventory(computer) ||
  (computer.oddity === 'undated' && computer.reportDate === computer.initialEntryDate)
    ? null
    : computer.reportDate;

/** A Mac of which nothing is known but that it enrolled. */
export const factsWithoutInventory = (number: number) => ({
  serialNumber: `NEW${String(number).padStart(7, '0')}`,
  udid: `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`,
  name: `new-mac-${number}`,
  model: '',
  modelIdentifier: '',
  appleSilicon: true,
  processorType: '',
  coreCount: 0,
  ramMegabytes: 0,
  macAddress: '',
  altMacAddress: '',
  osVersion: '',
  osBuild: '',
  ipAddress: '',
  reportedIpAddress: '',
  username: '',
  realName: '',
  email: '',
  fileVaultEnabled: false,
  firewallEnabled: false,
  gatekeeperEnabled: false,
  sipEnabled: false,
  companyPortalInstalled: false,
  accounts: [],
});

type Wire = Record<string, unknown>;

const isWire = (value: unknown): value is Wire =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const zoned = /^(\d{4}-\d{2}-\d{2}T[\d:.]+)Z$/;

function withoutZones(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(zoned, '$1');
  if (Array.isArray(value)) return value.map(withoutZones);
  if (!isWire(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, withoutZones(inner)]));
}

const textOf = (value: unknown): unknown =>
  typeof value === 'number' || typeof value === 'boolean' ? String(value) : value;

function withOddScalars(record: Wire): Wire {
  const { general, hardware, localUserAccounts } = record;
  const scalars = (value: unknown): unknown =>
    isWire(value)
      ? Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, textOf(inner)]))
      : value;
  return {
    ...record,
    ...(isWire(general)
      ? { general: { ...general, remoteManagement: scalars(general.remoteManagement) } }
      : {}),
    hardware: scalars(hardware),
    ...(Array.isArray(localUserAccounts) ? { localUserAccounts: localUserAccounts.map(scalars) } : {}),
  };
}

/** Sections that an instance has of a Mac from its enrolment on; of the others it shows empty ones. */
function withoutInventory(record: Wire): Wire {
  const { general, hardware, id, udid } = record;
  const sections = Object.entries(record).map(([name, section]) => [
    name,
    Array.isArray(section) ? [] : null,
  ]);
  return {
    ...Object.fromEntries(sections),
    id,
    udid,
    general: isWire(general) ? { ...general, reportDate: null } : general,
    hardware: isWire(hardware)
      ? { serialNumber: hardware.serialNumber, model: null, make: 'Apple' }
      : hardware,
  };
}

/** The record as the computer's oddity has it. */
export function oddRecord(record: Wire, computer: OddComputer): Wire {
  if (!hasInventory(computer)) return withoutInventory(record);
  if (computer.oddity === 'unzoned-dates') return { ...record, general: withoutZones(record.general) };
  return computer.oddity === 'scalars' ? withOddScalars(record) : record;
}

/** Every so many group events come in another form; XML has no names with spaces. */
const groupEventsPerOdd = 10;

interface GroupBody {
  readonly groupAddedDevicesIds: readonly number[];
  readonly groupRemovedDevicesIds: readonly number[];
}

const shown = (ids: readonly number[]): Wire[] =>
  ids.map((id) => ({ id, 'Computer Name': `mac-${id}`, 'Serial Number': `C02SIM${id}`, Managed: 'Managed' }));

/** The `number`th event of a group (from 1): as it is, or with its ids as text, among junk, or in display fields only. */
export function oddGroupBody<Body extends object>(body: Body, number: number, isXml: boolean): Body {
  if (number % groupEventsPerOdd !== 0 || !('groupAddedDevicesIds' in body)) return body;
  const { groupAddedDevicesIds: added, groupRemovedDevicesIds: removed } = body as Body & GroupBody;
  switch ((number / groupEventsPerOdd) % (isXml ? 2 : 3)) {
    case 0:
      return { ...body, groupAddedDevicesIds: added.join(', '), groupRemovedDevicesIds: removed.join(', ') };
    case 1:
      return { ...body, groupAddedDevicesIds: [...added, 0, 'n/a'], groupRemovedDevicesIds: [...removed] };
    default:
      return {
        ...body,
        ...{ groupAddedDevices: shown(added), groupAddedDevicesIds: null },
        ...{ groupRemovedDevices: shown(removed), groupRemovedDevicesIds: null },
      };
  }
}
