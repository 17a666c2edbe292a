import { bodyRefusal } from './body-status.ts';
import { callIntune, guidKey, type IntuneCall, type IntuneError } from './call.ts';
import { wireTime } from './entities.ts';

export type HeartbeatResult =
  | {
      readonly outcome: 'alive';
      /** Intune wants everything again; act once per distinct value (domain/microsoft.md 4.3). As Intune wrote it. */
      readonly resyncTimestamp: string | undefined;
      /** Failures of earlier uploads, of unknown shape: log as they are. */
      readonly messageErrors: readonly unknown[];
    }
  | IntuneError;

/** Says that the partner is alive for a tenant (domain/microsoft.md 4.3): once per tenant, not per instance. */
export async function putHeartbeat(
  call: IntuneCall & { readonly tenantId: string; readonly timestamp: Date | string },
): Promise<HeartbeatResult> {
  const path = guidKey('PartnerTenantHeartbeat', call.tenantId);
  const answer = await callIntune(call, 'PUT', path, { Timestamp: wireTime(call.timestamp) });
  if (answer.outcome !== 'answered') return answer;
  const refusal = bodyRefusal(answer.body);
  if (refusal !== undefined) return refusal;
  const resync = answer.body?.ResyncTimestamp;
  const errors = answer.body?.MessageErrors;
  return {
    outcome: 'alive',
    resyncTimestamp: typeof resync === 'string' && resync !== '' ? resync : undefined,
    messageErrors: Array.isArray(errors) ? errors : [],
  };
}
