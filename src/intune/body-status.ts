import type { JsonObject } from '../untrusted/bounded-json.ts';
import { detailText, type IntuneError, intuneError } from './call.ts';

/**
 * The refusal inside a 2xx answer of PartnerTenants or PartnerTenantHeartbeat: `HttpStatusCode` and `ErrorDetail`
 * count as well as the HTTP status (domain/microsoft.md 4.2, 4.3). Undefined when there is none.
 */
export function bodyRefusal(body: JsonObject | undefined): IntuneError | undefined {
  const detail = detailText(body?.ErrorDetail);
  const code = detailText(body?.HttpStatusCode);
  const status = code === '' ? undefined : Number(code);
  const statusOk = status === undefined || (status >= 200 && status <= 299);
  if (statusOk && detail === '') return undefined;
  const text = detail === '' ? `Intune answered ${code} inside its answer` : detail;
  // An error text beside a good or unreadable status is a refusal of its own.
  return statusOk || Number.isNaN(status)
    ? { outcome: 'refused', code: code === '' ? 'ErrorDetail' : code, detail: text, httpStatus: 200 }
    : intuneError(status, { code, detail: text });
}
