import type { JsonObject } from '../untrusted/bounded-json.ts';
import { callIntune, detailText, guidKey, type IntuneCall, type IntuneError } from './call.ts';
import type { UploadBody } from './entities.ts';

/** `ErrorCode`s inside a 2xx that mean accepted (domain/microsoft.md 4.4, contract section 7). */
const acceptedCodes = new Set(['', '0', '202']);

export type PutUploadResult = { readonly outcome: 'accepted' } | IntuneError;

export type GetUploadResult =
  | { readonly outcome: 'completed' }
  | { readonly outcome: 'failed'; readonly detail: string }
  /** `status` as Intune wrote it: the names are not public. */
  | { readonly outcome: 'pending'; readonly status: string }
  /** Intune knows no such message: it was never accepted, or is forgotten. */
  | { readonly outcome: 'unknown'; readonly detail: string }
  | Exclude<IntuneError, { readonly outcome: 'not-found' }>;

const codeOf = (body: JsonObject | undefined): string => detailText(body?.ErrorCode).trim();

/**
 * Sends one message. Make and store `messageId`, a GUID, before: after an unclear outcome the same id is sent
 * again. Accepted means 2xx and no body, or an `ErrorCode` that is absent, 0, 202 or "202" (4.4).
 */
export async function putUpload(
  call: IntuneCall & { readonly messageId: string; readonly body: UploadBody },
): Promise<PutUploadResult> {
  const answer = await callIntune(call, 'PUT', guidKey('DataUploadMessages', call.messageId), call.body);
  if (answer.outcome !== 'answered') return answer;
  const code = codeOf(answer.body);
  if (acceptedCodes.has(code)) return { outcome: 'accepted' };
  const detail = detailText(answer.body?.ErrorDetail) || `ErrorCode ${code}`;
  return { outcome: 'refused', code, detail, httpStatus: answer.httpStatus };
}

function statusOf(body: JsonObject | undefined): GetUploadResult {
  const status = detailText(body?.Status).trim();
  const detail = detailText(body?.ErrorDetail);
  switch (status.toLowerCase()) {
    case 'completed':
      return { outcome: 'completed' };
    case 'failed':
      return { outcome: 'failed', detail: detail || 'Intune gives no reason' };
    case '':
      // An error inside HTTP 200, as uploads have them: 404 is the number seen.
      if (codeOf(body) === '404') return { outcome: 'unknown', detail: detail || 'ErrorCode 404' };
      return { outcome: 'pending', status: codeOf(body) === '' ? 'absent' : `ErrorCode ${codeOf(body)}` };
    default:
      return { outcome: 'pending', status };
  }
}

/** Asks what became of a message (domain/microsoft.md 4.4). Completed does not prove that Entra shows it. */
export async function getUpload(call: IntuneCall & { readonly messageId: string }): Promise<GetUploadResult> {
  const answer = await callIntune(call, 'GET', guidKey('DataUploadMessages', call.messageId));
  if (answer.outcome === 'answered') return statusOf(answer.body);
  return answer.outcome === 'not-found' ? { outcome: 'unknown', detail: answer.detail } : answer;
}
