import { leaseRenewMs } from '../../limits.ts';
import { SealBroken, type Sealer } from '../../secrets/seal.ts';
import { readLiveApiKey } from '../../store/api-keys.ts';
import { type Approval, renewApproval } from '../../store/approvals.ts';
import { readBinding } from '../../store/operators.ts';
import type { Log } from '../../telemetry/log.ts';
import { type AdminApp, type AdminServices, approvedRequest, type Operator } from '../context.ts';
import { bootstrapWorks } from '../operators/key-operators.ts';
import { bodyAssociation } from './second-person.ts';

/** Making a request again that a second operator has approved, as who asked for it. */

export interface Outcome {
  readonly state: 'done' | 'failed';
  /** Null: the request was not made. */
  readonly status: number | null;
  readonly answer: string | null;
}

const failed = (answer: string): Outcome => ({ state: 'failed', status: null, answer });

export interface CarryServices extends Pick<AdminServices, 'bootstrapKey' | 'sealer' | 'sql'> {
  readonly log: Log;
}

/**
 * Reads the asking operator with the role and tenants of now, or why that operator can act no more. A person who signed
 * in has the role that the approval holds: Entra is asked at the next sign-in.
 */
async function operatorNow({ bootstrapKey, sql }: CarryServices, row: Approval): Promise<Operator | string> {
  const { requestedBy: name, requestedId, requestedKind: kind } = row;
  if (kind === 'user') {
    const { requestedEntraTenantId: entraTenantId, requestedRole: role, requestedTenantIds } = row;
    const person = { kind, name, id: requestedId ?? undefined, role };
    // Asked for before approvals held the Entra tenant.
    if (entraTenantId === null || requestedId === null)
      return { ...person, tenantIds: requestedTenantIds ?? undefined };
    const tenantIds = await readBinding(sql, { entraTenantId, objectId: requestedId });
    return { ...person, entraTenantId, tenantIds };
  }
  if (kind === 'bootstrap') {
    return bootstrapKey !== undefined && (await bootstrapWorks(sql))
      ? { kind, name, id: undefined, role: 'admin', tenantIds: undefined }
      : 'It was asked for with the bootstrap key, which has no effect any more. Ask again with a key.';
  }
  const key = requestedId === null ? undefined : await readLiveApiKey(sql, requestedId);
  return key
    ? { kind, name, id: key.keyId, role: key.role, tenantIds: key.tenantIds ?? undefined }
    : `The ${name}, which asked for it, was revoked or has expired. Ask again with one that works.`;
}

async function bodyOf(sealer: Sealer, row: Approval): Promise<string | undefined> {
  return row.bodySealed === null ? undefined : sealer.open(row.bodySealed, bodyAssociation(row));
}

/** While this process lives nobody takes the request for interrupted. */
async function whileRenewing<T>(
  { log, sql }: CarryServices,
  row: Approval,
  work: () => Promise<T>,
): Promise<T> {
  const timer = setInterval(() => {
    // An approval that could not be renewed in time shows as failed until the outcome is written.
    renewApproval(sql, row).catch((error: unknown) =>
      log.warn('approval.not-renewed', { approvalId: row.approvalId, error }),
    );
  }, leaseRenewMs);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

export async function carryOut(
  app: AdminApp,
  services: CarryServices,
  row: Approval,
  by: { readonly name: string; readonly requestId: string },
): Promise<Outcome> {
  const operator = await operatorNow(services, row);
  if (typeof operator === 'string') return failed(operator);
  let body: string | undefined;
  try {
    body = await bodyOf(services.sealer, row);
  } catch (error) {
    if (!(error instanceof SealBroken)) throw error;
    return failed('No key of ESPALIER_SECRETS_KEY opens the request any more. Ask again.');
  }
  const headers = {
    'x-request-id': by.requestId,
    ...(row.ifMatch === null ? {} : { 'if-match': row.ifMatch }),
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  };
  const approved = { operator, approvedBy: by.name, source: row.source ?? undefined, devices: row.devices };
  const answer = await whileRenewing(services, row, async () =>
    app.request(
      row.target,
      { method: row.method, headers, ...(body === undefined ? {} : { body }) },
      { [approvedRequest]: approved },
    ),
  );
  return { state: answer.ok ? 'done' : 'failed', status: answer.status, answer: await answer.text() };
}
