import type { JamfClient } from '../jamf/client.ts';
import type { ComplianceRecord } from '../jamf/compliance.ts';
import type { JamfFailure } from '../jamf/failure.ts';
import { type JamfComputer, parseComputer } from '../jamf/inventory.ts';
import type { Instance } from '../store/instances.ts';
import type { DueComputer } from './computer-row.ts';

/** What is known of a due computer: its instance's own word, or the record that was pushed. */
export type Fetched =
  | {
      readonly ok: true;
      readonly computer: JamfComputer;
      readonly compliance: readonly ComplianceRecord[] | undefined;
    }
  | { readonly ok: false; readonly gone: true }
  | { readonly ok: false; readonly gone: false; readonly error: string; readonly waitSeconds?: number };

/** More Entra registrations on one Mac than this is no Mac: each takes a lock for the length of a transaction. */
const registrationsPerComputer = 100;

const failed = ({ detail, failure, retryAfterSeconds }: JamfFailure): Fetched => ({
  ok: false,
  gone: false,
  error: `${failure}: ${detail}`,
  ...(retryAfterSeconds === undefined ? {} : { waitSeconds: retryAfterSeconds }),
});

const invalid = (error: string): Fetched => ({ ok: false, gone: false, error: `invalid-answer: ${error}` });

/** The pushed record, where it says all that is needed. */
function pushedComputer(row: DueComputer, instance: Instance): JamfComputer | undefined {
  if (row.pushedRecord === null) return undefined;
  const parsed = parseComputer(JSON.parse(row.pushedRecord) as unknown);
  if (!parsed.ok || !parsed.computer.registrationsReported) return undefined;
  const needsGroups = instance.compliance.source === 'smart-group';
  return needsGroups && parsed.computer.groups === undefined ? undefined : parsed.computer;
}

/**
 * A pushed record serves while nothing newer made the computer due. After a webhook the instance is asked, and the
 * record serves only when the instance cannot be reached: an instance may be one that only pushes.
 */
async function findComputer(
  row: DueComputer,
  instance: Instance,
  client: JamfClient,
): Promise<JamfComputer | Fetched> {
  const candidate = pushedComputer(row, instance);
  const stale =
    candidate?.reportedAt !== undefined && row.reportAt !== null && candidate.reportedAt < row.reportAt;
  const pushed = stale ? undefined : candidate;
  if (pushed && row.pushedRevision === row.wantedRevision) return pushed;
  const read = await client.computer(String(row.jamfComputerId));
  if (!read.ok) {
    if (read.failure === 'not-found') return { ok: false, gone: true };
    return pushed ?? failed(read);
  }
  // Without its accounts a record says nothing about registrations, and must not end routes.
  return read.computer.registrationsReported
    ? read.computer
    : invalid('the record came without its local user accounts');
}

export async function fetchComputer(
  row: DueComputer,
  instance: Instance,
  client: JamfClient,
): Promise<Fetched> {
  const computer = await findComputer(row, instance, client);
  if ('ok' in computer) return computer;
  if (computer.registrations.length > registrationsPerComputer) {
    return invalid(`the record has ${computer.registrations.length} Entra registrations`);
  }
  const withoutVerdict = { ok: true as const, computer, compliance: undefined };
  if (instance.compliance.source === 'smart-group' || computer.registrations.length === 0)
    return withoutVerdict;
  const read = await client.complianceInformation(String(row.jamfComputerId));
  if (read.ok) return { ...withoutVerdict, compliance: read.records };
  return read.failure === 'not-found' ? { ...withoutVerdict, compliance: [] } : failed(read);
}
