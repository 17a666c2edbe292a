import { isRecord } from '../untrusted/bounded-json.ts';
import {
  createWarnings,
  type FieldError,
  isAbsent,
  readBoolean,
  readComputerId,
  readGuid,
  readText,
  type Warn,
} from './wire-values.ts';

/** Jamf's judgement of one computer for one compliance vendor (domain/jamf.md 2.1). */
export interface ComplianceRecord {
  readonly jamfComputerId: string | undefined;
  /** True for a member of the vendor's applicable group; `undefined` when the instance does not say. */
  readonly applicable: boolean | undefined;
  readonly state: 'COMPLIANT' | 'NON_COMPLIANT' | 'UNKNOWN';
  readonly vendor: string | undefined;
  /** Entra device ids, lower case: several when several local users registered, none for other vendors. */
  readonly deviceIds: readonly string[];
}

export type ComplianceResult =
  | {
      readonly ok: true;
      readonly records: readonly ComplianceRecord[];
      readonly warnings: readonly FieldError[];
    }
  | { readonly ok: false; readonly errors: readonly FieldError[] };

/**
 * The verdict for Intune. `unknown` is to be held: Jamf is still computing. `not-applicable`: outside of the applicable
 * group. `no-vendor`: the instance has no record that could speak for Intune.
 */
export interface Verdict {
  readonly verdict: 'compliant' | 'not-compliant' | 'unknown' | 'not-applicable' | 'no-vendor';
  readonly deviceIds: readonly string[];
}

/**
 * Reads the answer of `device-compliance-information/computer/{id}`: a list with one record per vendor, `[]` without
 * vendors. `complianceVendorDeviceInformation` is an object in Jamf's schema, a list in its examples and absent in
 * older versions: all are read. A member in another form than expected is named in `warnings` and counts as not yet
 * computed, so that no verdict is made of it. Never throws.
 */
export function parseComplianceInformation(body: unknown): ComplianceResult {
  const list = isRecord(body) && 'complianceState' in body ? [body] : body;
  if (!Array.isArray(list)) {
    return {
      ok: false,
      errors: [{ code: 'MALFORMED', field: '', description: 'The answer must be a list.' }],
    };
  }
  const { list: warnings, warn } = createWarnings();
  const records = (list as readonly unknown[]).map((item, position) =>
    readVendorRecord(item, `compliance[${position}]`, warn),
  );
  return { ok: true, records, warnings };
}

/** A record that cannot be read keeps its place: another vendor's must not count as the only one for it. */
const unreadable: ComplianceRecord = {
  jamfComputerId: undefined,
  applicable: undefined,
  state: 'UNKNOWN',
  vendor: undefined,
  deviceIds: [],
};

function readVendorRecord(item: unknown, path: string, warn: Warn): ComplianceRecord {
  if (!isRecord(item)) {
    warn(path, 'be an object');
    return unreadable;
  }
  const { applicable, complianceState: state } = item;
  if (!isAbsent(state) && typeof state !== 'string') warn(`${path}.complianceState`, 'be text');
  const isApplicable = readBoolean(applicable);
  if (!isAbsent(applicable) && isApplicable === undefined) warn(`${path}.applicable`, 'be a boolean');
  return {
    jamfComputerId: readComputerId(item.deviceId),
    applicable: isApplicable,
    state: readState(state),
    vendor: readText(item.complianceVendor),
    deviceIds: readDeviceIds(item.complianceVendorDeviceInformation),
  };
}

/** A state this version does not know must not flip the flag in Entra: it counts as not yet computed. */
function readState(value: unknown): ComplianceRecord['state'] {
  const name = readText(value)?.toUpperCase();
  return name === 'COMPLIANT' || name === 'NON_COMPLIANT' ? name : 'UNKNOWN';
}

function readDeviceIds(information: unknown): readonly string[] {
  const parts: readonly unknown[] = Array.isArray(information) ? information : [information];
  const ids = parts.flatMap((part) =>
    isRecord(part) ? (Array.isArray(part.deviceIds) ? part.deviceIds : [part.deviceIds]) : [],
  );
  return [...new Set(ids.map(readGuid).filter((id) => id !== undefined))];
}

/**
 * The verdict that counts for Intune (domain/jamf.md 2.1 and 6.2): of the vendor that names the Entra device, else of the
 * one whose display name says Intune or Microsoft (the exact names are not public), else of the only one.
 */
export function verdictFor(records: readonly ComplianceRecord[], deviceId?: string): Verdict {
  const wanted = deviceId?.toLowerCase();
  const record =
    (wanted === undefined ? undefined : records.find(({ deviceIds }) => deviceIds.includes(wanted))) ??
    records.find(({ vendor }) => /intune|microsoft/i.test(vendor ?? '')) ??
    (records.length === 1 ? records[0] : undefined);
  if (!record) return { verdict: 'no-vendor', deviceIds: [] };
  return { verdict: judge(record), deviceIds: record.deviceIds };
}

function judge({ applicable, state }: ComplianceRecord): Verdict['verdict'] {
  if (applicable === false) return 'not-applicable';
  if (applicable === undefined || state === 'UNKNOWN') return 'unknown';
  return state === 'COMPLIANT' ? 'compliant' : 'not-compliant';
}
