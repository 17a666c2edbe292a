import type { JamfClient } from '../../jamf/client.ts';
import type { ComplianceRecord } from '../../jamf/compliance.ts';
import type { JamfFailure, JamfFailureKind } from '../../jamf/failure.ts';
import { type JamfComputer, parseComputer } from '../../jamf/inventory.ts';
import { type FieldError, isAbsent } from '../../jamf/wire-values.ts';
import type { DueComputer } from '../../store/computers/leases.ts';
import { isLate, standsAfter } from '../../store/computers/revisions.ts';
import type { Instance } from '../../store/instances/instance.ts';
import type { Mode } from '../../store/row-types.ts';
import { isRecord } from '../../untrusted/bounded-json.ts';
import type { InTurn } from '../../untrusted/turns.ts';
import { inventoryWarnings } from '../reports/attributes.ts';
import { inventorySections } from './pushed-record.ts';

/** A due computer's state: its instance's own word, or the record that was pushed. */
export type Fetched =
  | {
      readonly ok: true;
      /** The mode that it was read for. */
      readonly mode: Mode;
      readonly computer: JamfComputer;
      /** The record as it came. */
      readonly record: unknown;
      readonly by: 'read' | 'push';
      /** A pushed record served although the instance was to be asked and did not answer: it still has to be. */
      readonly stale: boolean;
      /** Older than the state that is known: it has no effect. */
      readonly late: boolean;
      /** Members in another form than expected: each reads as absent. */
      readonly warnings: readonly FieldError[];
      /** Undefined where the verdict is not Jamf's own. */
      readonly compliance: readonly ComplianceRecord[] | undefined;
    }
  | { readonly ok: false; readonly gone: true }
  | {
      readonly ok: false;
      readonly gone: false;
      readonly error: string;
      readonly waitSeconds?: number;
      /** The instance itself failed, not this one computer. */
      readonly instanceFails: boolean;
    };

/** Failures that concern the whole instance; a record that cannot be read is one computer's matter. */
const instanceFailures: ReadonlySet<JamfFailureKind> = new Set([
  'unreachable',
  'timeout',
  'overloaded',
  'no-secret',
  'error',
  'unauthenticated',
  'forbidden',
  'refused-address',
]);

const failed = (id: number, { detail, failure, retryAfterSeconds, status }: JamfFailure): Fetched => {
  // A page of something in front of the instance, whatever it is called.
  const instanceFails = instanceFailures.has(failure) || (failure === 'invalid-answer' && status !== 200);
  return {
    ok: false,
    gone: false,
    error: `${failure}: ${instanceFails ? '' : `computer ${id}: `}${detail}`,
    ...(retryAfterSeconds === undefined ? {} : { waitSeconds: retryAfterSeconds }),
    instanceFails,
  };
};

const invalid = (id: number, error: string): Fetched => ({
  ok: false,
  gone: false,
  error: `invalid-answer: computer ${id}: ${error}`,
  instanceFails: false,
});

type Read = Pick<
  Extract<Fetched, { ok: true }>,
  'computer' | 'record' | 'by' | 'stale' | 'late' | 'warnings'
>;

/** A section that was not asked for is null; one in another form than expected was, and reads as empty. */
const hasInventory = (record: unknown): boolean =>
  isRecord(record) && inventorySections.every((section) => !isAbsent(record[section]));

/** The pushed record, where it says all that is needed and is not older than what is known. */
function pushedComputer(row: DueComputer, instance: Instance, mode: Mode): Read | undefined {
  if (row.pushedRecord === null || !standsAfter(row.pushedReportAt, row, Date.now())) return undefined;
  const record = JSON.parse(row.pushedRecord) as unknown;
  const parsed = parseComputer(record);
  if (!parsed.ok || !parsed.computer.registrationsReported) return undefined;
  const { computer, warnings } = parsed;
  const needsGroups = mode === 'device-compliance' && instance.compliance.source === 'smart-group';
  const enough = mode === 'conditional-access' ? hasInventory(record) : !needsGroups || computer.groups;
  return enough ? { computer, record, warnings, by: 'push', stale: false, late: false } : undefined;
}

export interface Fetching {
  readonly row: DueComputer;
  readonly instance: Instance;
  readonly client: JamfClient;
  readonly mode: Mode;
  readonly inTurn: InTurn;
}

/**
 * A pushed record that waits to be taken in first serves by itself (`store/computers/revisions.ts`). Otherwise the instance is asked,
 * and the record serves only when the instance cannot be reached: an instance may be one that only pushes.
 */
async function findComputer({ client, inTurn, instance, mode, row }: Fetching): Promise<Read | Fetched> {
  // The rows of a lease come together, and a record may be a megabyte.
  const pushed =
    row.pushedRecord === null
      ? undefined
      : await inTurn(row.tenantId, () => pushedComputer(row, instance, mode));
  if (pushed && row.pushedRevision === row.wantedRevision) return pushed;
  const read = await client.computer(String(row.jamfComputerId));
  if (!read.ok) {
    if (read.failure === 'not-found') return { ok: false, gone: true };
    return pushed ? { ...pushed, stale: true } : failed(row.jamfComputerId, read);
  }
  // Without its accounts a record says nothing about registrations, and must not end routes.
  const { computer, record, warnings } = read;
  if (!computer.registrationsReported) {
    return invalid(row.jamfComputerId, 'the record came without its local user accounts');
  }
  const late = isLate(computer.reportedAt, row, Date.now());
  return { computer, record, warnings, by: 'read', stale: false, late };
}

/**
 * Reads a due computer and, where the verdict is Jamf's, its compliance. In mode `conditional-access` Intune judges
 * the inventory itself, so the instance is asked for no verdict.
 */
export async function fetchComputer(fetching: Fetching): Promise<Fetched> {
  const { client, instance, mode, row } = fetching;
  const found = await findComputer(fetching);
  if ('ok' in found) return found;
  const { computer } = found;
  const ofInventory = mode === 'conditional-access' ? inventoryWarnings(found.record) : [];
  const warnings = [...found.warnings, ...ofInventory];
  const withoutVerdict = { ok: true as const, mode, ...found, warnings, compliance: undefined };
  const verdictIsJamfs = mode === 'device-compliance' && instance.compliance.source !== 'smart-group';
  if (!verdictIsJamfs || computer.registrations.length === 0) return withoutVerdict;
  const read = await client.complianceInformation(String(row.jamfComputerId));
  if (read.ok) {
    return { ...withoutVerdict, compliance: read.records, warnings: [...warnings, ...read.warnings] };
  }
  return read.failure === 'not-found'
    ? { ...withoutVerdict, compliance: [] }
    : failed(row.jamfComputerId, read);
}
